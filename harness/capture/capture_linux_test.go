package capture

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

// addresses are those that a server can be reached at.
func addresses(sb *sandbox.Sandbox) []netip.Addr {
	if sb.Address6().IsValid() {
		return []netip.Addr{sb.Address(), sb.Address6(), netip.IPv6Loopback()}
	}
	return []netip.Addr{sb.Address()}
}

// exchange has one connection with a frame of 128 bytes each way; the client closes first.
func exchange(t *testing.T, sb *sandbox.Sandbox, to netip.AddrPort) {
	t.Helper()
	client, server, err := connected(sb, to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pingPong(client, server, once)
	if err := errors.Join(err, unix.Close(server), unix.Close(client)); err != nil {
		t.Fatal(err)
	}
}

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

// TestTheKernelLeavesChecksumsOpen shows that completing them is needed: as they come from the kernel they are wrong.
func TestTheKernelLeavesChecksumsOpen(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
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
		defer r.close()
		exchange(t, sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err := r.mark(1); err != nil {
			t.Fatal(err)
		}
		open, wrong := 0, 0
		for {
			if r.left == 0 {
				if err := r.nextBlock(); err != nil {
					t.Fatal(err)
				}
				open += wipeOffload(r)
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

// wipeOffload takes the offload headers of a block away, so that the reader finds nothing to complete, and
// yields how many said that there is something.
func wipeOffload(r *ring) (open int) {
	for left, next := r.left, r.next; left > 0; left-- {
		header := r.frameHeader(next)
		offload := r.memory[next+int(header.Mac)-offloadHeader:]
		if offload[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 {
			open++
		}
		clear(offload[:offloadHeader])
		next += int(header.Next_offset)
	}
	return open
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

func TestAQuietSandboxIsQuiet(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		for range 3 {
			if packets, err := c.Sync(patience(t)); err != nil || len(packets) > 0 {
				t.Errorf("%v, %v", sentences(t, packets), err)
			}
		}
		if packets, err := c.Stop(patience(t)); err != nil || len(packets) > 0 {
			t.Errorf("%v, %v", sentences(t, packets), err)
		}
	})
}

func TestSyncHasAllThatWasSent(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		for round := range 200 {
			send(t, sb, []byte{byte(round)})
			packets, err := c.Sync(patience(t))
			if err != nil {
				t.Fatal(err)
			}
			if last := len(packets); last != round+1 || decode(t, packets[last-1]).TransportLayer().LayerPayload()[0] != byte(round) {
				t.Fatalf("%d frames after %d datagrams", last, round+1)
			}
		}
	})
}

// send sends datagrams to a socket that is bound on the server's address and never reads.
func send(t *testing.T, sb *sandbox.Sandbox, datagrams ...[]byte) {
	t.Helper()
	if err := sb.Do(func() error {
		receiver, err := bound(netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			return err
		}
		defer unix.Close(receiver)
		sender, err := bound(netip.AddrPortFrom(sb.ClientAddress(), sb.Port()+1))
		if err != nil {
			return err
		}
		defer unix.Close(sender)
		for _, datagram := range datagrams {
			if err := unix.Sendto(sender, datagram, 0, sockaddr(netip.AddrPortFrom(sb.Address(), sb.Port()))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func bound(at netip.AddrPort) (int, error) {
	domain := unix.AF_INET
	if at.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, sockaddr(at))
}

func TestAwaitYieldsWhenItComes(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		fin := func(packets []evidence.Packet) bool {
			return slices.ContainsFunc(packets, func(p evidence.Packet) bool {
				tcp, ok := decode(t, p).TransportLayer().(*layers.TCP)
				return ok && tcp.FIN
			})
		}
		type result struct {
			packets []evidence.Packet
			err     error
		}
		awaited := make(chan result)
		ctx := patience(t)
		go func() {
			packets, err := c.Await(ctx, fin)
			awaited <- result{packets, err}
		}()
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(server)
		if packets, err := c.Sync(ctx); err != nil || fin(packets) {
			t.Fatalf("before the close: %v, %v", sentences(t, packets), err)
		}
		unix.Close(client)
		if got := <-awaited; got.err != nil || !fin(got.packets) {
			t.Errorf("awaited FIN, got %v, %v", sentences(t, got.packets), got.err)
		}
	})
}

func TestAwaitEnds(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		never := func([]evidence.Packet) bool { return false }
		c := opened(t, sb, Options{})
		send(t, sb, []byte("x"))
		if _, err := c.Sync(patience(t)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		packets, err := c.Await(ctx, never)
		if !errors.Is(err, context.Canceled) || len(packets) != 1 || !strings.Contains(err.Error(), "1 seen") {
			t.Errorf("with the context: %v, %v", packets, err)
		}
		ended := make(chan error)
		go func() {
			_, err := c.Await(context.Background(), never)
			ended <- err
		}()
		c.Close()
		if err := <-ended; !errors.Is(err, ErrStopped) {
			t.Errorf("with the capture: %v", err)
		}
		if packets, err := c.Await(t.Context(), func(p []evidence.Packet) bool { return len(p) == 1 }); err != nil || len(packets) != 1 {
			t.Errorf("of an ended capture: %v, %v", packets, err)
		}
	})
}

func TestDropsAreAnError(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{Buffer: 1})
		const sent = 3000
		c.mu.Lock() // the reader cannot go on
		func() {
			defer c.mu.Unlock()
			send(t, sb, slices.Repeat([][]byte{make([]byte, 500)}, sent)...)
		}()
		packets, err := c.Stop(patience(t))
		var dropped int
		if !errors.Is(err, ErrDropped) {
			t.Fatalf("%d frames of %d, error %v", len(packets), sent, err)
		}
		if _, after, found := strings.Cut(err.Error(), "(shared): "); found {
			fmt.Sscanf(after, "%d", &dropped)
		} else if _, after, found := strings.Cut(err.Error(), "(namespace): "); found {
			fmt.Sscanf(after, "%d", &dropped)
		}
		// Marks can be dropped too, and are counted with the rest.
		if len(packets) == 0 || len(packets)+dropped < sent {
			t.Errorf("%d frames of %d are there, error %v", len(packets), sent, err)
		}
	})
}

func TestNoMoreIsKeptThanAllowed(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		datagrams := slices.Repeat([][]byte{make([]byte, 58)}, 50) // frames of 100 bytes
		for _, options := range []Options{{MaxFrames: 10}, {MaxBytes: 1000}} {
			c := opened(t, sb, options)
			send(t, sb, datagrams...)
			packets, err := c.Stop(patience(t))
			if !errors.Is(err, ErrTooMuch) || len(packets) != 10 || !strings.Contains(err.Error(), "40 frames were not kept after the first 10") {
				t.Errorf("%+v: %d frames, error %v", options, len(packets), err)
			}
			never := func([]evidence.Packet) bool { return false }
			if _, err := c.Await(patience(t), never); !errors.Is(err, ErrTooMuch) {
				t.Errorf("await: %v", err)
			}
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

func TestSnapLengthCuts(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{SnapLength: 60})
		send(t, sb, make([]byte, 500))
		packets, err := c.Stop(patience(t))
		if err != nil || len(packets) != 1 || len(packets[0].Data) != 60 || packets[0].Length != 542 {
			t.Errorf("%v, %v", packets, err)
		}
		want := evidence.Interface{Name: "lo", LinkType: evidence.LinkEthernet, SnapLength: 60}
		if got := c.Interface(); got != want {
			t.Errorf("interface %+v, want %+v", got, want)
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
		}
	})
}

func TestFastPingPongIsWholeOrSaidNotToBe(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(server)
		defer unix.Close(client)
		rounds, err := pingPong(client, server, during(300*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		packets, err := c.Stop(patience(t))
		missing := 2*rounds*128 - seenBytes(t, packets)
		if err == nil && missing != 0 {
			t.Errorf("%d bytes are missing of %d rounds, and nothing is said of it", missing, rounds)
		}
		if err != nil && !errors.Is(err, ErrDropped) {
			t.Error(err)
		}
	})
}

func TestStopAmidTraffic(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{})
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(server)
		played := make(chan error)
		var enough atomic.Bool
		go func() {
			_, err := pingPong(client, server, func() bool { return !enough.Load() })
			played <- err
		}()
		busy := func(packets []evidence.Packet) bool { return len(packets) > 50 }
		if _, err := c.Await(patience(t), busy); err != nil {
			t.Fatal(err)
		}
		packets, err := c.Stop(patience(t))
		if err != nil && !errors.Is(err, ErrDropped) {
			t.Error(err)
		}
		enough.Store(true)
		if err := <-played; err != nil {
			t.Error(err)
		}
		unix.Close(client)
		again, err := c.Stop(patience(t))
		if !errors.Is(err, ErrStopped) || len(again) != len(packets) {
			t.Errorf("a second Stop yields %d frames (%v), the first %d", len(again), err, len(packets))
		}
	})
}

// TestStopAmidAFlood: the ring is always full, so that marks too are dropped.
func TestStopAmidAFlood(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{Buffer: 1, MaxFrames: 1000})
		var (
			enough atomic.Bool
			floods sync.WaitGroup
		)
		for i := range uint16(2) {
			floods.Go(func() {
				if err := sb.Do(func() error { return flood(sb, sb.Port()+i, &enough) }); err != nil {
					t.Error(err)
				}
			})
		}
		full := func(packets []evidence.Packet) bool { return len(packets) == 1000 }
		if _, err := c.Await(patience(t), full); err != nil {
			t.Error(err)
		}
		var syncs sync.WaitGroup
		for range 4 {
			syncs.Go(func() {
				if _, err := c.Sync(patience(t)); !errors.Is(err, ErrTooMuch) {
					t.Error(err)
				}
			})
		}
		syncs.Wait()
		packets, err := c.Stop(patience(t))
		if !errors.Is(err, ErrTooMuch) || errors.Is(err, context.DeadlineExceeded) || len(packets) != 1000 {
			t.Errorf("%d frames, %v", len(packets), err)
		}
		enough.Store(true)
		floods.Wait()
	})
}

// flood sends datagrams to itself as fast as it can until it is enough.
func flood(sb *sandbox.Sandbox, port uint16, enough *atomic.Bool) error {
	at := netip.AddrPortFrom(sb.Address(), port)
	fd, err := bound(at)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for !enough.Load() {
		if err := unix.Sendto(fd, []byte("flood"), 0, sockaddr(at)); err != nil {
			return err
		}
	}
	return nil
}

func TestNothingIsLeftBehind(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		before := openDescriptors(t)
		for range 5 {
			stopped := opened(t, sb, Options{})
			closed := opened(t, sb, Options{})
			if _, err := stopped.Stop(patience(t)); err != nil {
				t.Fatal(err)
			}
			closed.Close()
			closed.Close()
			<-stopped.Released()
			<-closed.Released()
		}
		if after := openDescriptors(t); after != before {
			t.Errorf("open before: %s\nafter: %s", before, after)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(maps), "socket:") {
			t.Error("a ring is still mapped")
		}
	})
}

// openDescriptors lists what the process has open, in order.
func openDescriptors(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, entry := range entries {
		// The one by which the folder is read is gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open = append(open, entry.Name()+" "+target)
		}
	}
	return strings.Join(open, ", ")
}

func TestOpenInAClosedSandbox(t *testing.T) {
	sb, err := sandbox.New(sandbox.Shared)
	if err != nil {
		t.Fatal(err)
	}
	sb.Close()
	if c, err := Open(sb, Options{}); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("opened %v, %v", c, err)
	}
}
