package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sandbox"
)

// TestSharedCapturesSeeOnlyTheirOwn has two scenarios and a stranger on one loopback.
func TestSharedCapturesSeeOnlyTheirOwn(t *testing.T) {
	one, two := fresh(t, sandbox.Shared), fresh(t, sandbox.Shared)
	first, second := opened(t, one, Options{}), opened(t, two, Options{})
	stranger, err := bound(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stranger)
	name, err := unix.Getsockname(stranger)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		exchange(t, one, netip.AddrPortFrom(one.Address(), one.Port()))
		exchange(t, two, netip.AddrPortFrom(two.Address(), two.Port()))
		if two.Address6().IsValid() {
			exchange(t, two, netip.AddrPortFrom(two.Address6(), two.Port()))
		}
		if err := unix.Sendto(stranger, []byte("?"), 0, name); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Sync(patience(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, scenario := range []struct {
		capture *Capture
		own     *sandbox.Sandbox
	}{{first, one}, {second, two}} {
		packets, err := scenario.capture.Stop(patience(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) < 20*8 {
			t.Errorf("%d frames of 20 connections in %v", len(packets), scenario.own)
		}
		for _, p := range packets {
			said := sentence(t, p)
			if !strings.Contains(said, fmt.Sprintf("%v:%d", scenario.own.Address(), scenario.own.Port())) &&
				!strings.Contains(said, fmt.Sprintf("::1:%d", scenario.own.Port())) {
				t.Errorf("%v has frame %d: %s", scenario.own, p.N, said)
			}
		}
	}
}

// TestSharedCaptureSeesAnyClientAndAnyServer: the client's source address is the kernel's choice, and
// a server may be bound on every address and be reached by another one than the scenario's.
func TestSharedCaptureSeesAnyClientAndAnyServer(t *testing.T) {
	sb := fresh(t, sandbox.Shared)
	for _, tc := range []struct {
		name         string
		source, bind string // "" for the kernel's choice and the destination
		destination  netip.AddrPort
	}{
		{"a client at 127.0.0.1", "127.0.0.1", "", netip.AddrPortFrom(sb.Address(), sb.Port())},
		{"a client at 127.9.9.9", "127.9.9.9", "", netip.AddrPortFrom(sb.Address(), sb.Port())},
		{"a client at an own address", sb.ClientAddress().String(), "", netip.AddrPortFrom(sb.Address(), sb.Port())},
		{"a server on every address", "127.0.0.1", "0.0.0.0", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), sb.Port())},
		{"a built-in port", "127.0.0.1", "0.0.0.0", netip.AddrPortFrom(sb.Address(), 39999)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := opened(t, sb, Options{})
			bind := tc.destination
			if tc.bind != "" {
				bind = netip.AddrPortFrom(netip.MustParseAddr(tc.bind), tc.destination.Port())
			}
			if err := datagram(netip.AddrPortFrom(netip.MustParseAddr(tc.source), 0), bind, tc.destination); err != nil {
				t.Fatal(err)
			}
			packets, err := c.Stop(patience(t))
			want := fmt.Sprintf("> %v:%d UDP 5", tc.destination.Addr(), tc.destination.Port())
			if err != nil || len(packets) != 1 || !strings.HasSuffix(sentence(t, packets[0]), want) {
				t.Errorf("%q (%v), want one %q", sentences(t, packets), err, want)
			}
		})
	}
}

// datagram sends one from an address to a socket that is bound.
func datagram(from, bind, to netip.AddrPort) error {
	receiver, err := bound(bind)
	if err != nil {
		return err
	}
	defer unix.Close(receiver)
	sender, err := bound(from)
	if err != nil {
		return err
	}
	return errors.Join(unix.Sendto(sender, []byte("hello"), 0, sockaddr(to)), unix.Close(sender))
}
