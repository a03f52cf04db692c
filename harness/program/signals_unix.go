//go:build unix

package program

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	sigXCPU = unix.SIGXCPU
	sigXFSZ = unix.SIGXFSZ
)

// signalName is "SIGSEGV".
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return s.String()
}
