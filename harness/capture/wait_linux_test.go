package capture

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

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
			_, err := c.Await(patience(t), never)
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
