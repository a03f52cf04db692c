package wire

import (
	"net"

	"golang.org/x/sys/unix"
)

// waiting is how many bytes can be read from a connection without waiting.
func waiting(conn *net.TCPConn) (int, error) {
	n, err := 0, error(nil)
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if failed != nil {
		return 0, failed
	}
	return n, err
}
