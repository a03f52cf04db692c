// Package conversationtest makes captures by hand, for tests of everything that reads packets: a [Script]
// plays both ends of a TCP connection, keeps count of the numbers, and writes each segment as a frame with
// right checksums, unless told otherwise.
package conversationtest

import (
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// Script is a capture in the making.
type Script struct {
	ClientAddress, ServerAddress netip.AddrPort
	// ClientISN and ServerISN are the initial sequence numbers.
	ClientISN, ServerISN uint32
	// Link is the link type of the frames.
	Link evidence.LinkType
	// Packets are the frames so far.
	Packets []evidence.Packet

	next map[string]uint32 // what each end sends next
	want map[string]uint32 // what each end expects next
	now  evidence.Time
}

// New begins a script between 127.0.0.1:40000 and 127.0.0.1:8080, on Ethernet.
func New() *Script {
	s := &Script{
		ClientAddress: netip.MustParseAddrPort("127.0.0.1:40000"),
		ServerAddress: netip.MustParseAddrPort("127.0.0.1:8080"),
		ClientISN:     1000, ServerISN: 5000, Link: evidence.LinkEthernet,
		now: evidence.At(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	return s.Reset()
}

// Reset makes the next segment begin a connection with the present addresses and numbers.
func (s *Script) Reset() *Script {
	s.next = map[string]uint32{evidence.Client: s.ClientISN, evidence.Server: s.ServerISN}
	s.want = map[string]uint32{}
	return s
}

// Midstream makes the next segment belong to a connection whose handshake was not captured.
func (s *Script) Midstream() *Script {
	s.next = map[string]uint32{evidence.Client: s.ClientISN + 1, evidence.Server: s.ServerISN + 1}
	s.want = map[string]uint32{evidence.Client: s.ServerISN + 1, evidence.Server: s.ClientISN + 1}
	return s
}

// Header is what a [Change] can alter before a segment is written.
type Header struct {
	TCP     *layers.TCP
	Payload []byte
	Packet  *evidence.Packet
	// BadChecksum writes a wrong TCP checksum.
	BadChecksum bool
	// Keep leaves the count of the numbers as it was: for retransmissions and whatever does not belong.
	Keep bool
}

// Change alters a segment.
type Change func(*Header)

// Seq sets the sequence number relative to the sender's initial one, and leaves the count alone.
func Seq(relative uint32) Change {
	return func(h *Header) { h.TCP.Seq = relative; h.Keep = true }
}

// Ack sets the acknowledgement number relative to the other's initial one.
func Ack(relative uint32) Change { return func(h *Header) { h.TCP.Ack = relative } }

// Window sets the window as it stands in the header.
func Window(bytes uint16) Change { return func(h *Header) { h.TCP.Window = bytes } }

// Fate says what the wire does to the segment.
func Fate(f evidence.Fate) Change { return func(h *Header) { h.Packet.Fate = f } }

// BadChecksum makes the checksum wrong.
func BadChecksum(h *Header) { h.BadChecksum = true; h.Keep = true }

// On moves the packet to another interface.
func On(iface int) Change { return func(h *Header) { h.Packet.Interface = iface } }

// Later lets time pass before the segment.
func (s *Script) Later(d time.Duration) *Script {
	s.now += evidence.Time(d)
	return s
}

// Option adds a TCP option.
func Option(kind layers.TCPOptionKind, data ...byte) Change {
	return func(h *Header) {
		h.TCP.Options = append(h.TCP.Options, layers.TCPOption{OptionType: kind, OptionLength: uint8(len(data) + 2), OptionData: data})
	}
}

// WindowScale adds the option of RFC 7323, which belongs on a SYN.
func WindowScale(shift int) Change { return Option(layers.TCPOptionKindWindowScale, byte(shift)) }

// relative is put into the fields that a Change set, to be told from absolute numbers.
func (s *Script) isn(end string) uint32 {
	if end == evidence.Server {
		return s.ServerISN
	}
	return s.ClientISN
}

// Send writes one segment and returns its frame number. Sequence and acknowledgement numbers continue what
// went before; a millisecond passes.
func (s *Script) Send(from string, flags conversation.Flags, data string, changes ...Change) int {
	to := conversation.Other(from)
	s.now += evidence.Time(time.Millisecond)
	packet := evidence.Packet{N: len(s.Packets) + 1, Time: s.now}
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.address(from).Port()), DstPort: layers.TCPPort(s.address(to).Port()),
		Seq: s.next[from] - s.isn(from), Window: 64240,
		FIN: flags.Has(conversation.FIN), SYN: flags.Has(conversation.SYN), RST: flags.Has(conversation.RST),
		PSH: flags.Has(conversation.PSH), ACK: flags.Has(conversation.ACK), URG: flags.Has(conversation.URG),
	}
	if tcp.ACK {
		tcp.Ack = s.want[from] - s.isn(to)
	}
	h := &Header{TCP: tcp, Payload: []byte(data), Packet: &packet}
	for _, change := range changes {
		change(h)
	}
	tcp.Seq += s.isn(from)
	if tcp.ACK {
		tcp.Ack += s.isn(to)
	}
	if !h.Keep {
		s.count(from, flags, len(data), packet.Fate)
	}
	packet.Data = s.frame(from, h)
	packet.Length = len(packet.Data)
	s.Packets = append(s.Packets, packet)
	return packet.N
}

// count moves on the numbers of both ends.
func (s *Script) count(from string, flags conversation.Flags, length int, fate evidence.Fate) {
	s.next[from] += uint32(length)
	if flags.HasAny(conversation.SYN | conversation.FIN) {
		s.next[from]++
	}
	if fate != evidence.Lost && fate != evidence.Corrupted && !flags.Has(conversation.RST) {
		s.want[conversation.Other(from)] = s.next[from]
	}
}

func (s *Script) address(end string) netip.AddrPort {
	if end == evidence.Server {
		return s.ServerAddress
	}
	return s.ClientAddress
}

func (s *Script) frame(from string, h *Header) []byte {
	source, destination := s.address(from).Addr(), s.address(conversation.Other(from)).Addr()
	var stack []gopacket.SerializableLayer
	ethernet := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	if source.Is6() {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: source.AsSlice(), DstIP: destination.AsSlice()}
		_ = h.TCP.SetNetworkLayerForChecksum(ip)
		stack = append(stack, ip)
	} else {
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: source.AsSlice(), DstIP: destination.AsSlice()}
		_ = h.TCP.SetNetworkLayerForChecksum(ip)
		stack = append(stack, ip)
	}
	if s.Link == evidence.LinkEthernet {
		stack = append([]gopacket.SerializableLayer{ethernet}, stack...)
	}
	out := serialize(append(stack, h.TCP, gopacket.Payload(h.Payload))...)
	if h.BadChecksum {
		at := 20 + 16 // behind the IP header, in the TCP header
		if source.Is6() {
			at += 20
		}
		if s.Link == evidence.LinkEthernet {
			at += 14
		}
		out[at] ^= 0xff
	}
	return out
}

func serialize(stack ...gopacket.SerializableLayer) []byte {
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, stack...); err != nil {
		panic("serialize a packet made by hand: " + err.Error()) // a mistake of the test
	}
	return buffer.Bytes()
}

// Datagram writes a UDP datagram from one end to the other and returns its frame number.
func (s *Script) Datagram(from string, data string) int {
	s.now += evidence.Time(time.Millisecond)
	source, destination := s.address(from), s.address(conversation.Other(from))
	ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: source.Addr().AsSlice(), DstIP: destination.Addr().AsSlice()}
	udp := &layers.UDP{SrcPort: layers.UDPPort(source.Port()), DstPort: layers.UDPPort(destination.Port())}
	_ = udp.SetNetworkLayerForChecksum(ip)
	ethernet := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	raw := serialize(ethernet, ip, udp, gopacket.Payload(data))
	s.Packets = append(s.Packets, evidence.Packet{N: len(s.Packets) + 1, Time: s.now, Data: raw, Length: len(raw)})
	return len(s.Packets)
}

// Open plays the three-way handshake.
func (s *Script) Open() *Script {
	s.Send(evidence.Client, conversation.SYN, "", Option(layers.TCPOptionKindMSS, 0x05, 0xb4))
	s.Send(evidence.Server, conversation.SYN|conversation.ACK, "", Option(layers.TCPOptionKindMSS, 0x05, 0xb4))
	s.Send(evidence.Client, conversation.ACK, "")
	return s
}

// Say plays data from one end and the other's acknowledgement.
func (s *Script) Say(from, data string) *Script {
	s.Send(from, conversation.PSH|conversation.ACK, data)
	s.Send(conversation.Other(from), conversation.ACK, "")
	return s
}

// Finish plays a four-way close that one end begins.
func (s *Script) Finish(first string) *Script {
	second := conversation.Other(first)
	s.Send(first, conversation.FIN|conversation.ACK, "")
	s.Send(second, conversation.ACK, "")
	s.Send(second, conversation.FIN|conversation.ACK, "")
	s.Send(first, conversation.ACK, "")
	return s
}

// Interface is the one that the frames are on.
func (s *Script) Interface() evidence.Interface {
	return evidence.Interface{Name: "lo", LinkType: s.Link}
}

// Run is the capture so far as a run.
func (s *Script) Run() *evidence.Run {
	return &evidence.Run{
		Schema: evidence.Schema, Scenario: "made by hand", Title: "a capture made by hand",
		Started: s.Packets[0].Time, Ended: s.now, Address: s.ServerAddress,
		Interfaces: []evidence.Interface{s.Interface()}, Packets: s.Packets,
	}
}

// Analyse is the meaning of the capture so far.
func (s *Script) Analyse() *conversation.Analysis { return conversation.Analyse(s.Run()) }

// Conversation is the only TCP conversation of the capture.
func (s *Script) Conversation() *conversation.Conversation { return s.Analyse().TCP[0] }
