package sandbox

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// routeListener hears of new IPv6 routes in the thread's network namespace.
type routeListener struct{ fd int }

// routePatience bounds the wait for a route, in seconds. The kernel adds it within milliseconds.
const routePatience = 20

func listenForRoutes() (*routeListener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	l := &routeListener{fd}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV6_ROUTE - 1)}); err != nil {
		l.close()
		return nil, err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: routePatience}); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *routeListener) close() { unix.Close(l.fd) }

// await waits for the route by which packets for an address of one's own are taken in. The kernel adds it some
// time after the address, in the background; until then nobody can connect to the address.
func (l *routeListener) await(own netip.Addr) error {
	buf := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(l.fd, buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait for the route to %s: %w", own, err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return fmt.Errorf("wait for the route to %s: %w", own, err)
		}
		for i := range messages {
			if isLocalRoute(&messages[i], own) {
				return nil
			}
		}
	}
}

func isLocalRoute(m *syscall.NetlinkMessage, own netip.Addr) bool {
	const kindAt = 7 // of rtm_type in struct rtmsg
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg || m.Data[kindAt] != unix.RTN_LOCAL {
		return false
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return false
	}
	for _, a := range attributes {
		if a.Attr.Type == unix.RTA_DST {
			to, _ := netip.AddrFromSlice(a.Value)
			return to == own
		}
	}
	return false
}
