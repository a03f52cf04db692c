package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// addAddress gives the interface an address and leads the other one to it. It returns when packets for the
// address are taken in.
func addAddress(ctx context.Context, links *netlink.Handle, tun netlink.Link, own, other netip.Addr, l layout) error {
	address := &netlink.Addr{IPNet: hostNet(own)}
	usable := func() error { return nil }
	if own.Is6() {
		address.Flags = unix.IFA_F_NODAD // without asking who else has it
		wait, end, err := localRoute(ctx, own)
		if err != nil {
			return err
		}
		defer end()
		usable = wait
	}
	if err := links.AddrAdd(tun, address); err != nil {
		return fmt.Errorf("give %s the address %s: %w", tunName, own, err)
	}
	if err := usable(); err != nil {
		return err
	}
	// Reno is in every kernel and sends what it may at once. Others (BBR) pace: they keep segments back for a
	// timer, and what crosses the wire would hang on the machine's settings.
	route := &netlink.Route{LinkIndex: tun.Attrs().Index, Dst: hostNet(other), Congctl: "reno"}
	if own.Is4() {
		route.Scope = netlink.SCOPE_LINK
	}
	if l.rtoMin > 0 {
		// Without the lock the kernel does not look at it.
		route.RtoMin, route.RtoMinLock = int(l.rtoMin.Milliseconds()), true
	}
	if err := links.RouteAdd(route); err != nil {
		return fmt.Errorf("route %s through %s: %w", other, tunName, err)
	}
	return nil
}

// localRoute yields a function that waits for the route by which packets for an IPv6 address of one's own
// are taken in. The kernel adds it some time after the address, in the background; without it they are lost.
func localRoute(ctx context.Context, own netip.Addr) (wait func() error, end func(), err error) {
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for routes: %w", err)
	}
	stop := context.AfterFunc(ctx, events.Close)
	wait = func() error {
		for {
			messages, _, err := events.Receive()
			if err != nil {
				return fmt.Errorf("wait until packets for %s are taken in: %w", own, errors.Join(ctx.Err(), err))
			}
			for _, m := range messages {
				if m.Header.Type == unix.RTM_NEWROUTE && isLocalRoute(m.Data, own) {
					return nil
				}
			}
		}
	}
	return wait, func() {
		if stop() {
			events.Close()
		}
	}, nil
}

func isLocalRoute(message []byte, own netip.Addr) bool {
	if len(message) < unix.SizeofRtMsg {
		return false
	}
	route := nl.DeserializeRtMsg(message)
	if route.Type != unix.RTN_LOCAL {
		return false
	}
	attributes, err := nl.ParseRouteAttr(message[unix.SizeofRtMsg:])
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

func hostNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}
