package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	tunPath = "/dev/net/tun"
	// queueLength is how many packets may wait to be read. The kernel drops what comes on top.
	queueLength = 1 << 14
)

// namespace is a network namespace, kept alive by a descriptor.
type namespace struct{ handle *os.File }

func (n namespace) enter() error {
	if err := unix.Setns(int(n.handle.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}

func (n namespace) do(f func() error) error {
	return onOwnThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

func (n namespace) close() error { return n.handle.Close() }

// onOwnThread runs f on a thread that ends with it, never the process's first one: that one cannot end, and
// /proc/self shows its namespace as the whole process's.
func onOwnThread(f func() error) error {
	type ending struct {
		err   error
		panic any
	}
	result := make(chan ending, 1)
	go func() {
		runtime.LockOSThread()
		end := ending{err: errors.New("the function on the host did not return")}
		defer func() {
			end.panic = recover()
			result <- end
		}()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			end.err = onOwnThread(f)
			return
		}
		end.err = f()
	}()
	end := <-result
	if end.panic != nil {
		panic(end.panic) // the caller's, as if it had called f itself
	}
	return end.err
}

// newHost makes a namespace with an interface and yields the device that carries its packets.
func newHost(ctx context.Context, l layout) (*Host, device, error) {
	h := &Host{end: l.end, address: l.own[0], address6: l.own[1]}
	var tun *tunDevice
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return unsupported("make a network namespace", err)
		}
		var err error
		if h.net.handle, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return fmt.Errorf("open the new network namespace: %w", err)
		}
		if tun, err = openTUN(); err != nil {
			return err
		}
		return h.configure(ctx, tun.netlink, l)
	})
	if err != nil {
		if tun != nil {
			err = errors.Join(err, tun.close())
		}
		if h.net.handle != nil {
			err = errors.Join(err, h.net.close())
		}
		return nil, nil, fmt.Errorf("set up the %s's host: %w", l.end, err)
	}
	return h, tun, nil
}

// configure runs on a thread in the namespace.
func (h *Host) configure(ctx context.Context, nl *netlink.Handle, l layout) error {
	if lo, err := nl.LinkByName("lo"); err != nil {
		return fmt.Errorf("find lo: %w", err)
	} else if err := nl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	tun, err := nl.LinkByName(tunName)
	if err != nil {
		return fmt.Errorf("find %s: %w", tunName, err)
	}
	// Without a queueing discipline a packet is in the TUN's queue when the call that sent it returns.
	noqueue := &netlink.GenericQdisc{QdiscType: "noqueue", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: tun.Attrs().Index, Parent: netlink.HANDLE_ROOT,
	}}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"set the MTU", func() error { return nl.LinkSetMTU(tun, l.mtu) }},
		{"lengthen the queue", func() error { return nl.LinkSetTxQLen(tun, queueLength) }},
		{"switch queueing off", func() error { return nl.QdiscReplace(noqueue) }},
		// No multicast: no membership reports. They are not carried either.
		{"switch multicast off", func() error { return nl.LinkSetMulticastOff(tun) }},
		{"switch link-local addresses off", func() error { return ignoreNoIPv6(nl.LinkSetIP6AddrGenMode(tun, addrGenNone)) }},
		{"bring it up", func() error { return nl.LinkSetUp(tun) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s of %s: %w", step.what, tunName, err)
		}
	}
	for name, value := range l.settings {
		if err := set(name, value); err != nil {
			return err
		}
	}
	for i, own := range l.own {
		err := addAddress(ctx, nl, tun, own, l.other[i], l)
		if own.Is6() && isNoIPv6(err) {
			h.address6 = netip.Addr{}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addrGenNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const addrGenNone = 1

func isNoIPv6(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES)
}

func ignoreNoIPv6(err error) error {
	if isNoIPv6(err) {
		return nil
	}
	return err
}

// set writes a setting of the calling thread's namespace. Dots separate the parts of its name.
func set(name, value string) error {
	if !strings.HasPrefix(name, "net.") || strings.Contains(name, "/") {
		return fmt.Errorf("set %s: not a setting of the network", name)
	}
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return unsupported(fmt.Sprintf("set %s to %s", name, value), err)
	}
	return nil
}

// unsupported wraps an error that means that this machine does not allow it.
func unsupported(what string, err error) error {
	for _, refusal := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EINVAL, unix.ENOSYS, unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.EROFS} {
		if errors.Is(err, refusal) {
			return fmt.Errorf("%s: %w: %w", what, err, errors.ErrUnsupported)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
