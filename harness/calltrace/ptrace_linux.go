//go:build amd64 || arm64

package calltrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ptrace requests of the hot path are raw: the kernel answers them at once, so the scheduler need not
// be told. Waiting is not raw.

// ptrace makes a request that does not block.
func ptrace(request int, tid int, addr, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// resume lets a stopped thread go on until the next stop, with a signal or 0. It fails where the thread has
// been killed meanwhile, which its end will tell.
func resume(request int, tid int, signal int) {
	unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), 0, uintptr(signal), 0, 0)
}

// syscallInfo is struct ptrace_syscall_info.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	// At a seccomp stop number and arguments; at an exit stop rval and is_error stand in the first two.
	nr   uint64
	args [6]uint64
	data uint32
	_    uint32
}

const (
	infoExit    = 2 // PTRACE_SYSCALL_INFO_EXIT
	infoSeccomp = 3 // PTRACE_SYSCALL_INFO_SECCOMP
)

func (i *syscallInfo) result() int64 { return int64(i.nr) }

// read asks what the stopped thread is about.
func (i *syscallInfo) read(tid int) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(*i), uintptr(unsafe.Pointer(i)), 0, 0)
	return errno == 0 && n > 0
}

// eventMessage is what PTRACE_GETEVENTMSG yields: the new process of a fork, the former id at an exec.
func eventMessage(tid int) (uint64, error) {
	var message uint64
	err := ptrace(unix.PTRACE_GETEVENTMSG, tid, 0, uintptr(unsafe.Pointer(&message)))
	return message, err
}

// wait waits for the next stop or end of a thread of this tracer; with nohang pid is 0 where there is none.
// The processor times are asked for only while a process is ending: summing those of many threads takes
// longer than a stop.
func (tr *tracer) wait(nohang bool) (pid int, errno unix.Errno) {
	options := uintptr(unix.WALL | wnothread)
	usage := unsafe.Pointer(nil)
	if tr.dying > 0 {
		usage = unsafe.Pointer(&tr.usage)
	}
	var r uintptr
	if nohang {
		r, _, errno = unix.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&tr.status)), options|unix.WNOHANG, uintptr(usage), 0, 0)
	} else {
		r, _, errno = unix.Syscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&tr.status)), options, uintptr(usage), 0, 0)
	}
	return int(r), errno
}

const wnothread = 0x20000000 // __WNOTHREAD: only children of this thread
