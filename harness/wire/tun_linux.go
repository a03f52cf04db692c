package wire

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tunDevice is a TUN interface seen from its other side. Each read takes one IP packet that the host sent,
// each write hands it one.
type tunDevice struct {
	file    *os.File
	raw     syscall.RawConn
	fd      int
	netlink *netlink.Handle // made in the host's namespace
}

// openTUN makes an interface in the calling thread's network namespace.
func openTUN() (*tunDevice, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, unsupported("open "+tunPath, err)
	}
	request, err := unix.NewIfreq(tunName)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	// Without IFF_VNET_HDR the kernel hands over no packet with work left to do on it: segments are cut to
	// the MTU and their checksums are filled in.
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, errors.Join(unsupported("make the interface "+tunName, err), unix.Close(fd))
	}
	// A persistent interface goes with its namespace, behind the scenes; otherwise closing the descriptor
	// waits 30 ms for it.
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return nil, errors.Join(unsupported("hand the interface to its namespace", err), unix.Close(fd))
	}
	// The descriptor joins the runtime's poller here; before TUNSETIFF it would only report an error there.
	d := &tunDevice{file: os.NewFile(uintptr(fd), tunPath), fd: fd}
	if d.raw, err = d.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("wait on %s: %w", tunName, err), d.file.Close())
	}
	if d.netlink, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink: %w", err), d.file.Close())
	}
	return d, nil
}

func (d *tunDevice) serve(turn func() answer) error {
	err := d.raw.Read(func(uintptr) (done bool) {
		for {
			switch turn() {
			case over:
				return true
			case wait:
				return false
			}
		}
	})
	if err != nil {
		return fmt.Errorf("wait on %s: %w", tunName, err)
	}
	return nil
}

func (d *tunDevice) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(d.fd, buf)
		switch {
		case err == nil && n > 0:
			return n, nil
		case err == nil, errors.Is(err, unix.EAGAIN):
			return 0, errEmpty
		case errors.Is(err, unix.EINTR):
		default:
			return 0, fmt.Errorf("read from %s: %w", tunName, err)
		}
	}
}

func (d *tunDevice) write(packet []byte) error {
	for {
		_, err := unix.Write(d.fd, packet)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		default:
			return fmt.Errorf("write to %s: %w", tunName, err)
		}
	}
}

func (d *tunDevice) dropped() (uint64, error) {
	link, err := d.netlink.LinkByName(tunName)
	if err != nil {
		return 0, fmt.Errorf("read the counters of %s: %w", tunName, err)
	}
	if s := link.Attrs().Statistics; s != nil {
		return s.TxDropped, nil
	}
	return 0, nil
}

func (d *tunDevice) close() error {
	if d.netlink != nil {
		d.netlink.Close()
	}
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", tunName, err)
	}
	return nil
}
