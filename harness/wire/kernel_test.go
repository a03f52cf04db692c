package wire

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// What the kernel does with segments that no kernel sends. These tests hold the scripted peer against a real
// TCP, and show how the rules of RFC 9293 that need one are staged.

// accepting is a scripted client and a listener on its host.
func accepting(t *testing.T, v6 bool, o Options) (*WithT, *Peer, *net.TCPListener) {
	t.Helper()
	ctx := bound(t)
	peer := newTestPeer(t, ctx, PeerOptions{Plays: Client, Options: o})
	listener := listenOn(t, ctx, peer.Host(), v6)
	peer.Towards(listener.Addr().(*net.TCPAddr).AddrPort())
	return NewWithT(t), peer, listener
}

// accepted is a scripted client with a connection to its host.
func accepted(t *testing.T, v6 bool, o Options, fields ...Field) (*WithT, *Peer, *net.TCPConn) {
	t.Helper()
	g, peer, listener := accepting(t, v6, o)
	g.Expect(peer.Connect(bound(t), listener.Addr().(*net.TCPAddr).AddrPort(), fields...)).To(Succeed())
	conn, err := listener.AcceptTCP()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	until, _ := bound(t).Deadline()
	g.Expect(conn.SetDeadline(until)).To(Succeed())
	return g, peer, conn
}

// unlimited lets the host answer each invalid segment, not one in half a second.
var unlimited = Options{Settings: map[string]string{"net.ipv4.tcp_invalid_ratelimit": "0"}}

func TestWrongACKInSYNReceived(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, _ := accepting(t, v6, Options{})
		peer.Send(SYN)
		g.Expect(peer).To(ReceiveSegment(SYN|ACK, Seq(0), Ack(1)))
		peer.Send(ACK, Ack(777))
		g.Expect(peer).To(ReceiveSegment(RST, Seq(777)))
		peer.Send(ACK, Ack(1))
		g.Expect(peer).To(ReceiveNo(RST)) // the connection is still being made
	})
}

func TestResetInSYNSent(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{})
		dial := dialPeer(t, ctx, peer, v6)
		g.Expect(peer).To(ReceiveSegment(SYN))
		peer.Send(RST, Seq(0))              // no ACK: ignored
		peer.Send(RST|ACK, Seq(0), Ack(50)) // of nothing: ignored
		g.Expect(peer).To(ReceiveNothing())
		select {
		case <-dial.done:
			t.Error("ended by a reset that is not its own")
		default:
		}
		peer.Send(RST|ACK, Seq(0), Ack(1))
		<-dial.done
		g.Expect(dial.err).To(MatchError(syscall.ECONNREFUSED))
		g.Expect(peer).To(ReceiveNothing())
	})
}

func TestClosedPort(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{Plays: Client})
		closed := func() { peer.Towards(netip.AddrPortFrom(addressOf(t, peer.Host(), v6), 9)) }
		closed()
		peer.Send(SYN)
		g.Expect(peer).To(ReceiveSegment(RST|ACK, Seq(0), Ack(1)))
		closed()
		peer.Send(0, Seq(10), Payload("data"))
		g.Expect(peer).To(ReceiveSegment(RST|ACK, Seq(0), Ack(14)))
		closed()
		peer.Send(FIN, Seq(10))
		g.Expect(peer).To(ReceiveSegment(RST|ACK, Seq(0), Ack(11)))
		closed()
		peer.Send(ACK, Seq(10), Ack(4321), Payload("data"))
		g.Expect(peer).To(ReceiveSegment(RST, Seq(4321)))
		closed()
		peer.Send(SYN|ACK, Ack(4321))
		g.Expect(peer).To(ReceiveSegment(RST, Seq(4321)))
		closed()
		peer.Send(RST|ACK, Seq(10), Ack(4321))
		peer.Send(RST, Seq(10))
		g.Expect(peer).To(ReceiveNothing())
	})
}

func TestSYNInEstablished(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		peer.Send(SYN, Seq(1))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		stillWorks(g, peer, conn)
	})
}

// stillWorks sends something in each direction.
func stillWorks(g *WithT, peer *Peer, conn *net.TCPConn) {
	next := peer.Next()
	peer.Send(PSH|ACK, Payload("ping"))
	g.Expect(peer).To(ReceiveSegment(ACK, Ack(next+4)))
	got := make([]byte, 16)
	n, err := conn.Read(got)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got[:n])).To(Equal("ping"))
	g.Expect(conn.Write([]byte("pong"))).To(Equal(4))
	g.Expect(peer).To(ReceiveSegment(PSH|ACK, Payload("pong")))
	peer.Send(ACK)
	g.Expect(peer).To(ReceiveNothing())
}

func TestResetsInEstablished(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, unlimited)
		peer.Send(RST, Seq(1_000_000)) // beyond the window
		g.Expect(peer).To(ReceiveNothing())
		peer.Send(RST, Seq(0)) // before it
		g.Expect(peer).To(ReceiveNothing())
		peer.Send(RST, Seq(2)) // in it, but not at its edge
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1)))
		g.Expect(peer).To(ReceiveNothing())
		stillWorks(g, peer, conn)
		peer.Send(RST)
		_, err := conn.Read(make([]byte, 1))
		g.Expect(err).To(MatchError(syscall.ECONNRESET))
		g.Expect(peer).To(ReceiveNothing())
	})
}

func TestDataOutsideTheWindow(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		for _, seq := range []uint32{1_000_000, 1<<32 - 100} { // beyond, long before
			peer.Send(ACK, Seq(seq), Payload("stray"))
			g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		}
		stillWorks(g, peer, conn) // and reads nothing else
	})
}

func TestOverlappingSegments(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		peer.Send(ACK, Seq(5), Payload("efgh"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(1)))
		peer.Send(ACK, Seq(3), Payload("cdef"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(1)))
		peer.Send(ACK, Seq(1), Payload("abcd"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(9)))
		peer.Send(ACK, Seq(3), Payload("cdefghij"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(11)))
		peer.Send(ACK, Seq(1), Payload("abcd"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(11)))
		got := make([]byte, 32)
		n, err := conn.Read(got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(got[:n])).To(Equal("abcdefghij"))
	})
}

func TestSegmentWithoutACK(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		peer.Send(PSH, Seq(1), Payload("dropped"))
		g.Expect(peer).To(ReceiveNothing())
		g.Expect(waiting(conn)).To(BeZero())
		peer.Send(PSH|ACK, Seq(1), Payload("kept"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(5)))
		g.Expect(waiting(conn)).To(Equal(4))
	})
}

func TestSimultaneousOpen(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		peer := newTestPeer(t, ctx, PeerOptions{})
		dial := dialPeer(t, ctx, peer, v6)
		g.Expect(peer).To(ReceiveSegment(SYN, Seq(0)))
		peer.Send(SYN, MSS(1460))
		g.Expect(peer).To(ReceiveSegment(SYN|ACK, Seq(0), Ack(1)))
		peer.Send(ACK)
		conn := dial.wait(t)
		stillWorks(g, peer, conn)
	})
}

func TestDataAfterClose(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		g.Expect(conn.Close()).To(Succeed())
		g.Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1)))
		peer.Send(ACK, Payload("too late"))
		g.Expect(peer).To(ReceiveSegment(RST, Seq(2)))
		g.Expect(peer).To(ReceiveNothing())
	})
}

func TestFINCounts(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{})
		peer.Send(FIN|ACK, Payload("last"))
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(6))) // 4 bytes and the FIN
		g.Expect(io.ReadAll(conn)).To(BeEquivalentTo("last"))
		g.Expect(conn.Close()).To(Succeed())
		g.Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1), Ack(6)))
		peer.Send(ACK, Ack(2))
		g.Expect(peer).To(ReceiveNothing())
	})
}

func TestHalfClose(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{}, MSS(1460))
		g.Expect(conn.CloseWrite()).To(Succeed())
		g.Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1)))
		peer.Send(ACK, Ack(2))
		for range 20 {
			peer.Send(PSH|ACK, Payload(pattern(1000)))
			_, err := io.ReadFull(conn, make([]byte, 1000))
			g.Expect(err).NotTo(HaveOccurred())
		}
		peer.Send(FIN | ACK)
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(2), Ack(20_002)))
		g.Expect(peer).To(ReceiveNothing())
	})
}

// TestHandshakeHealedByData never sends the bare acknowledgement of the handshake.
func TestHandshakeHealedByData(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, listener := accepting(t, v6, Options{})
		peer.Send(SYN)
		g.Expect(peer).To(ReceiveSegment(SYN|ACK, Ack(1)))
		peer.Send(PSH|ACK, Payload("data"))
		conn, err := listener.AcceptTCP()
		g.Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		g.Expect(peer).To(ReceiveSegment(ACK, Ack(5)))
		g.Expect(waiting(conn)).To(Equal(4))
	})
}

// TestBackOff leaves data without an acknowledgement. The host's own timestamps say when it sent: the moments at
// which its segments are read here are later by as much as this process was kept waiting.
func TestBackOff(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{RTOMin: minRTO}, Timestamps(1, 0))
		g.Expect(conn.Write([]byte("data"))).To(Equal(4))
		first, err := peer.Receive(bound(t), PSH|ACK, Payload("data"))
		g.Expect(err).NotTo(HaveOccurred())
		sent := []uint32{first.Timestamps[0]}
		for range 6 {
			again, err := peer.Receive(bound(t), PSH|ACK, Seq(1), Payload("data"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again.Repeats).To(BeTrue())
			sent = append(sent, again.Timestamps[0])
		}
		var waits []uint32
		for i := 1; i < len(sent); i++ {
			waits = append(waits, sent[i]-sent[i-1])
		}
		t.Log("waits in ms:", waits)
		for i := 2; i < len(waits); i++ {
			// A timer can come late, so neighbours could change places; a wait after next has doubled twice.
			g.Expect(waits[i]).To(BeNumerically(">", waits[i-2]), "waits in ms: %v", waits)
		}
	})
}

// TestPushOnTheLastSegment looks at the last segment of a send. Those before it may bear PSH too: Linux sets it
// wherever one of its buffers ends.
func TestPushOnTheLastSegment(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{}, MSS(1000))
		g.Expect(conn.Write(pattern(3500))).To(Equal(3500))
		for range 3 {
			g.Expect(peer).To(ReceiveSegment(ACK, Length(1000)))
		}
		g.Expect(peer).To(ReceiveSegment(PSH|ACK, Length(500)))
		peer.Send(ACK)
	})
}

// TestMSSIsObeyed: without the option 536 bytes are to be assumed, 1220 with IPv6 (RFC 9293 §3.7.1); older
// kernels assume 536 with both.
func TestMSSIsObeyed(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, c := range []struct {
			fields []Field
			most   int
		}{{[]Field{MSS(700)}, 700}, {nil, map[bool]int{false: 536, true: 1220}[v6]}} {
			g, peer, conn := accepted(t, v6, Options{}, c.fields...)
			message := pattern(3 * c.most)
			g.Expect(conn.Write(message)).To(Equal(len(message)))
			var got []byte
			for len(got) < len(message) {
				s, err := peer.Receive(bound(t), ACK, Seq(uint32(1+len(got))))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(len(s.Payload)).To(And(BeNumerically(">", 0), BeNumerically("<=", c.most)))
				got = append(got, s.Payload...)
			}
			g.Expect(got).To(Equal(message))
			peer.Send(ACK)
		}
	})
}

// TestFastRetransmit gives the host a timer of a minute: what it sends again, it sends for the acknowledgements.
func TestFastRetransmit(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{RTOMin: time.Minute}, MSS(1000))
		message := pattern(5000)
		g.Expect(conn.Write(message)).To(Equal(5000))
		for i := range 5 {
			g.Expect(peer).To(ReceiveSegment(ACK, Seq(uint32(1+i*1000)), Length(1000)))
		}
		peer.Send(ACK, Ack(1))
		peer.Send(ACK, Ack(1))
		g.Expect(peer).To(ReceiveNothing())
		peer.Send(ACK, Ack(1))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Payload(message[:1000])))
		peer.Send(ACK, Ack(5001))
		g.Expect(peer).To(ReceiveNothing())
	})
}

// TestZeroWindow closes the window before the host has sent anything, and opens it when it was probed.
func TestZeroWindow(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{RTOMin: minRTO}, MSS(1000))
		peer.Send(ACK, Window(0))
		g.Expect(conn.Write([]byte("waiting"))).To(Equal(7))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(0), Length(0))) // the probe: one byte back
		peer.Send(ACK, Window(0))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(0), Length(0)))
		peer.Send(ACK, Window(3))
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1), Payload("wai")))
		peer.Send(ACK, Window(1000))
		g.Expect(peer).To(ReceiveSegment(PSH|ACK, Seq(4), Payload("ting")))
		peer.Send(ACK)
	})
}

// TestShrinkingWindow takes back room that was offered, while segments are on their way into it.
func TestShrinkingWindow(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, peer, conn := accepted(t, v6, Options{RTOMin: minRTO}, MSS(1000))
		message := pattern(5000)
		g.Expect(conn.Write(message)).To(Equal(5000))
		for i := range 5 {
			g.Expect(peer).To(ReceiveSegment(ACK, Seq(uint32(1+i*1000)), Length(1000)))
		}
		peer.Send(ACK, Ack(1001), Window(1000)) // the other four fell outside
		g.Expect(peer).To(ReceiveSegment(ACK, Seq(1001), Payload(message[1000:2000])))
		for i := 2; i < 5; i++ {
			peer.Send(ACK, Ack(uint32(1+i*1000)), Window(1000))
			g.Expect(peer).To(ReceiveSegment(ACK, Seq(uint32(1+i*1000)), Payload(message[i*1000:(i+1)*1000])))
		}
		peer.Send(ACK, Ack(5001))
		g.Expect(peer).To(ReceiveNothing())
	})
}
