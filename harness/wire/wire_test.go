package wire

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"tcpwitness/harness/evidence"
)

func TestLostDataIsSentAgain(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Lose(FirstData(Client))}})
		client, server := pair(t, ctx, w, v6)
		again := w.Watch(Retransmit, Data, From(Client))
		g.Expect(cross(client, server, []byte("a message"))).To(BeEquivalentTo("a message"))
		g.Expect(again.Wait(ctx)).To(Succeed())

		g.Expect(w.Close()).To(Succeed())
		g.Expect(w.Problems()).To(BeEmpty())
		sent := withData(seenOn(w, Client), []byte("a message"))
		g.Expect(len(sent)).To(BeNumerically(">=", 2))
		g.Expect(sent[0].Fate).To(Equal(evidence.Lost))
		g.Expect(sent[0].Comment).To(Equal("lost on the wire"))
		g.Expect(withFate(sent, evidence.Lost)).To(HaveLen(1))
		g.Expect(withData(seenOn(w, Server), []byte("a message"))).To(HaveLen(len(sent)-1), "all but the lost one")
	})
}

// TestRetransmissionsLostToo is the broken wire to the test above: data that is lost each time does not arrive.
func TestRetransmissionsLostToo(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Lose(DataAt(Client, 0))}, RTOMin: minRTO})
		client, server := pair(t, ctx, w, v6)
		third := w.Watch(Nth(3, Retransmit, DataAt(Client, 0)))
		_, err := client.Write([]byte("a message"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(third.Wait(ctx)).To(Succeed())
		g.Expect(waiting(server)).To(BeZero())
		g.Expect(len(withFate(frames(w.Packets()), evidence.Lost))).To(BeNumerically(">=", 4))
	})
}

func TestLostSYNIsSentAgain(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Lose(Nth(1, SYN))}})
		client, server := pair(t, ctx, w, v6) // 1 s later
		g.Expect(cross(client, server, []byte("x"))).To(BeEquivalentTo("x"))
		g.Expect(w.Problems()).To(BeEmpty())
		g.Expect(w.Packets()[0].Fate).To(Equal(evidence.Lost))
	})
}

func TestCorruptedDataIsSentAgain(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Corrupt(FirstData(Client))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(4000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Problems()).To(BeEmpty())

		left, arrived := withFate(seenOn(w, Client), evidence.Corrupted), withFate(seenOn(w, Server), evidence.Corrupted)
		g.Expect(left).To(HaveLen(1))
		g.Expect(arrived).To(HaveLen(1))
		g.Expect(differingBits(left[0].Data, arrived[0].Data)).To(Equal(1))
		g.Expect(checksumIsRight(left[0].Data)).To(BeTrue())
		g.Expect(checksumIsRight(arrived[0].Data)).To(BeFalse())
		for _, p := range w.Packets() {
			g.Expect(checksumIsRight(p.Data)).To(Equal(p.N != arrived[0].N), "frame %d", p.N)
		}
	})
}

// TestForgedDataArrives is the broken wire to the test above: it repairs the checksum, and what arrives is wrong.
func TestForgedDataArrives(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Forge(FirstData(Client))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(4000)
		got, err := cross(client, server, message)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(differingBits(got, message)).To(Equal(1))
	})
}

func TestDuplicateIsDeliveredOnce(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Duplicate(FirstData(Client))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(4000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Problems()).To(BeEmpty())
		g.Expect(withFate(seenOn(w, Client), evidence.Duplicated)).To(HaveLen(1))
		copies := withFate(seenOn(w, Server), evidence.Duplicated)
		g.Expect(copies).To(HaveLen(1))
		original := w.Packets()[copies[0].N-2]
		g.Expect(original.Fate).To(BeEmpty())
		g.Expect(original.Data).To(Equal(copies[0].Data))
	})
}

// TestEveryDuplicated delivers each packet twice, the handshake and the close included.
func TestEveryDuplicated(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Duplicate(Anything)}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(100_000)
		g.Expect(cross(client, server, message)).To(Equal(message))
	})
}

func TestReorderedDataArrivesInOrder(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Reorder(FirstData(Client))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(4000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Problems()).To(BeEmpty())
		sent, arrived := dataOffsets(seenOn(w, Client), w.Client), dataOffsets(seenOn(w, Server), w.Client)
		g.Expect(slices.IsSorted(sent[:3])).To(BeTrue(), "%v", sent)
		g.Expect(arrived[0]).To(Equal(sent[1]))
		g.Expect(arrived[1]).To(Equal(sent[0]))
	})
}

// TestHeldFINs makes both ends close at once: neither has the other's FIN when it sends its own.
func TestHeldFINs(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Hold(FIN, From(Client)).Until(FIN, From(Server))}})
		client, server := pair(t, ctx, w, v6)
		arrived := w.WatchArrival(FIN, From(Client))
		g.Expect(client.CloseWrite()).To(Succeed())
		w.Drain()
		g.Expect(withFate(seenOn(w, Client), evidence.Held)).NotTo(BeEmpty())
		g.Expect(withFate(seenOn(w, Server), evidence.Held)).To(BeEmpty())
		g.Expect(w.Problems()).To(ContainElement(MatchRegexp("kept [0-9]+ packets to the end")))

		g.Expect(server.CloseWrite()).To(Succeed())
		g.Expect(arrived.Wait(ctx)).To(Succeed())
		w.Drain()
		g.Expect(withFate(seenOn(w, Server), evidence.Held)).NotTo(BeEmpty())
		g.Expect(w.Problems()).To(BeEmpty())
		for _, conn := range []*net.TCPConn{client, server} {
			_, err := conn.Read(make([]byte, 1))
			g.Expect(err).To(MatchError(io.EOF))
		}
	})
}

func TestHeldUntilReleased(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{Faults: []Fault{Hold(FirstData(Client), Containing("late"))}})
	client, server := pair(t, ctx, w, false)
	held := w.Watch(FirstData(Client))
	_, err := client.Write([]byte("late"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(held.Wait(ctx)).To(Succeed())
	w.Release()
	got := make([]byte, 4)
	_, err = io.ReadFull(server, got)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal("late"))
	g.Expect(w.Problems()).To(BeEmpty())
}

// TestShrunkWindow lets the client believe in a small window: it never has more in flight.
func TestShrunkWindow(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		const window = 4096
		w := newTestWire(t, Options{Faults: []Fault{ShrinkWindow(window, From(Server), Except(RST))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(200_000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Problems()).To(BeEmpty())
		g.Expect(mostInFlight(w)).To(BeNumerically("<=", window))
		for _, p := range w.Packets() {
			g.Expect(checksumIsRight(p.Data)).To(BeTrue(), "frame %d", p.N)
		}
	})
}

// TestWholeWindow is the counterpart to the test above: without the fault more is in flight.
func TestWholeWindow(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{})
	client, server := pair(t, ctx, w, false)
	message := pattern(200_000)
	g.Expect(cross(client, server, message)).To(Equal(message))
	g.Expect(mostInFlight(w)).To(BeNumerically(">", 4096))
}

func TestLostDatagramStaysLost(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Faults: []Fault{Lose(Nth(2, Datagram)), Corrupt(Nth(3, Datagram))}})
		server := datagramSocket(t, ctx, w.Server, v6)
		client := datagramSocket(t, ctx, w.Client, v6)
		for _, text := range []string{"one", "two", "three", "four"} {
			_, err := client.WriteTo([]byte(text), server.LocalAddr())
			g.Expect(err).NotTo(HaveOccurred())
		}
		buf := make([]byte, 16)
		for _, text := range []string{"one", "four"} {
			n, _, err := server.ReadFrom(buf)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(buf[:n])).To(Equal(text))
		}
		g.Expect(w.Problems()).To(BeEmpty())
		g.Expect(seenOn(w, Client)).To(HaveLen(4))
		g.Expect(seenOn(w, Server)).To(HaveLen(3))
	})
}

func TestQuietWire(t *testing.T) {
	g := NewWithT(t)
	w := newTestWire(t, Options{})
	w.Drain()
	g.Expect(w.Packets()).To(BeEmpty())
	g.Expect(w.Ignored()).To(BeZero(), "nothing that would have to be filtered is sent at all")
	g.Expect(w.Close()).To(Succeed())
	g.Expect(w.Close()).To(Succeed(), "a second time")
	g.Expect(w.Problems()).To(BeEmpty())
}

// TestChatterIsNotCarried sends multicast out of a host.
func TestChatterIsNotCarried(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{})
	client := datagramSocket(t, ctx, w.Client, true)
	err := w.Client.Do(func() error {
		conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: w.Client.Address6().AsSlice()})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP("ff02::1"), Port: 9, Zone: tunName})
		return err
	})
	if err != nil {
		t.Skip("the host sends no multicast:", err)
	}
	_ = client
	w.Drain()
	g.Expect(w.Packets()).To(BeEmpty())
	g.Expect(w.Ignored()).To(Equal(1))
}

func TestFaultThatNeverMatched(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{Faults: []Fault{
		Lose(Nth(2, SYN)), Corrupt(RST), Corrupt(SYN), Hold(RST), RandomLoss(0.000001, 1), Lose(FirstData(Client)),
	}})
	client, server := pair(t, ctx, w, false)
	g.Expect(cross(client, server, []byte("x"))).To(BeEquivalentTo("x"))
	g.Expect(w.Problems()).To(ConsistOf(
		`the fault "lose number 2 of [SYN]" never matched a packet`,
		`the fault "corrupt RST" never matched a packet`,
		`the fault "corrupt SYN" matched 1 packets and could be done to none`,
		`the fault "hold RST" never matched a packet`,
		ContainSubstring(`the fault "lose 0.0001 % at random, seed 1" lost none of`),
	))
	var run evidence.Run
	run.Ends = []evidence.End{{Name: Client}, {Name: Server}}
	w.Fill(&run)
	g.Expect(run.Faults).To(HaveLen(5))
	g.Expect(run.Ends[1].Addresses).To(ContainElement(netip.MustParseAddr("192.0.2.2")))
	g.Expect(run.Interfaces).To(HaveLen(2))
	g.Expect(run.Packets).NotTo(BeEmpty())
}

func TestAddedFault(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{})
	client, server := pair(t, ctx, w, false)
	_, err := client.Write([]byte("before"))
	g.Expect(err).NotTo(HaveOccurred())
	w.Drain()
	w.Add(Lose(FirstData(Client)))
	g.Expect(cross(client, server, []byte(" and after"))).To(BeEquivalentTo("before and after"))
	g.Expect(w.Problems()).To(BeEmpty())
	g.Expect(withFate(withData(frames(w.Packets()), []byte("after")), evidence.Lost)).To(HaveLen(1))
}

func TestWhatIsKept(t *testing.T) {
	for _, keep := range []Keep{Headers, Nothing} {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{Keep: keep})
		client, server := pair(t, ctx, w, false)
		message := pattern(5000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Count().Client).To(BeNumerically(">", 6))
		g.Expect(w.Count().Server).To(BeNumerically(">", 6))
		g.Expect(w.Problems()).To(BeEmpty())
		if keep == Nothing {
			g.Expect(w.Packets()).To(BeEmpty())
			continue
		}
		g.Expect(w.Packets()).To(HaveLen(w.Count().Client + w.Count().Server))
		for _, p := range w.Packets() {
			g.Expect(len(p.Data)).To(BeNumerically("<=", 20+60))
			g.Expect(p.Length).To(BeNumerically(">=", len(p.Data)))
		}
	}
}

func TestFullRecordIsAProblem(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	w := newTestWire(t, Options{Limit: 4000})
	client, server := pair(t, ctx, w, false)
	message := pattern(5000)
	g.Expect(cross(client, server, message)).To(Equal(message))
	g.Expect(w.Problems()).To(ConsistOf(ContainSubstring("the record is full")))
}

// TestSoak moves data over a wire that loses one packet in a hundred, and holds the memory to its bound.
func TestSoak(t *testing.T) {
	size := 100 << 20
	if testing.Short() {
		size = 4 << 20
	}
	g, ctx := NewWithT(t), bound(t)
	const seed = 20260117
	w := newTestWire(t, Options{Keep: Nothing, RTOMin: minRTO, Faults: []Fault{RandomLoss(0.01, seed)}})
	client, server := pair(t, ctx, w, false)
	sum := make(chan []byte, 1)
	go func() {
		defer client.CloseWrite()
		chance, hash := rand.NewChaCha8([32]byte{seed & 0xff}), sha256.New()
		_, _ = io.Copy(io.MultiWriter(client, hash), io.LimitReader(chance, int64(size)))
		sum <- hash.Sum(nil)
	}()
	hash := sha256.New()
	n, err := io.Copy(hash, server)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n).To(BeEquivalentTo(size))
	g.Expect(hash.Sum(nil)).To(Equal(<-sum))
	g.Expect(w.Close()).To(Succeed())
	g.Expect(w.Problems()).To(BeEmpty())
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d MiB, packets %+v, heap in use %d KiB, from the system %d MiB, seed %d",
		size>>20, w.Count(), memory.HeapInuse>>10, memory.Sys>>20, seed)
	g.Expect(memory.Sys).To(BeNumerically("<", 64<<20))
}
