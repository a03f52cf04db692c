//go:build amd64 || arm64

package calltrace

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// proc reads about traced threads in /proc, with buffers of its own.
type proc struct {
	path []byte
	link [64]byte
	dir  [4096]byte
}

// fdPath is /proc/TID/fd/N, or the folder for a negative N, with its NUL.
func (p *proc) fdPath(tid, fd int) *byte {
	p.path = append(p.path[:0], "/proc/"...)
	p.path = strconv.AppendInt(p.path, int64(tid), 10)
	p.path = append(p.path, "/fd"...)
	if fd >= 0 {
		p.path = append(p.path, '/')
		p.path = strconv.AppendInt(p.path, int64(fd), 10)
	}
	p.path = append(p.path, 0)
	return &p.path[0]
}

// kinds of a descriptor.
type descriptor uint8

const (
	descriptorNone   descriptor = iota // not open, or not to be seen
	descriptorFile                     // no socket
	descriptorSocket                   // a socket
)

// look tells what stands behind a descriptor.
func (p *proc) look(tid, fd int) (descriptor, uint64) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(atFDCWD), uintptr(unsafe.Pointer(p.fdPath(tid, fd))),
		uintptr(unsafe.Pointer(&p.link[0])), uintptr(len(p.link)), 0, 0)
	if errno != 0 {
		return descriptorNone, 0
	}
	if inode, ok := decodeSocketLink(p.link[:n]); ok {
		return descriptorSocket, inode
	}
	return descriptorFile, 0
}

var atFDCWD = unix.AT_FDCWD // a variable, for the conversion to an unsigned number

// list yields the open descriptors in rising order; nil where there are more than most or they cannot be
// read.
func (p *proc) list(tid, most int) []int {
	folder, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(atFDCWD), uintptr(unsafe.Pointer(p.fdPath(tid, -1))),
		unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return nil
	}
	defer unix.Close(int(folder))
	fds := make([]int, 0, 8)
	for {
		n, _, errno := unix.Syscall(unix.SYS_GETDENTS64, folder, uintptr(unsafe.Pointer(&p.dir[0])), uintptr(len(p.dir)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return nil
		case n == 0: // a call that leaves room is not the last one: a signal cuts it short
			slices.Sort(fds)
			return fds
		}
		if fds = appendNumbers(fds, p.dir[:n]); len(fds) > most {
			return nil
		}
	}
}

// appendNumbers appends the names that are numbers of an array of struct linux_dirent64.
func appendNumbers(to []int, entries []byte) []int {
	const nameAt = 19
	for len(entries) > nameAt {
		size := int(binary.LittleEndian.Uint16(entries[16:]))
		if size <= nameAt || size > len(entries) {
			break
		}
		name, _, _ := bytes.Cut(entries[nameAt:size], []byte{0})
		if n, ok := decimal(name); ok {
			to = append(to, n)
		}
		entries = entries[size:]
	}
	return to
}

func decimal(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(b) > 0
}

// readProc reads a small file of a thread's folder in /proc; empty where it cannot be read.
func readProc(tid int, name string, b []byte) []byte {
	fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, b)
	if err != nil || n <= 0 {
		return nil
	}
	return b[:n]
}

// isAsleep says whether a thread sleeps in the kernel, waiting for an event.
func isAsleep(tid int) bool {
	var b [512]byte
	return threadState(readProc(tid, "stat", b[:])) == 'S'
}

// threadState finds the state in a stat file (proc(5)): the letter after the name, which can hold anything.
func threadState(stat []byte) byte {
	i := bytes.LastIndex(stat, []byte(") "))
	if i < 0 || i+2 >= len(stat) {
		return 0
	}
	return stat[i+2]
}

// family reads the thread group of a thread and the process that is its parent; 0 where it cannot.
func family(tid int) (group, parent int) {
	var b [2048]byte
	status := readProc(tid, "status", b[:])
	return statusField(status, "Tgid"), statusField(status, "PPid")
}

// statusField reads a number of a status file (proc(5)).
func statusField(status []byte, name string) int {
	for line := range bytes.SplitSeq(status, []byte("\n")) {
		if value, found := bytes.CutPrefix(line, []byte(name+":")); found {
			n, _ := decimal(bytes.TrimSpace(value))
			return n
		}
	}
	return 0
}

// epollTargets reads what an epoll descriptor watches (proc(5), fdinfo: "tfd: 5 events: …").
func epollTargets(tid, fd int) []int {
	b := make([]byte, 16<<10)
	var watched []int
	for line := range bytes.SplitSeq(readProc(tid, "fdinfo/"+strconv.Itoa(fd), b), []byte("\n")) {
		rest, found := bytes.CutPrefix(line, []byte("tfd:"))
		if !found {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
		if n, ok := decimal(number); ok {
			watched = append(watched, n)
		}
	}
	slices.Sort(watched)
	return watched
}
