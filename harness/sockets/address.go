package sockets

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"tcpwitness/harness/evidence"
)

// Sizes of the address structures on Linux, in bytes (struct sockaddr_in, struct sockaddr_in6).
const (
	inetSize  = 16
	inet6Size = 28
)

// Inet makes a struct sockaddr_in or sockaddr_in6 as Linux lays them out: family in host byte order, port
// and address in network byte order (POSIX netinet/in.h).
func Inet(addr netip.AddrPort) SockAddr {
	if addr.Addr().Is4() {
		raw := make(SockAddr, inetSize)
		binary.NativeEndian.PutUint16(raw, syscall.AF_INET)
		binary.BigEndian.PutUint16(raw[2:], addr.Port())
		copy(raw[4:], addr.Addr().AsSlice())
		return raw
	}
	raw := make(SockAddr, inet6Size)
	binary.NativeEndian.PutUint16(raw, syscall.AF_INET6)
	binary.BigEndian.PutUint16(raw[2:], addr.Port())
	copy(raw[8:], addr.Addr().AsSlice())
	return raw
}

// Unix makes a struct sockaddr_un for a path; an empty path gives the family alone.
func Unix(path string) SockAddr {
	raw := make(SockAddr, 2, 2+len(path)+1)
	binary.NativeEndian.PutUint16(raw, syscall.AF_UNIX)
	if path == "" {
		return raw
	}
	return append(append(raw, path...), 0)
}

// AddrPort reads an IPv4 or IPv6 address; the zero value where the bytes hold none.
func (a SockAddr) AddrPort() netip.AddrPort {
	switch {
	case a.family() == syscall.AF_INET && len(a) >= 8:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), binary.BigEndian.Uint16(a[2:]))
	case a.family() == syscall.AF_INET6 && len(a) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a[8:24])), binary.BigEndian.Uint16(a[2:]))
	}
	return netip.AddrPort{}
}

func (a SockAddr) family() int {
	if len(a) < 2 {
		return 0
	}
	return int(binary.NativeEndian.Uint16(a))
}

// Evidence is the address as a Call notes it.
func (a SockAddr) Evidence() evidence.Address {
	noted := evidence.Address{Family: a.family(), AddrPort: a.AddrPort()}
	switch {
	case noted.Family == syscall.AF_UNIX:
		noted.Path = string(trimNUL(a[2:]))
	case noted.Family != 0 && !noted.AddrPort.IsValid():
		noted.Length = len(a)
	}
	return noted
}

func trimNUL(b []byte) []byte {
	for i, c := range b {
		if c == 0 && i > 0 {
			return b[:i]
		}
	}
	return b
}

// Int is an option's value of type int.
func Int(value int) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(int32(value)))
}

// Linger is the value of SO_LINGER, struct linger: on or off, and the time in seconds.
func Linger(on bool, seconds int) []byte {
	onoff := 0
	if on {
		onoff = 1
	}
	return append(Int(onoff), Int(seconds)...)
}
