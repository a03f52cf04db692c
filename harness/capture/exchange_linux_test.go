package capture

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sandbox"
)

// sockaddr is an address as x/sys/unix takes it.
func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// connected yields the two descriptors of a TCP connection in a sandbox, the client's first.
func connected(sb *sandbox.Sandbox, to netip.AddrPort) (client, server int, err error) {
	err = sb.Do(func() error {
		client, server, err = connectHere(to)
		return err
	})
	return client, server, err
}

func connectHere(to netip.AddrPort) (client, server int, err error) {
	domain := unix.AF_INET
	if to.Addr().Is6() {
		domain = unix.AF_INET6
	}
	listener, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	defer unix.Close(listener)
	unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(listener, sockaddr(to)); err != nil {
		return -1, -1, err
	}
	if err := unix.Listen(listener, 10); err != nil {
		return -1, -1, err
	}
	client, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	if err := unix.Connect(client, sockaddr(to)); err != nil {
		return -1, -1, errors.Join(err, unix.Close(client))
	}
	server, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return -1, -1, errors.Join(err, unix.Close(client))
	}
	return client, server, nil
}

// pingPong sends 128 bytes forth and back, once and again while more says so, and yields how often.
func pingPong(client, server int, more func() bool) (rounds int, err error) {
	echoed := make(chan error, 1)
	go func() {
		buf := make([]byte, 128)
		for {
			if err := receive(server, buf); err != nil {
				echoed <- err
				return
			}
			if err := transmit(server, buf); err != nil {
				echoed <- err
				return
			}
		}
	}()
	buf := make([]byte, 128)
	for ; err == nil && (rounds == 0 || more()); rounds++ {
		if err = transmit(client, buf); err == nil {
			err = receive(client, buf)
		}
	}
	unix.Shutdown(client, unix.SHUT_WR)
	if ended := <-echoed; !errors.Is(ended, errEnd) {
		err = errors.Join(err, ended)
	}
	return rounds, err
}

// once and during are for pingPong.
func once() bool { return false }

func during(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().Before(end) }
}

var errEnd = errors.New("end of the stream")

func receive(fd int, buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errEnd
		}
		buf = buf[n:]
	}
	return nil
}

func transmit(fd int, buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Write(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}

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
