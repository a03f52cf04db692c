package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

func TestEachFrameOnceInOrderWithATrueChecksum(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		for _, address := range addresses(sb) {
			to := netip.AddrPortFrom(address, sb.Port())
			began := evidence.Now()
			c := opened(t, sb, Options{})
			exchange(t, sb, to)
			packets, err := c.Stop(patience(t))
			if err != nil {
				t.Fatal(err)
			}
			// The acknowledgements between need not all be there.
			var got []string
			for i, p := range packets {
				checkChecksum(t, p)
				if p.N != i+1 || p.Length != len(p.Data) || p.Interface != 0 {
					t.Errorf("frame %d of %d: number %d, %d of %d bytes", i+1, len(packets), p.N, len(p.Data), p.Length)
				}
				if p.Time < began || p.Time > evidence.Now() {
					t.Errorf("frame %d is from %v, the capture from %v", p.N, p.Time.Go(), began.Go())
				}
				tcp := decode(t, p).TransportLayer().(*layers.TCP)
				if bare := flags(tcp) == "ACK" && len(tcp.Payload) == 0; bare && i >= 3 {
					continue
				}
				arrow := "<"
				if tcp.DstPort == layers.TCPPort(to.Port()) {
					arrow = ">"
				}
				got = append(got, fmt.Sprintf("%s %s %d", arrow, flags(tcp), len(tcp.Payload)))
			}
			want := []string{"> SYN 0", "< SYN ACK 0", "> ACK 0", "> ACK 128", "< ACK 128", "> FIN ACK 0", "< FIN ACK 0"}
			if !slices.Equal(got, want) {
				t.Errorf("on %v:\n%s\nwant\n%s", to, strings.Join(got, "\n"), strings.Join(want, "\n"))
				t.Log(strings.Join(sentences(t, packets), "\n"))
			}
		}
	})
}

// exchanged yields a ring in which the frames of one connection are, with a mark behind them.
func exchanged(t *testing.T, sb *sandbox.Sandbox) *ring {
	t.Helper()
	own := newMarker()
	program, err := filter(own, DefaultSnapLength, scopeOf(sb))
	if err != nil {
		t.Fatal(err)
	}
	var r *ring
	if err := sb.Do(func() (err error) {
		r, err = openRing(own, 1<<20, program)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	exchange(t, sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
	if err := r.mark(1); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTheKernelLeavesChecksumsOpen shows that completing them is needed: as they come from the kernel they
// are wrong.
func TestTheKernelLeavesChecksumsOpen(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		r := exchanged(t, sb)
		open, wrong := 0, 0
		for {
			if r.left == 0 {
				if err := r.nextBlock(); err != nil {
					t.Fatal(err)
				}
			}
			if wipeOffload(r) {
				open++
			}
			data, info, err := r.ZeroCopyReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := r.marked(data); ok {
				break
			}
			p := decode(t, evidence.Packet{Data: slices.Clone(data), Length: info.Length})
			tcp, ok := p.TransportLayer().(*layers.TCP)
			if !ok {
				continue
			}
			tcp.SetNetworkLayerForChecksum(p.NetworkLayer())
			if off, _ := tcp.ComputeChecksum(); off != 0 {
				wrong++
			}
		}
		if open < 7 || wrong != open {
			t.Errorf("%d frames have an open checksum and %d a wrong one, of a connection with at least 7", open, wrong)
		}
	})
}

// wipeOffload takes the offload header of the next frame away, so that the reader finds nothing to
// complete, and says whether there was something.
func wipeOffload(r *ring) (open bool) {
	offload := r.memory[r.next+int(r.frameHeader(r.next).Mac)-offloadHeader:]
	defer clear(offload[:offloadHeader])
	return offload[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0
}

// TestTheCopiesAreThoseTappedOnSending looks at what the kernel says of each frame: the copy that is tapped
// on receiving has the same bytes, and mostly the same time, but not always.
func TestTheCopiesAreThoseTappedOnSending(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		r := exchanged(t, sb)
		for {
			if r.left == 0 {
				if err := r.nextBlock(); err != nil {
					t.Fatal(err)
				}
			}
			// The kernel puts a struct sockaddr_ll behind the header of each frame.
			address := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&r.memory[r.next+unix.SizeofTpacket3Hdr]))
			if address.Family != unix.AF_PACKET || address.Pkttype != unix.PACKET_OUTGOING {
				t.Errorf("a frame was tapped as %+v, want type %d", address, unix.PACKET_OUTGOING)
			}
			data, _, err := r.ZeroCopyReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := r.marked(data); ok {
				return
			}
		}
	})
}

func TestTimesPrecedeEffects(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		type moments struct{ before, after evidence.Time }
		var calls []moments
		const rounds = 100
		for range rounds {
			if err := sb.Do(func() error {
				before := evidence.Now()
				client, server, err := connectHere(netip.AddrPortFrom(sb.Address(), sb.Port()))
				calls = append(calls, moments{before, evidence.Now()})
				return errors.Join(err, unix.Close(client), unix.Close(server))
			}); err != nil {
				t.Fatal(err)
			}
		}
		packets, err := c.Stop(patience(t))
		if err != nil {
			t.Fatal(err)
		}
		connections := -1
		inHandshake := 0
		for i, p := range packets {
			if i > 0 && p.Time < packets[i-1].Time {
				t.Errorf("frame %d is %v before the one before it", p.N, packets[i-1].Time.Sub(p.Time))
			}
			tcp := decode(t, p).TransportLayer().(*layers.TCP)
			if tcp.SYN && !tcp.ACK {
				connections++
				inHandshake = 3
			}
			if inHandshake > 0 {
				inHandshake--
				if call := calls[connections]; p.Time < call.before || p.Time > call.after {
					t.Errorf("frame %d of a handshake is %v after the calls began and %v before they returned",
						p.N, p.Time.Sub(call.before), call.after.Sub(p.Time))
				}
			}
		}
		if connections != rounds-1 {
			t.Errorf("saw %d connections of %d", connections+1, rounds)
		}
	})
}

func TestSegmentsAreAsLongAsOnANetwork(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		longest := 1514
		if sb.Isolation() == sandbox.Shared {
			longest = 65_550 // the host's loopback is left as it is
		}
		c := opened(t, sb, Options{})
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			t.Fatal(err)
		}
		const size = 300_000
		sent := make(chan error)
		go func() { sent <- transmit(client, make([]byte, size)) }()
		err = receive(server, make([]byte, size))
		if err := errors.Join(err, <-sent, unix.Close(client), unix.Close(server)); err != nil {
			t.Fatal(err)
		}
		packets, err := c.Stop(patience(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			if p.Length > longest || len(p.Data) != p.Length {
				t.Errorf("frame %d has %d bytes, %d kept: %s", p.N, p.Length, len(p.Data), sentence(t, p))
			}
			checkChecksum(t, p)
		}
		if seen := seenBytes(t, packets); seen != size {
			t.Errorf("%d bytes of %d were seen", seen, size)
		}
	})
}

func TestUDPAndICMP(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		for _, to := range addresses(sb) {
			c := opened(t, sb, Options{})
			unbound := netip.AddrPortFrom(to, sb.Port())
			from := netip.AddrPortFrom(sb.ClientAddress(), sb.Port()+2)
			if to.Is6() {
				from = netip.AddrPortFrom(to, sb.Port()+2)
			}
			if err := sb.Do(func() error {
				fd, err := bound(from)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return unix.Sendto(fd, []byte("anyone?"), 0, sockaddr(unbound))
			}); err != nil {
				t.Fatal(err)
			}
			packets, err := c.Stop(patience(t))
			if err != nil {
				t.Fatal(err)
			}
			got := sentences(t, packets)
			answer := fmt.Sprintf("%v > %v ICMPv", to, from.Addr())
			if len(got) != 2 || got[0] != fmt.Sprintf("%v:%d > %v:%d UDP 7", from.Addr(), from.Port(), to, unbound.Port()) ||
				!strings.HasPrefix(got[1], answer) {
				t.Errorf("to %v: %q, want a datagram and %q", unbound, got, answer)
				continue
			}
			checkChecksum(t, packets[0])
			checkChecksum(t, packets[1])
		}
	})
}
