package wire

import (
	"net/netip"
	"time"
)

// Host is a machine on the wire: a network namespace of its own, with an IPv4 and an IPv6 address on an
// interface that leads to the other side and to nowhere else. Whatever sockets are made on it, by threads
// that entered it or by programs that such threads started, stay on it.
type Host struct {
	end      string
	address  netip.Addr
	address6 netip.Addr
	net      namespace
}

// End is the end that the host plays, [Client] or [Server].
func (h *Host) End() string { return h.end }

// Address is the host's IPv4 address.
func (h *Host) Address() netip.Addr { return h.address }

// Address6 is the host's IPv6 address; not valid where the kernel has no IPv6.
func (h *Host) Address6() netip.Addr { return h.address6 }

// Addresses are all addresses of the host.
func (h *Host) Addresses() []netip.Addr {
	if !h.address6.IsValid() {
		return []netip.Addr{h.address}
	}
	return []netip.Addr{h.address, h.address6}
}

// Enter moves the calling thread into the host's network. The caller has locked its goroutine to its
// thread (runtime.LockOSThread) and lets the thread die with it. What the thread opened before stays where
// it was; sockets that it makes from now on, and programs that it starts, are on the host.
func (h *Host) Enter() error { return h.net.enter() }

// Do runs f on a thread of its own in the host's network and yields its error. A socket that f makes is on
// the host for good and may be used from any thread afterwards. Do waits for f, however long it takes.
func (h *Host) Do(f func() error) error { return h.net.do(f) }

// tunName is the interface's name on each host.
const tunName = "tun0"

// layout is how a host is to be set up.
type layout struct {
	end      string
	own      [2]netip.Addr // IPv4, IPv6
	other    [2]netip.Addr // the addresses that lead to the interface
	mtu      int
	rtoMin   time.Duration
	settings map[string]string // sysctl by its dotted name
}

// The addresses of the two ends, from the blocks that are set aside for documentation (RFC 5737, RFC 3849).
func addresses(end string) [2]netip.Addr {
	if end == Client {
		return [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.MustParseAddr("2001:db8::1")}
	}
	return [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 2}), netip.MustParseAddr("2001:db8::2")}
}

func opposite(end string) string {
	if end == Client {
		return Server
	}
	return Client
}
