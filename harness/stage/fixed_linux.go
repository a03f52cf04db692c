package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sockets"
)

// keepPort keeps other scenes, also those of other processes of the harness, from a port on the machine's own
// loopback until release is called. It waits for its turn as long as the context lasts: anybody can lock a file.
func keepPort(ctx context.Context, port uint16) (release func(), err error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("tcpwitness-port-%d", port))
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK // what lies there may be no file at all
	// The file may be another user's, who cannot be asked to open it with O_CREAT (sysctl fs.protected_regular).
	file, err := os.OpenFile(path, flags, 0)
	if os.IsNotExist(err) {
		file, err = os.OpenFile(path, flags|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("keep port %d: %w", port, err)
	}
	locked := make(chan error, 1)
	go func() {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		}
		locked <- err
	}()
	select {
	case err = <-locked:
	case <-ctx.Done():
		go func() { <-locked; file.Close() }() // not before: the number must stay this file's
		return nil, fmt.Errorf("keep port %d: somebody has locked %s: %w", port, path, ctx.Err())
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("keep port %d: %w", port, err)
	}
	return func() { file.Close() }, nil
}

// free says whether a program could bind an address on the machine's own loopback, if need be in spite of
// connections in TIME-WAIT.
func free(at netip.AddrPort, inSpite bool) bool {
	domain := unix.AF_INET
	if at.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	if inSpite && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil {
		return true
	}
	var kernel sockets.Kernel
	_, errno := kernel.Bind(fd, sockets.Inet(at))
	return errno != unix.EADDRINUSE
}
