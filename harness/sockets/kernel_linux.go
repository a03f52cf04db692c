package sockets

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
)

// Kernel is the kernel's own implementation of the API, by direct system calls.
type Kernel struct {
	// Do runs a function where sockets are to be made: on a thread in the network namespace of a sandbox.
	// Only the making of a socket depends on it. Nil: where the process is.
	Do func(func() error) error
	// Cookie is the SO_NETNS_COOKIE of that namespace; Descriptors lists only sockets that belong to it. 0: all.
	Cookie uint64
	// Private has every descriptor closed in programs that the process starts. Without it a descriptor is
	// inherited, as socket and accept have it by default, and a program started meanwhile keeps the
	// connection open after it has been closed here.
	Private bool
}

var _ API = (*Kernel)(nil)

// Socket makes a socket where Do leads. Where Do fails the socket does with ENETDOWN.
func (k *Kernel) Socket(domain, typ, protocol int) (fd int, errno Errno) {
	if k.Private {
		typ |= unix.SOCK_CLOEXEC
	}
	fd, errno = -1, unix.ENETDOWN
	make := func() error {
		fd, _, errno = call(unix.SYS_SOCKET, uintptr(domain), uintptr(typ), uintptr(protocol))
		return nil
	}
	if k.Do == nil {
		make()
		return fd, errno
	}
	if err := k.Do(make); err != nil {
		return -1, unix.ENETDOWN
	}
	return fd, errno
}

func (k *Kernel) Bind(fd int, addr SockAddr) (int, Errno) {
	r, _, errno := call(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(addr))), uintptr(len(addr)))
	runtime.KeepAlive(addr)
	return r, errno
}

func (k *Kernel) Listen(fd, backlog int) (int, Errno) {
	r, _, errno := call(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog), 0)
	return r, errno
}

func (k *Kernel) Accept(fd int) (int, SockAddr, Errno) {
	var room [unix.SizeofSockaddrAny]byte
	length := uint32(len(room))
	flags := 0
	if k.Private {
		flags = unix.SOCK_CLOEXEC
	}
	r, _, errno := call6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&room[0])), uintptr(unsafe.Pointer(&length)), uintptr(flags), 0, 0)
	if errno != 0 {
		return r, nil, errno
	}
	return r, slices.Clone(room[:min(int(length), len(room))]), 0
}

func (k *Kernel) Connect(fd int, addr SockAddr) (int, Errno) {
	r, _, errno := call(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(addr))), uintptr(len(addr)))
	runtime.KeepAlive(addr)
	return r, errno
}

func (k *Kernel) Send(fd int, data []byte, flags int) (int, Errno) {
	r, _, errno := call6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), uintptr(flags), 0, 0)
	runtime.KeepAlive(data)
	return r, errno
}

func (k *Kernel) Recv(fd int, buf []byte, flags int) (int, Errno) {
	r, _, errno := call6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), uintptr(flags), 0, 0)
	runtime.KeepAlive(buf)
	return r, errno
}

func (k *Kernel) Shutdown(fd, how int) (int, Errno) {
	r, _, errno := call(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
	return r, errno
}

// Close waits for a program that is just being started: until it executes, it has a copy of every descriptor.
func (k *Kernel) Close(fd int) (int, Errno) {
	var r int
	var errno Errno
	_ = descriptors.Close(func() error {
		r, _, errno = call(unix.SYS_CLOSE, uintptr(fd), 0, 0)
		return nil
	})
	return r, errno
}

func (k *Kernel) Dup(fd int) (int, Errno) {
	r, _, errno := call(unix.SYS_DUP, uintptr(fd), 0, 0)
	return r, errno
}

func (k *Kernel) Fcntl(fd, command, argument int) (int, Errno) {
	r, _, errno := call(unix.SYS_FCNTL, uintptr(fd), uintptr(command), uintptr(argument))
	return r, errno
}

// Poll goes on after a signal with the whole timeout.
func (k *Kernel) Poll(fd int, events int16, timeout int) (int16, Errno) {
	watched := unix.PollFd{Fd: int32(fd), Events: events}
	var limit *unix.Timespec
	if timeout >= 0 {
		spec := unix.NsecToTimespec(int64(timeout) * 1e6)
		limit = &spec
	}
	_, _, errno := call6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&watched)), 1, uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	return watched.Revents, errno
}

func (k *Kernel) GetSockName(fd int) (SockAddr, int, Errno) { return k.name(unix.SYS_GETSOCKNAME, fd) }

func (k *Kernel) GetPeerName(fd int) (SockAddr, int, Errno) { return k.name(unix.SYS_GETPEERNAME, fd) }

func (k *Kernel) name(which uintptr, fd int) (SockAddr, int, Errno) {
	var room [unix.SizeofSockaddrAny]byte
	length := uint32(len(room))
	r, _, errno := call(which, uintptr(fd), uintptr(unsafe.Pointer(&room[0])), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return nil, r, errno
	}
	return slices.Clone(room[:min(int(length), len(room))]), r, 0
}

func (k *Kernel) SetOption(fd, level, option int, value []byte) (int, Errno) {
	r, _, errno := call6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0)
	runtime.KeepAlive(value)
	return r, errno
}

func (k *Kernel) GetOption(fd, level, option, length int) ([]byte, int, Errno) {
	value := make([]byte, max(length, 1))
	size := uint32(length)
	r, _, errno := call6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(unsafe.Pointer(&size)), 0)
	runtime.KeepAlive(value)
	if errno != 0 {
		return nil, r, errno
	}
	return value[:min(int(size), len(value))], r, 0
}

// Descriptors lists the open sockets of the process that belong to the namespace, without packet sockets:
// those are the capture's. On the host's own loopback the test runner's connections, which are made on
// 127.0.0.1 itself, are left out too, since no scenario uses that address.
func (k *Kernel) Descriptors() []int {
	var sockets []int
	for _, fd := range OpenDescriptors() {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err != nil || domain == unix.AF_PACKET || domain == unix.AF_NETLINK {
			continue
		}
		if k.Cookie != 0 {
			if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil && cookie != k.Cookie {
				continue
			}
		}
		if k.Do == nil && k.isHomeLoopback(fd) {
			continue
		}
		sockets = append(sockets, fd)
	}
	return sockets
}

func (k *Kernel) isHomeLoopback(fd int) bool {
	name, _, errno := k.GetSockName(fd)
	if errno != 0 {
		return false
	}
	at := name.AddrPort().Addr().Unmap()
	return at.IsLoopback() && (at.Is6() || at.As4() == [4]byte{127, 0, 0, 1})
}

// OpenDescriptors lists every open descriptor of this process in rising order, or nil without /proc.
func OpenDescriptors() []int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	fds := make([]int, 0, len(names))
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd != int(dir.Fd()) {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds
}

// Identity is the inode number of the socket behind a descriptor of this process, 0 where there is none.
func Identity(fd int) uint64 {
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return 0
	}
	return stat.Ino
}

// call makes a system call with the runtime's preemption signal held back, which could otherwise cut a
// blocking send short or interrupt a poll.
//
//go:uintptrescapes
func call(number, a, b, c uintptr) (int, int, Errno) { return call6(number, a, b, c, 0, 0, 0) }

//go:uintptrescapes
func call6(number, a, b, c, d, e, f uintptr) (int, int, Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	urgent := unix.Sigset_t{}
	urgent.Val[0] = 1 << (uint(unix.SIGURG) - 1)
	var before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, &urgent, &before) == nil {
		defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}
	r1, r2, errno := syscall.Syscall6(number, a, b, c, d, e, f)
	if errno != 0 {
		return -1, 0, errno
	}
	return int(r1), int(r2), 0
}
