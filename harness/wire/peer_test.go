package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

func newTestPeer(t testing.TB, ctx context.Context, o PeerOptions) *Peer {
	t.Helper()
	p, err := NewPeer(ctx, o)
	skipUnsupported(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("segments:\n%s", p.Transcript())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// dialing begins a connect on the host that ends on its own goroutine.
type dialing struct {
	conn *net.TCPConn
	err  error
	done chan struct{}
}

func dialPeer(t testing.TB, ctx context.Context, p *Peer, v6 bool) *dialing {
	t.Helper()
	to := netip.AddrPortFrom(p.Address(), 8080)
	if v6 {
		if !p.Address6().IsValid() {
			t.Skip("the kernel has no IPv6")
		}
		to = netip.AddrPortFrom(p.Address6(), 8080)
	}
	d := &dialing{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.conn, d.err = dialFrom(ctx, p.Host(), net.TCPAddrFromAddrPort(to))
	}()
	t.Cleanup(func() {
		<-d.done
		if d.conn != nil {
			_ = d.conn.Close()
		}
	})
	return d
}

func (d *dialing) wait(t testing.TB) *net.TCPConn {
	t.Helper()
	<-d.done
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.conn
}

func TestPeerInTheServersPlace(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{})
		dial := dialPeer(t, ctx, peer, v6)

		g.Expect(peer).To(ReceiveSegment(SYN, Seq(0), MSS(map[bool]uint16{false: 1460, true: 1440}[v6])))
		g.Expect(peer.Send(SYN|ACK, Seq(0), Ack(1), MSS(1000))).To(Succeed())
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		conn := dial.wait(t)

		message := pattern(1500)
		g.Expect(conn.Write(message)).To(Equal(1500))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Payload(message[:1000])))
		g.Expect(peer).To(ReceiveSegment(ACK|PSH, Seq(1001), Payload(message[1000:])))
		g.Expect(peer.Send(ACK)).To(Succeed())
		g.Expect(peer.Expected()).To(BeEquivalentTo(1501))

		g.Expect(peer.Send(ACK|PSH, Payload("reply"))).To(Succeed())
		reply := make([]byte, 5)
		_, err := io.ReadFull(conn, reply)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(reply)).To(Equal("reply"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(6)))

		g.Expect(peer.Send(FIN | ACK)).To(Succeed())
		_, err = conn.Read(reply)
		g.Expect(err).To(MatchError(io.EOF))
		g.Expect(conn.Close()).To(Succeed())
		g.Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1501), Ack(7)))
		g.Expect(peer.Send(ACK, Ack(1502))).To(Succeed())
		g.Expect(peer).To(ReceiveNothing())
		g.Expect(peer.Problems()).To(BeEmpty())
	})
}

func TestPeerInTheClientsPlace(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{Plays: Client})
		listener := listenOn(t, ctx, peer.Host(), v6)
		at := listener.Addr().(*net.TCPAddr).AddrPort()

		// Across the end of the sequence space.
		peer.Towards(at)
		peer.StartAt(1<<32 - 3)
		peer.Send(SYN, MSS(1460))
		g.Expect(peer).To(ReceiveSegment(SYN|ACK, Seq(0), Ack(1)))
		peer.Send(ACK)
		conn, err := listener.AcceptTCP()
		g.Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		peer.Send(PSH|ACK, Payload("hello"))
		got := make([]byte, 5)
		_, err = io.ReadFull(conn, got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(got)).To(Equal("hello"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(6)))

		// A second connection, beside the first.
		second := peer.Another()
		g.Expect(second.Connect(ctx, at)).To(Succeed())
		other, err := listener.AcceptTCP()
		g.Expect(err).NotTo(HaveOccurred())
		defer other.Close()
		g.Expect(other.RemoteAddr().(*net.TCPAddr).AddrPort()).To(Equal(second.Local()))
		second.Send(RST, Seq(1))
		_, err = other.Read(got)
		g.Expect(err).To(MatchError(syscall.ECONNRESET))
		g.Expect(second).To(ReceiveNothing())
		g.Expect(peer).To(ReceiveNothing())
	})
}

// TestPeerChecksums sends the same data with a wrong checksum, which the host ignores, and a right one.
func TestPeerChecksums(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{})
		dial := dialPeer(t, ctx, peer, v6)
		g.Expect(peer.Accept(ctx, MSS(1460))).To(Succeed())
		conn := dial.wait(t)

		peer.Send(ACK, Payload("odd"), BadChecksum())
		g.Expect(peer).To(ReceiveNothing())
		peer.Send(ACK, Payload("odd"), Seq(1))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(4)))
		got := make([]byte, 16)
		n, err := conn.Read(got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(got[:n])).To(Equal("odd"))
	})
}

// TestExpectationsFail shows that the matchers can fail, and what they say then.
func TestExpectationsFail(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	peer := newTestPeer(t, ctx, PeerOptions{Plays: Client})
	peer.Towards(netip.AddrPortFrom(peer.Host().Address(), 9)) // nobody listens

	peer.Send(SYN)
	expect := ReceiveSegment(SYN|ACK, Ack(1))
	g.Expect(expect.Match(peer)).To(BeFalse())
	g.Expect(expect.FailureMessage(peer)).To(And(
		ContainSubstring("SYN|ACK ack 1"), ContainSubstring("RST|ACK seq 0 ack 1"), ContainSubstring("peer → host  SYN seq 0")))

	peer.Send(SYN)
	g.Expect(ReceiveSegment(RST|ACK, Ack(2)).Match(peer)).To(BeFalse(), "a field that is not as named")
	peer.Send(SYN)
	g.Expect(ReceiveNothing().Match(peer)).To(BeFalse(), "a reset came")
	peer.Send(SYN)
	g.Expect(ReceiveNo(RST|ACK).Match(peer)).To(BeFalse(), "a reset came")
	peer.Send(SYN)
	g.Expect(ReceiveNo(SYN|ACK).Match(peer)).To(BeTrue(), "a reset came, but no SYN|ACK")
	peer.Send(SYN)
	g.Expect(peer).To(ReceiveSegment(RST|ACK, Seq(0), Ack(1)), "and the right one passes")

	over, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("the deadline of this test"))
	_, err := peer.Receive(over, SYN)
	g.Expect(err).To(MatchError(ContainSubstring("nothing more: the deadline of this test")))

	_, err = ReceiveSegment(SYN).Match("a string")
	g.Expect(err).To(MatchError(ContainSubstring("not a string")))
	g.Expect(peer.Problems()).To(BeEmpty())
	g.Expect(peer.Another().Send(SYN)).NotTo(Succeed())
	g.Expect(strings.Join(peer.Problems(), "\n")).To(ContainSubstring("nobody is at the other end"))
}

// TestPeerRecord looks at what the record says of both ways.
func TestPeerRecord(t *testing.T) {
	g, ctx := NewWithT(t), bound(t)
	peer := newTestPeer(t, ctx, PeerOptions{Plays: Client})
	peer.Towards(netip.AddrPortFrom(peer.Host().Address(), 9))
	peer.Send(SYN)
	peer.Send(RST, Seq(1))
	g.Expect(peer).To(ReceiveSegment(RST | ACK))
	g.Expect(peer).To(ReceiveNothing())
	packets := peer.Packets()
	g.Expect(packets).To(HaveLen(5), "SYN, RST|ACK, RST, echo, echo reply")
	for i, p := range packets {
		g.Expect(p.N).To(Equal(i + 1))
		g.Expect(p.Length).To(Equal(len(p.Data)))
		fromPeer := bytes.Equal(p.Data[12:16], peer.Address().AsSlice())
		g.Expect(p.Fate == "injected").To(Equal(fromPeer))
	}
}
