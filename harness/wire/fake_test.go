package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tcpwitness/harness/evidence"
)

// fakeDevice is an end of the cable without a host: what it sends is put into it, what it receives is kept.
type fakeDevice struct {
	sends    [][]byte
	received [][]byte
	answers  map[int][][]byte // sent when the n-th packet is received
	failure  error
	lost     uint64
}

func (d *fakeDevice) serve(func() answer) error { return nil }

func (d *fakeDevice) read(buf []byte) (int, error) {
	if len(d.sends) == 0 {
		return 0, errEmpty
	}
	n := copy(buf, d.sends[0])
	d.sends = d.sends[1:]
	return n, nil
}

func (d *fakeDevice) write(packet []byte) error {
	d.received = append(d.received, slices.Clone(packet))
	d.sends = append(d.sends, d.answers[len(d.received)]...)
	return d.failure
}

func (d *fakeDevice) dropped() (uint64, error) { return d.lost, nil }
func (d *fakeDevice) close() error             { return nil }

// fakeWire connects two devices without hosts.
func fakeWire(faults ...Fault) (w *Wire, client, server *fakeDevice) {
	client, server = &fakeDevice{}, &fakeDevice{}
	return newWire(Options{Faults: faults}, [2]device{client, server}), client, server
}

var clientPort, serverPort = netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:80")

// segment makes a packet of the client; of the server with fromServer.
func segment(flags Flags, fields ...Field) []byte {
	s := Segment{Flags: flags, Seq: 1, WindowScale: -1, src: clientPort, dst: serverPort}
	for _, f := range fields {
		f.set(&s)
	}
	raw, err := s.packet(1)
	if err != nil {
		panic(err)
	}
	return raw
}

var fromServer = Field{"from the server", func(s *Segment) { s.src, s.dst = s.dst, s.src }, nil}

// texts are the payloads in order, "-" for none.
func texts(packets [][]byte) string {
	var list []string
	d := newDecoder()
	for _, raw := range packets {
		p := d.decode("", raw)
		text := string(p.Payload)
		if text == "" {
			text = "-"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// stream is a connection of the client: SYN, then segments of data from offset 0, then FIN.
func stream(data ...string) [][]byte {
	packets := [][]byte{segment(SYN, Seq(99), WindowScale(7))}
	seq := uint32(100)
	for _, text := range data {
		packets = append(packets, segment(ACK, Seq(seq), Payload(text)))
		seq += uint32(len(text))
	}
	return append(packets, segment(FIN|ACK, Seq(seq)))
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string // what arrives of SYN, "a", "b", "c", "b" again, FIN
		fates string // on the sender's side, by frame
	}{
		{Lose(Nth(9, Data)), "- a b c b -", ""},
		{Lose(FirstData(Client)), "- b c b -", "a:lost"},
		{Lose(NthData(2, Client)), "- a c b -", "b:lost"},
		{Lose(DataAt(Client, 1)), "- a c -", "b:lost b:lost"},
		{Lose(Retransmit), "- a b c -", "b:lost"},
		{Lose(Except(Retransmit), Data), "- b -", "a:lost b:lost c:lost"},
		{Lose(From(Server)), "- a b c b -", ""},
		{Lose(SYN), "a b c b -", "-:lost"},
		{Lose(SYN | ACK), "- a b c b -", ""},
		{Lose(FIN), "- a b c b", "-:lost"},
		{Lose(UpTo(2, Data)), "- c b -", "a:lost b:lost"},
		{Lose(Containing("c")), "- a b b -", "c:lost"},
		{Lose(Data, Except(Containing("c"))), "- c -", "a:lost b:lost b:lost"},
		{Duplicate(FirstData(Client)), "- a a b c b -", "a:duplicated"},
		{Reorder(FirstData(Client)), "- b a c b -", "a:held"},
		{Reorder(DataAt(Client, 0), Data), "- b a c b -", "a:held"},
		{Hold(FirstData(Client)).Until(FIN), "- b c b - a", "a:held"},
		{Hold(Data).Until(Nth(2, Data)), "- c a b b -", "a:held b:held"},
		{Hold(Data).Until(Retransmit), "- b a b c -", "a:held b:held c:held"},
		{Hold(Data), "- -", "a:held b:held c:held b:held"},
		{Corrupt(FirstData(Client)), "- ` b c b -", "a:corrupted"},
		{Forge(FirstData(Client)), "- ` b c b -", "a:corrupted"},
		{Rewrite("a letter", func(p []byte, at int) { p[len(p)-1] = 'z' }, Containing("c")), "- a b z b -", "c:rewritten"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			g := NewWithT(t)
			w, client, server := fakeWire(c.fault)
			all := stream("a", "b", "c")
			client.sends = append(all[:4:4], all[2], all[4])
			w.Drain()
			g.Expect(texts(server.received)).To(Equal(c.want))
			g.Expect(client.received).To(BeEmpty())
			var fates []string
			for _, p := range w.Packets() {
				if p.Interface == 0 && p.Fate != "" {
					fates = append(fates, fmt.Sprintf("%s:%s", texts([][]byte{p.Data}), p.Fate))
				}
			}
			g.Expect(strings.Join(fates, " ")).To(Equal(c.fates))
			g.Expect(w.Problems()).To(HaveLen(map[bool]int{true: 1, false: 0}[c.fates == "" || strings.Count(c.fates, "held") == 4]))

			// The value is used again, and begins anew.
			again, client2, server2 := fakeWire(c.fault)
			client2.sends = append(all[:4:4], all[2], all[4])
			again.Drain()
			g.Expect(texts(server2.received)).To(Equal(c.want))
		})
	}
}

func TestSeveralFaults(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire(
		Lose(Nth(1, Data)), Duplicate(Nth(2, Data)), Corrupt(Nth(2, Data)), Hold(Nth(3, Data)).Until(FIN), Corrupt(Nth(1, Data)))
	client.sends = stream("a", "b", "c")
	w.Drain()
	g.Expect(texts(server.received)).To(Equal("- c c - c"))
	g.Expect(w.Problems()).To(ConsistOf(ContainSubstring("matched 1 packets and could be done to none")), "the lost one cannot be corrupted")
	w.Release()
	g.Expect(texts(server.received)).To(Equal("- c c - c"), "nothing was held any more")
}

func TestCorruptThenHold(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire(Corrupt(Nth(1, Data)), Hold(Nth(1, Data)).Until(FIN))
	client.sends = stream("a", "b")
	w.Drain()
	g.Expect(texts(server.received)).To(Equal("- b - `"))
	packets := w.Packets()
	last := packets[len(packets)-1]
	g.Expect(last.Fate).To(Equal(evidence.Corrupted))
	g.Expect(last.Comment).To(And(ContainSubstring("corrupted on the wire"), ContainSubstring("arrives after [FIN]")))
}

// TestShrinkRegardsTheScale shrinks windows whose unit is 128 bytes.
func TestShrinkRegardsTheScale(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire(ShrinkWindow(1000, From(Client)))
	client.sends = [][]byte{segment(SYN, Seq(0), WindowScale(7), Window(500))}
	w.Drain()
	server.sends = [][]byte{segment(SYN|ACK, fromServer, WindowScale(3))}
	w.Drain()
	client.sends = [][]byte{segment(ACK, Window(100)), segment(ACK, Window(7))}
	w.Drain()
	var windows []uint16
	for _, raw := range server.received {
		windows = append(windows, newDecoder().decode(Client, raw).Window)
		g.Expect(checksumIsRight(raw)).To(BeTrue())
	}
	g.Expect(windows).To(Equal([]uint16{500, 7, 7}), "896 bytes each, but for the SYN, whose window is never scaled")
	g.Expect(w.Packets()[5].Comment).To(Equal("window made smaller on the wire: 896 instead of 12800 bytes"))
}

func TestRandomLossIsSeeded(t *testing.T) {
	g := NewWithT(t)
	run := func(seed uint64) string {
		w, client, server := fakeWire(RandomLoss(0.3, seed))
		client.sends = stream(strings.Split(strings.Repeat("abcdefghij", 10), "")...)
		w.Drain()
		return texts(server.received)
	}
	g.Expect(run(1)).To(Equal(run(1)))
	g.Expect(run(1)).NotTo(Equal(run(2)))
	g.Expect(len(strings.Fields(run(1)))).To(BeNumerically("~", 71, 20))
	g.Expect(RandomLoss(0.01, 7).String()).To(Equal("lose 1 % at random, seed 7"))
}

func TestHoldIsBounded(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire(Hold(Data))
	for range maxHeld + 5 {
		client.sends = append(client.sends, segment(ACK, Payload("x")))
	}
	w.Drain()
	g.Expect(server.received).To(HaveLen(5))
	g.Expect(w.Problems()).To(ContainElement(ContainSubstring("more than 1024 packets")))
}

func TestWireFailures(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire()
	server.failure, server.lost = errors.New("no room"), 3
	for range 100 {
		client.sends = append(client.sends, segment(SYN))
	}
	g.Expect(w.Close()).To(Succeed())
	g.Expect(w.Problems()).To(And(
		ContainElement("the wire failed: deliver a packet to the server: no room"),
		HaveLen(maxTrouble)))
}

func TestQueueOverflowIsAProblem(t *testing.T) {
	g := NewWithT(t)
	w, client, _ := fakeWire()
	client.lost = 3
	g.Expect(w.Close()).To(Succeed())
	g.Expect(w.Problems()).To(ConsistOf(ContainSubstring("3 packets of the client found the queue full")))
}

// TestAnswers carries what one side answers to the other until both are silent.
func TestAnswers(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire()
	client.sends = [][]byte{segment(SYN)}
	server.answers = map[int][][]byte{1: {segment(SYN|ACK, fromServer)}}
	client.answers = map[int][][]byte{1: {segment(ACK), segment(ACK, Payload("a"))}}
	seen, arrived := w.Watch(From(Server)), w.WatchArrival(Data)
	w.Drain()
	g.Expect(texts(server.received)).To(Equal("- - a"))
	g.Expect(seen.Done()).To(BeClosed())
	g.Expect(arrived.Done()).To(BeClosed())
	g.Expect(w.Count()).To(Equal(Count{4, 4}))
	g.Expect(w.watches).To(BeEmpty())
}

// TestGarbage carries packets that make no sense as they are.
func TestGarbage(t *testing.T) {
	g := NewWithT(t)
	w, client, server := fakeWire(Lose(Data), Corrupt(Anything), ShrinkWindow(1, Anything),
		Rewrite("x", func([]byte, int) {}, Anything))
	whole := segment(ACK, Payload("some text"), MSS(5))
	client.sends = append(client.sends, []byte{0x40}, []byte{0x60, 0}, []byte{0xff, 0xff, 0xff})
	for n := 1; n < len(whole); n++ {
		client.sends = append(client.sends, whole[:n])
	}
	for i := range whole {
		odd := slices.Clone(whole)
		odd[i] ^= 0xff
		client.sends = append(client.sends, odd)
	}
	w.Drain()
	g.Expect(len(server.received)).To(BeNumerically(">", 10))
}

func FuzzDecode(f *testing.F) {
	f.Add(segment(ACK, Payload("some text"), MSS(5), Timestamps(1, 2), SACKPermitted()))
	f.Add(segment(SYN, WindowScale(200)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, client, _ := fakeWire(Corrupt(Anything), Forge(Anything), ShrinkWindow(1, Anything), Duplicate(Anything),
			Rewrite("x", func([]byte, int) {}, Anything), Hold(Anything).Until(Anything))
		client.sends = [][]byte{raw, raw}
		w.Drain()
		_ = w.Packets()
		d := newDecoder()
		if p := d.decode(Client, raw); p.IsTCP() {
			s := readSegment(d, p, raw)
			_ = s.String()
		}
	})
}
