//go:build amd64 || arm64

package calltrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct sigaction, as amd64 and arm64 have it.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saNoCldStop = 1 // SA_NOCLDSTOP
	sigIgnore   = 1 // SIG_IGN
)

// quietStops keeps the kernel from sending this process a SIGCHLD for every stop of a traced thread: the
// runtime would take each of them in a signal handler, which costs a tenth of the time of a trace. SIGCHLD
// for ended children is sent as before.
func quietStops() {
	var act sigaction
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), 0, uintptr(unsafe.Pointer(&act)), unsafe.Sizeof(act.mask), 0, 0)
	if errno != 0 || act.handler <= sigIgnore || act.flags&saNoCldStop != 0 {
		return // the default and SIG_IGN take none
	}
	act.flags |= saNoCldStop
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&act)), 0, unsafe.Sizeof(act.mask), 0, 0)
}
