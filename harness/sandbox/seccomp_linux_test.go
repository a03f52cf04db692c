package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func seccomp(operation, flags uintptr, program *unix.SockFprog) error {
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, operation, flags, uintptr(unsafe.Pointer(program)))
	if errno != 0 {
		return errno
	}
	return nil
}
