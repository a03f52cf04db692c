package sandbox

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MTU of a sandbox's loopback in bytes, under Namespace isolation: Ethernet's.
const MTU = 1500

const loopback = "lo"

// bringUpLoopback makes the loopback of the thread's network namespace ready for use. Its own IPv6 address
// is the zero Addr where there is no IPv6. The cookie is 0 where it is not known.
func bringUpLoopback(also netip.Addr) (own netip.Addr, cookie uint64, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return own, 0, fmt.Errorf("configure %s: %w", loopback, err)
	}
	defer unix.Close(fd)

	request, err := unix.NewIfreq(loopback)
	if err != nil {
		return own, 0, fmt.Errorf("configure %s: %w", loopback, err)
	}
	request.SetUint32(MTU)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, request); err != nil {
		return own, 0, fmt.Errorf("set the MTU of %s: %w", loopback, err)
	}
	for _, offload := range []struct {
		name    string
		command uint32
	}{
		{"TCP segmentation offload", unix.ETHTOOL_STSO},
		{"generic segmentation offload", unix.ETHTOOL_SGSO},
		{"generic receive offload", unix.ETHTOOL_SGRO},
	} {
		if _, err := ethtool(fd, offload.command, 0); err != nil {
			return own, 0, fmt.Errorf("switch %s off on %s: %w", offload.name, loopback, err)
		}
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return own, 0, fmt.Errorf("bring %s up: %w", loopback, err)
	}
	if canBind6(netip.IPv6Loopback(), 0) {
		own = ownAddress6()
		routes, err := listenForRoutes()
		if err != nil {
			return own, 0, fmt.Errorf("listen for routes: %w", err)
		}
		defer routes.close()
		if err := addAddress(own); err != nil {
			return own, 0, fmt.Errorf("add %v to %s: %w", own, loopback, err)
		}
		if err := routes.await(own); err != nil {
			return own, 0, err
		}
	}
	// getaddrinfo with AI_ADDRCONFIG, which is its default, takes a host whose only IPv4 address is 127.0.0.1
	// for one without IPv4.
	if err := addAddress(also); err != nil {
		return own, 0, fmt.Errorf("add %v to %s: %w", also, loopback, err)
	}
	return own, cookieOf(fd), nil
}

// ethtool gets or sets one of the on-off features of the loopback, as ethtool(8) does.
func ethtool(fd int, command, data uint32) (uint32, error) {
	value := struct{ command, data uint32 }{command, data}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24]byte // at least the rest of struct ifreq
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], loopback)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return 0, errno
	}
	return value.data, nil
}

// addAddress gives the loopback an address by rtnetlink: ioctl cannot ask to leave out duplicate address
// detection, during which nothing can be bound to an IPv6 address.
func addAddress(addr netip.Addr) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)

	family, bits := byte(unix.AF_INET6), addr.BitLen()
	if addr.Is4() {
		family = unix.AF_INET
	}
	attribute := uint16(unix.SizeofRtAttr + bits/8)
	size := uint32(unix.SizeofNlMsghdr + unix.SizeofIfAddrmsg + 2*attribute)
	order := binary.NativeEndian
	b := make([]byte, 0, size)
	b = order.AppendUint32(b, size)
	b = order.AppendUint16(b, unix.RTM_NEWADDR)
	b = order.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = order.AppendUint32(b, 1) // sequence number
	b = order.AppendUint32(b, 0) // port: the kernel
	b = append(b, family, byte(bits), unix.IFA_F_NODAD, unix.RT_SCOPE_HOST)
	b = order.AppendUint32(b, 1) // the loopback is interface 1 in every namespace
	for _, kind := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		b = order.AppendUint16(b, attribute)
		b = order.AppendUint16(b, kind)
		b = append(b, addr.AsSlice()...)
	}
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	// The answer is an acknowledgement that holds an errno, negated.
	answer := make([]byte, 512)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || order.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return unix.EBADMSG
	}
	if errno := -int32(order.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}

// currentCookie is the number of the thread's network namespace, 0 where it is not known.
func currentCookie() uint64 {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	return cookieOf(fd)
}

// cookieOf is the number of a socket's network namespace (since Linux 5.14), 0 where it is not known.
func cookieOf(fd int) uint64 {
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}
