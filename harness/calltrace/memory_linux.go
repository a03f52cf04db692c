//go:build amd64 || arm64

package calltrace

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory reads and writes the memory of stopped threads. All addresses and lengths are the program's word
// and may be nonsense. A read may have to wait for a page; the scheduler is told so.
type memory struct {
	local  unix.Iovec
	remote remoteIovec
	word   [8]byte
	noVM   bool // process_vm_readv is forbidden here: use /proc/PID/mem
}

// remoteIovec is a struct iovec whose base is no pointer of ours, which the garbage collector must not see
// as one.
type remoteIovec struct{ base, length uint64 }

// aim points both vectors.
func (m *memory) aim(addr uint64, b []byte) (local, remote uintptr) {
	m.local = unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	m.remote = remoteIovec{base: addr, length: uint64(len(b))}
	return uintptr(unsafe.Pointer(&m.local)), uintptr(unsafe.Pointer(&m.remote))
}

// read fills b from the thread's memory and yields how many bytes there were up to the first that cannot be
// read.
func (m *memory) read(tid int, addr uint64, b []byte) int {
	if len(b) == 0 || addr == 0 {
		return 0
	}
	if m.noVM {
		return m.readFile(tid, addr, b)
	}
	local, remote := m.aim(addr, b)
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), local, 1, remote, 1, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		m.noVM = true
		return m.readFile(tid, addr, b)
	}
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (m *memory) readFile(tid int, addr uint64, b []byte) int {
	fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	total := 0
	for total < len(b) {
		n, err := unix.Pread(fd, b[total:], int64(addr)+int64(total))
		if n <= 0 || err != nil {
			break
		}
		total += n
	}
	return total
}

// write puts b into the thread's memory, read-only pages excepted.
func (m *memory) write(tid int, addr uint64, b []byte) bool {
	if len(b) == 0 || addr == 0 {
		return false
	}
	local, remote := m.aim(addr, b)
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_VM_WRITEV, uintptr(tid), local, 1, remote, 1, 0)
	return errno == 0 && int(n) == len(b)
}

// number reads a little-endian number of size bytes, at most 8; 0 where it cannot be read.
func (m *memory) number(tid int, addr uint64, size int) uint64 {
	m.word = [8]byte{}
	if m.read(tid, addr, m.word[:size]) < size {
		return 0
	}
	return binary.LittleEndian.Uint64(m.word[:])
}
