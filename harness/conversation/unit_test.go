package conversation_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// TestTwoSidesOfAWire has a segment that is lost between two interfaces: each side is judged by itself.
func TestTwoSidesOfAWire(t *testing.T) {
	on := conversationtest.On
	s := conversationtest.New()
	s.Link = evidence.LinkRaw
	both := func(from string, flags conversation.Flags, data string, changes ...conversationtest.Change) {
		near := 0
		if from == server {
			near = 1
		}
		s.Send(from, flags, data, append(changes, on(near))...)
		s.Packets = append(s.Packets, s.Packets[len(s.Packets)-1])
		far := &s.Packets[len(s.Packets)-1]
		far.N, far.Interface = len(s.Packets), 1-near
	}
	both(client, syn, "")
	both(server, synAck, "")
	both(client, ack, "")
	first := s.Send(client, push, "lost", lost, on(0))
	both(client, push, "lost", seq(1))
	both(server, ack, "", acks(5))
	run := s.Run()
	run.Interfaces = []evidence.Interface{{Name: "a", LinkType: evidence.LinkRaw, End: client}, {Name: "b", LinkType: evidence.LinkRaw, End: server}}
	a := conversation.Analyse(run)

	if len(a.TCP) != 2 || a.TCP[0].Interface != 0 || a.TCP[1].Interface != 1 {
		t.Fatalf("conversations: %+v", a.TCP)
	}
	if got := a.SeenBy(client); !slices.Equal(got, a.TCP[:1]) {
		t.Errorf("the client's side: %v", got)
	}
	if got := a.On(1); !slices.Equal(got, a.SeenBy(server)) || len(got) != 1 {
		t.Errorf("the server's side: %v", got)
	}
	near, far := a.TCP[0].Sent(client), a.TCP[1].Sent(client)
	if again := near.Retransmissions(); len(again) != 1 || again[0].RetransmissionOf != first || again[0].Attempt != 1 {
		t.Errorf("retransmissions at the client: %v", again)
	}
	if again := far.Retransmissions(); len(again) != 0 {
		t.Errorf("retransmissions at the server: %v", again)
	}
	if string(near.Stream()) != "lost" || string(far.Stream()) != "lost" {
		t.Errorf("streams %q, %q", near.Stream(), far.Stream())
	}
	if got := a.With(netip.MustParseAddrPort("127.0.0.1:8080")); len(got) != 2 {
		t.Errorf("with the server's address: %v", got)
	}
	if got := a.With(netip.AddrPortFrom(netip.Addr{}, 40000)); len(got) != 2 {
		t.Errorf("with the client's port: %v", got)
	}
	if got := a.With(netip.MustParseAddrPort("127.0.0.2:8080")); got != nil {
		t.Errorf("with another address: %v", got)
	}
}

func TestStateAfterAnyFrame(t *testing.T) {
	s := conversationtest.New().Open()
	s.Datagram(client, "between")
	s.Finish(client)
	c := s.Conversation()
	for frame, want := range map[int]conversation.State{0: conversation.Closed, 1: conversation.SynSent, 3: conversation.Established,
		4: conversation.Established, 5: conversation.FinWait1, 6: conversation.FinWait2, 7: conversation.TimeWait, 100: conversation.TimeWait} {
		if got := c.StateAfter(frame, client); got != want {
			t.Errorf("after frame %d the client is in %s, want %s", frame, got, want)
		}
	}
	if c.StateBefore(server) != conversation.Listen || c.StateBefore(client) != conversation.Closed {
		t.Error("wrong states before")
	}
	if c.Segment(5) == nil || c.Segment(4) != nil {
		t.Error("wrong segments")
	}
	if got := c.FINs(); len(got) != 2 || got[0].Frame != 5 {
		t.Errorf("FINs: %v", got)
	}
}

func TestOptions(t *testing.T) {
	s := conversationtest.New()
	s.Send(client, syn, "", conversationtest.Option(layers.TCPOptionKindMSS, 5, 0xb4), conversationtest.WindowScale(15),
		conversationtest.Option(layers.TCPOptionKindSACKPermitted), conversationtest.Option(layers.TCPOptionKindTimestamps, 0, 0, 0, 7, 0, 0, 0, 9))
	s.Send(server, ack, "", conversationtest.Option(layers.TCPOptionKindSACK, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4))
	c := s.Conversation()
	want := conversation.Options{MSS: 1460, WindowScale: 14, SACKPermitted: true, Timestamps: true, TSVal: 7, TSEcr: 9}
	if got := c.Segments[0].Options; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := c.Segments[1].Options.SACK, []conversation.SACK{{Left: 1, Right: 2}, {Left: 3, Right: 4}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if c.Segments[1].Options.WindowScale != -1 {
		t.Error("window scaling is seen where there is none")
	}
}

// TestMalformedOptionsSpareTheSegment breaks an option's length.
func TestMalformedOptionsSpareTheSegment(t *testing.T) {
	s := conversationtest.New()
	s.Send(client, syn, "", conversationtest.WindowScale(3))
	s.Packets[0].Data[14+20+20+1] = 0 // the option's length
	c := s.Conversation()
	if seg := c.Segments[0]; seg.Options.Malformed == "" || !seg.Flags.Has(syn) || seg.Checksum != conversation.ChecksumBad {
		t.Errorf("got %+v", seg)
	}
}

// TestChecksums holds good, bad, cut, partial and missing ones.
func TestChecksums(t *testing.T) {
	for _, six := range []bool{false, true} {
		make := func() *conversationtest.Script {
			s := conversationtest.New()
			if six {
				s.ClientAddress, s.ServerAddress = address("[::1]:1"), address("[::1]:2")
			}
			s.Send(client, push, "some data of which the checksum is made")
			return s
		}
		segment := func(s *conversationtest.Script) *conversation.Segment { return s.Conversation().Segments[0] }
		header := 14 + 20
		wantIP := conversation.ChecksumGood
		if six {
			header, wantIP = 14+40, conversation.ChecksumNone
		}
		if seg := segment(make()); seg.Checksum != conversation.ChecksumGood || seg.IPChecksum != wantIP {
			t.Errorf("good: %s, IP %s", seg.Checksum, seg.IPChecksum)
		}
		for _, at := range []int{header, header + 4, header + 16, header + 20, header + 30} {
			s := make()
			s.Packets[0].Data[at] ^= 4
			if seg := segment(s); seg.Checksum != conversation.ChecksumBad {
				t.Errorf("changed at %d: %s", at, seg.Checksum)
			}
		}
		if !six {
			s := make()
			s.Packets[0].Data[14+8]++ // the time to live
			if seg := segment(s); seg.IPChecksum != conversation.ChecksumBad || seg.Checksum != conversation.ChecksumGood || seg.Arrived() {
				t.Errorf("IP header changed: %s, IP %s", seg.Checksum, seg.IPChecksum)
			}
		}
		s := make()
		s.Packets[0].Data = s.Packets[0].Data[:header+25]
		if seg := segment(s); seg.Checksum != conversation.ChecksumUnknown || seg.Length != 39 || len(seg.Payload) != 5 {
			t.Errorf("cut: %s, %d of %d bytes", seg.Checksum, len(seg.Payload), seg.Length)
		}
		// What the kernel leaves to hardware is the sum over the pseudo header, not inverted.
		s = make()
		var sum uint32
		addresses := s.Packets[0].Data[14+12 : 14+20]
		if six {
			addresses = s.Packets[0].Data[14+8 : 14+40]
		}
		for i := 0; i < len(addresses); i += 2 {
			sum += uint32(addresses[i])<<8 | uint32(addresses[i+1])
		}
		sum += 6 + 20 + 39
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		s.Packets[0].Data[header+16], s.Packets[0].Data[header+17] = byte(sum>>8), byte(sum)
		if seg := segment(s); seg.Checksum != conversation.ChecksumPartial || !seg.Arrived() {
			t.Errorf("partial: %s", seg.Checksum)
		}
	}
	s := conversationtest.New()
	s.Datagram(client, "x")
	s.Packets[0].Data[14+20+6], s.Packets[0].Data[14+20+7] = 0, 0
	if d := s.Analyse().UDP[0]; d.Checksum != conversation.ChecksumNone {
		t.Errorf("UDP without a checksum: %s", d.Checksum)
	}
}

// udpFragments cuts a datagram of 3000 bytes into three frames of raw IPv4.
func udpFragments(t *testing.T) ([]evidence.Packet, []byte) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789"), 300)
	ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: 77, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
	udp := &layers.UDP{SrcPort: 1000, DstPort: 2000}
	_ = udp.SetNetworkLayerForChecksum(ip)
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	whole := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(whole, options, udp, gopacket.Payload(data)); err != nil {
		t.Fatal(err)
	}
	var packets []evidence.Packet
	for at := 0; at < len(whole.Bytes()); at += 1480 {
		end := min(at+1480, len(whole.Bytes()))
		ip.FragOffset, ip.Flags = uint16(at/8), 0
		if end < len(whole.Bytes()) {
			ip.Flags = layers.IPv4MoreFragments
		}
		frame := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(frame, options, ip, gopacket.Payload(whole.Bytes()[at:end])); err != nil {
			t.Fatal(err)
		}
		packets = append(packets, evidence.Packet{N: len(packets) + 1, Data: frame.Bytes(), Length: len(frame.Bytes())})
	}
	return packets, data
}

func TestFragmentedDatagram(t *testing.T) {
	raw := []evidence.Interface{{LinkType: evidence.LinkRaw}}
	packets, data := udpFragments(t)
	if len(packets) != 3 {
		t.Fatalf("%d fragments", len(packets))
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
		var shuffled []evidence.Packet
		for i, from := range order {
			p := packets[from]
			p.N = i + 1
			shuffled = append(shuffled, p)
		}
		a := conversation.AnalysePackets(shuffled, raw)
		if len(a.UDP) != 1 || len(a.Other) != 0 || !bytes.Equal(a.UDP[0].Payload, data) || a.UDP[0].Checksum != conversation.ChecksumGood {
			t.Errorf("%v: %+v, other %v", order, a.UDP, a.Other)
			continue
		}
		if !slices.Equal(a.UDP[0].Frames, []int{1, 2, 3}) || a.UDP[0].Frame != 3 {
			t.Errorf("%v: frames %v", order, a.UDP[0].Frames)
		}
		if got := a.Comment(2); got != "part 2 of a UDP datagram that is complete with frame 3" {
			t.Errorf("%v: %q", order, got)
		}
	}
	a := conversation.AnalysePackets(packets[:2], raw)
	if len(a.UDP) != 0 || len(a.Other) != 2 || a.Other[0].Broken {
		t.Errorf("incomplete: %v, other %v", a.UDP, a.Other)
	}
}

func TestICMP(t *testing.T) {
	s := conversationtest.New()
	s.Datagram(client, "to nobody")
	quoted := s.Packets[0].Data[14:]
	ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: []byte{127, 0, 0, 1}, DstIP: []byte{127, 0, 0, 1}}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}
	frame := gopacket.NewSerializeBuffer()
	ethernet := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	if err := gopacket.SerializeLayers(frame, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ethernet, ip, icmp, gopacket.Payload(quoted)); err != nil {
		t.Fatal(err)
	}
	a := conversation.AnalysePackets(append(s.Packets, evidence.Packet{N: 2, Data: frame.Bytes()}), nil)
	if len(a.ICMP) != 1 {
		t.Fatalf("got %v", a.ICMP)
	}
	m := a.ICMP[0]
	if !m.PortUnreachable() || !m.Unreachable() || m.About == nil || m.About.Protocol != 17 || m.About.Destination != s.ServerAddress || m.About.Source != s.ClientAddress {
		t.Errorf("got %+v about %+v", m, m.About)
	}
	if got := a.Comment(2); got != "ICMP: nobody has the port 127.0.0.1:8080" {
		t.Errorf("comment %q", got)
	}
}

func TestFramesThatAreSomethingElse(t *testing.T) {
	arp := make([]byte, 42)
	arp[12], arp[13] = 8, 6
	packets := []evidence.Packet{{N: 1, Data: arp}, {N: 2, Data: []byte{1, 2, 3}}, {N: 3}}
	a := conversation.AnalysePackets(packets, nil)
	if len(a.Other) != 3 || a.Other[0].Broken || !a.Other[1].Broken || !a.Other[2].Broken || !strings.Contains(a.Other[0].What, "ARP") {
		t.Errorf("got %v", a.Other)
	}
	if conversation.AnalysePackets(nil, nil).Frames() != nil {
		t.Error("frames out of nothing")
	}
}

// TestEveryKindOfSentenceIsComplete looks for kinds without a sentence and for places that no phrase fills.
func TestEveryKindOfSentenceIsComplete(t *testing.T) {
	english := conversation.English()
	if missing := english.Lacks(); missing != nil {
		t.Errorf("English lacks %v", missing)
	}
	if missing := (conversation.Language{}).Lacks(); len(missing) != len(conversation.Kinds()) {
		t.Errorf("a language without a word lacks only %v", missing)
	}
	for _, kind := range conversation.Kinds() {
		said := english.Say(conversation.Phrase{Kind: kind, End: client, Bytes: 1, First: 1, Last: 2, Frame: 3, N: 4, Text: "text"})
		if said == "" || strings.ContainsAny(said, "{}") {
			t.Errorf("%s: %q", kind, said)
		}
	}
	for name, play := range scripts {
		s := conversationtest.New()
		play(s)
		a := s.Analyse()
		for _, n := range a.Frames() {
			for _, phrase := range a.Describe(n) {
				if _, ok := english.Templates[phrase.Kind]; !ok {
					t.Errorf("%s: frame %d: there is no sentence for %q", name, n, phrase.Kind)
				}
			}
		}
	}
}

func TestAnnotateKeepsWhatWasSaidAndSaysNothingTwice(t *testing.T) {
	s := conversationtest.New().Open()
	run := s.Run()
	run.Packets[0].Comment = "held until frame 3"
	a := conversation.Analyse(run)
	a.Annotate(run)
	a.Annotate(run)
	if got := run.Packets[0].Comment; got != "SYN: the client asks to connect, 1 of 3; held until frame 3" {
		t.Errorf("got %q", got)
	}
	if got := run.Packets[1].Comment; got != "SYN-ACK: the server agrees, 2 of 3" {
		t.Errorf("got %q", got)
	}
}

// Where both ends have closed, an RST answers a straggler and resets nothing.
func TestResetAfterTheClose(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := conversationtest.New()
		s.Open().Say(client, "hello").Say(server, "hello back")
		if closed {
			s.Finish(client)
		}
		s.Send(client, ack, "") // once more, as a busy kernel may
		s.Send(server, rst, "")
		c := conversation.Analyse(s.Run()).TCP[0]
		if got := len(c.RSTs()) == 0; got != closed {
			t.Errorf("closed %v: RSTs %v", closed, c.RSTs())
		}
		if kind := c.Close().Kind; (kind == conversation.FourWay) != closed {
			t.Errorf("closed %v: %v", closed, kind)
		}
	}
}
