package sandbox

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// reserve takes a block of ports, and the addresses that go with it, for as long as the file is open. It
// fails with EADDRINUSE where any process on this loopback has it. The reservation is a socket with a name
// in the abstract namespace: it leaves nothing behind, however the process ends.
func reserve(block int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve an address: %w", err)
	}
	name := fmt.Sprintf("@tcpwitness/sandbox/%d", block)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// portsAreFree says whether none of the sandbox's ports is bound on its address by anyone.
func (s *Sandbox) portsAreFree() bool {
	for i := range uint16(PortBlock) {
		port := s.places.port + i
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			if !canBind(typ, netip.AddrPortFrom(s.places.server, port)) {
				return false
			}
			if s.address6.IsValid() && !canBind(typ, netip.AddrPortFrom(s.address6, port)) {
				return false
			}
		}
	}
	return true
}

func canBind6(addr netip.Addr, port uint16) bool {
	return canBind(unix.SOCK_STREAM, netip.AddrPortFrom(addr, port))
}

func canBind(typ int, to netip.AddrPort) bool {
	domain, sockaddr := sockaddrOf(to)
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Bind(fd, sockaddr) == nil
}

func sockaddrOf(at netip.AddrPort) (domain int, address unix.Sockaddr) {
	if at.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
}
