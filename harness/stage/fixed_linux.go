package stage

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sockets"
)

// keepPort keeps other scenes, also those of other processes of the harness, from a port on the machine's own
// loopback until release is called.
func keepPort(port uint16) (release func(), err error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("tcpwitness-port-%d", port))
	// The file may be another user's, who cannot be asked to open it for writing (sysctl fs.protected_regular).
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		file, err = os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("keep port %d: %w", port, err)
	}
	for {
		if err = unix.Flock(int(file.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
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
