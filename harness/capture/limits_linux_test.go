package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

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

func TestSnapLengthCuts(t *testing.T) {
	each(t, func(t *testing.T, sb *sandbox.Sandbox) {
		c := opened(t, sb, Options{SnapLength: 60})
		send(t, sb, make([]byte, 500))
		packets, err := c.Stop(patience(t))
		if err != nil || len(packets) != 1 || len(packets[0].Data) != 60 || packets[0].Length != 542 {
			t.Fatalf("%v, %v", packets, err)
		}
		// What is cut cannot be summed up: the checksum stays the kernel's part, over the pseudo-header.
		from, to := sb.ClientAddress().As4(), sb.Address().As4()
		pseudo := slices.Concat(from[:], to[:], []byte{0, protocolUDP, 508 >> 8, 508 & 0xff})
		const checksumAt = networkAt + 20 + 6
		if got, want := binary.BigEndian.Uint16(packets[0].Data[checksumAt:]), sum16(pseudo); got != want {
			t.Errorf("the checksum of a cut frame is %#x, want the kernel's %#x", got, want)
		}
		want := evidence.Interface{Name: "lo", LinkType: evidence.LinkEthernet, SnapLength: 60}
		if got := c.Interface(); got != want {
			t.Errorf("interface %+v, want %+v", got, want)
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
