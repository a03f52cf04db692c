//go:build amd64 || arm64

package calltrace

import (
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// form is how a system call is read.
type form uint8

const (
	formNone form = iota
	formSocket
	formSocketpair
	formBind
	formListen
	formAccept
	formConnect
	formSendto
	formRecvfrom
	formSendmsg
	formRecvmsg
	formSendmmsg
	formRecvmmsg
	formRead
	formWrite
	formReadv
	formWritev
	formSendfile
	formSplice
	formShutdown
	formClose
	formCloseRange
	formDup // dup, dup2, dup3
	formFcntl
	formIoctl
	formSetOption
	formGetOption
	formName // getsockname, getpeername
	formPoll
	formSelect
	formEpollWait
	formEpollCtl
	formClone
	formClone3
	formUnshare
	formGetFD // pidfd_getfd
	formRestart
	formRefused
)

// syscallKind is a system call that is traced.
type syscallKind struct {
	nr   uint64
	name string
	form form
	op   evidence.Op
	// only, where set, limits the stops to those with an argument that matters.
	only *condition
	// errno is what a refused call fails with.
	errno unix.Errno
}

// condition holds for the low half of an argument: it has one of the bits, is one of the values, or
// differs from the value.
type condition struct {
	arg     int
	bits    uint32
	values  []uint32
	notZero bool
}

// tracedCalls are the calls that both architectures have; those of a busy connection come first, because
// the filter looks at them in this order.
func tracedCalls() []syscallKind {
	fcntlMatters := &condition{arg: 1, values: []uint32{unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_SETFL}}
	return append([]syscallKind{
		{nr: unix.SYS_READ, name: "read", form: formRead, op: evidence.OpRecv},
		{nr: unix.SYS_WRITE, name: "write", form: formWrite, op: evidence.OpSend},
		{nr: unix.SYS_SENDTO, name: "sendto", form: formSendto, op: evidence.OpSend},
		{nr: unix.SYS_RECVFROM, name: "recvfrom", form: formRecvfrom, op: evidence.OpRecv},
		{nr: unix.SYS_CLOSE, name: "close", form: formClose, op: evidence.OpClose},
		{nr: unix.SYS_READV, name: "readv", form: formReadv, op: evidence.OpRecv},
		{nr: unix.SYS_WRITEV, name: "writev", form: formWritev, op: evidence.OpSend},
		{nr: unix.SYS_SENDMSG, name: "sendmsg", form: formSendmsg, op: evidence.OpSend},
		{nr: unix.SYS_RECVMSG, name: "recvmsg", form: formRecvmsg, op: evidence.OpRecv},
		{nr: unix.SYS_EPOLL_PWAIT, name: "epoll_pwait", form: formEpollWait, op: evidence.OpWait, only: &condition{arg: 3, notZero: true}},
		{nr: unix.SYS_EPOLL_PWAIT2, name: "epoll_pwait2", form: formEpollWait, op: evidence.OpWait},
		{nr: unix.SYS_EPOLL_CTL, name: "epoll_ctl", form: formEpollCtl},
		{nr: unix.SYS_PPOLL, name: "ppoll", form: formPoll, op: evidence.OpWait},
		{nr: unix.SYS_PSELECT6, name: "pselect6", form: formSelect, op: evidence.OpWait},
		{nr: unix.SYS_ACCEPT, name: "accept", form: formAccept, op: evidence.OpAccept},
		{nr: unix.SYS_ACCEPT4, name: "accept4", form: formAccept, op: evidence.OpAccept},
		{nr: unix.SYS_SOCKET, name: "socket", form: formSocket, op: evidence.OpSocket},
		{nr: unix.SYS_SOCKETPAIR, name: "socketpair", form: formSocketpair, op: evidence.OpSocket},
		{nr: unix.SYS_BIND, name: "bind", form: formBind, op: evidence.OpBind},
		{nr: unix.SYS_LISTEN, name: "listen", form: formListen, op: evidence.OpListen},
		{nr: unix.SYS_CONNECT, name: "connect", form: formConnect, op: evidence.OpConnect},
		{nr: unix.SYS_SHUTDOWN, name: "shutdown", form: formShutdown, op: evidence.OpShutdown},
		{nr: unix.SYS_SETSOCKOPT, name: "setsockopt", form: formSetOption, op: evidence.OpSetOption},
		{nr: unix.SYS_GETSOCKOPT, name: "getsockopt", form: formGetOption, op: evidence.OpGetOption},
		{nr: unix.SYS_GETSOCKNAME, name: "getsockname", form: formName, op: evidence.OpGetSockName},
		{nr: unix.SYS_GETPEERNAME, name: "getpeername", form: formName, op: evidence.OpGetPeerName},
		{nr: unix.SYS_SENDMMSG, name: "sendmmsg", form: formSendmmsg, op: evidence.OpSend},
		{nr: unix.SYS_RECVMMSG, name: "recvmmsg", form: formRecvmmsg, op: evidence.OpRecv},
		{nr: unix.SYS_PREADV2, name: "preadv2", form: formReadv, op: evidence.OpRecv},
		{nr: unix.SYS_PWRITEV2, name: "pwritev2", form: formWritev, op: evidence.OpSend},
		{nr: unix.SYS_SENDFILE, name: "sendfile", form: formSendfile, op: evidence.OpSend},
		{nr: unix.SYS_SPLICE, name: "splice", form: formSplice},
		{nr: unix.SYS_DUP, name: "dup", form: formDup, op: evidence.OpDup},
		{nr: unix.SYS_DUP3, name: "dup3", form: formDup, op: evidence.OpDup},
		{nr: unix.SYS_FCNTL, name: "fcntl", form: formFcntl, op: evidence.OpFcntl, only: fcntlMatters},
		{nr: unix.SYS_IOCTL, name: "ioctl", form: formIoctl, op: evidence.OpFcntl, only: &condition{arg: 1, values: []uint32{fionbio, newUserfault}}},
		{nr: unix.SYS_CLOSE_RANGE, name: "close_range", form: formCloseRange, op: evidence.OpClose},
		{nr: unix.SYS_PIDFD_GETFD, name: "pidfd_getfd", form: formGetFD, op: evidence.OpDup},
		{nr: unix.SYS_CLONE, name: "clone", form: formClone, only: &condition{arg: 0, bits: unix.CLONE_UNTRACED}},
		{nr: unix.SYS_CLONE3, name: "clone3", form: formClone3, op: evidence.OpRefused, errno: unix.ENOSYS},
		{nr: unix.SYS_UNSHARE, name: "unshare", form: formUnshare, only: &condition{arg: 0, bits: unix.CLONE_FILES}},
		{nr: unix.SYS_RESTART_SYSCALL, name: "restart_syscall", form: formRestart},
		{nr: unix.SYS_PTRACE, name: "ptrace", form: formRefused, op: evidence.OpRefused, errno: unix.EPERM},
		{nr: unix.SYS_IO_URING_SETUP, name: "io_uring_setup", form: formRefused, op: evidence.OpRefused, errno: unix.ENOSYS},
		{nr: unix.SYS_IO_URING_ENTER, name: "io_uring_enter", form: formRefused, op: evidence.OpRefused, errno: unix.ENOSYS},
		{nr: unix.SYS_IO_URING_REGISTER, name: "io_uring_register", form: formRefused, op: evidence.OpRefused, errno: unix.ENOSYS},
		{nr: unix.SYS_IO_SETUP, name: "io_setup", form: formRefused, op: evidence.OpRefused, errno: unix.ENOSYS},
		{nr: unix.SYS_USERFAULTFD, name: "userfaultfd", form: formRefused, op: evidence.OpRefused, errno: unix.ENOSYS},
	}, archCalls()...)
}

// Requests of ioctl: FIONBIO makes a descriptor nonblocking (asm-generic/ioctls.h), USERFAULTFD_IOC_NEW does
// what userfaultfd does (linux/userfaultfd.h).
const (
	fionbio      = 0x5421
	newUserfault = 0xaa00
)

// syscallTable finds a traced call by its number.
type syscallTable []*syscallKind

func newSyscallTable(kinds []syscallKind) syscallTable {
	var most uint64
	for _, k := range kinds {
		most = max(most, k.nr)
	}
	table := make(syscallTable, most+1)
	for i := range kinds {
		table[kinds[i].nr] = &kinds[i]
	}
	return table
}

func (t syscallTable) find(nr uint64) *syscallKind {
	if nr < uint64(len(t)) {
		return t[nr]
	}
	return nil
}
