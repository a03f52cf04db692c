package program

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sleeps names the calls in which programs sleep.
var sleeps = map[int]string{
	unix.SYS_ACCEPT: "accept", unix.SYS_ACCEPT4: "accept", unix.SYS_CONNECT: "connect",
	unix.SYS_RECVFROM: "recv", unix.SYS_RECVMSG: "recv", unix.SYS_RECVMMSG: "recv",
	unix.SYS_SENDTO: "send", unix.SYS_SENDMSG: "send", unix.SYS_SENDMMSG: "send",
	unix.SYS_PPOLL: "poll", unix.SYS_PSELECT6: "select", unix.SYS_EPOLL_PWAIT: "epoll_wait",
	unix.SYS_WAIT4: "wait", unix.SYS_WAITID: "wait", unix.SYS_FUTEX: "a wait for another thread",
	unix.SYS_NANOSLEEP: "sleep", unix.SYS_CLOCK_NANOSLEEP: "sleep", unix.SYS_RT_SIGTIMEDWAIT: "a wait for a signal",
	unix.SYS_RT_SIGSUSPEND: "a wait for a signal",
	unix.SYS_READ:          "read", unix.SYS_READV: "read", unix.SYS_WRITE: "write", unix.SYS_WRITEV: "write",
}

// blockedIn names the call in which the first thread of a process sleeps, "" where it does not.
func blockedIn(pid int) string {
	switch stateOf(pid) {
	case 'S', 'D':
	case 'T':
		return "a stop that it asked for"
	default:
		return ""
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 {
		return ""
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil {
		return ""
	}
	name, ok := sleeps[number]
	if !ok {
		name = oldSleeps[number]
	}
	if name == "read" || name == "write" {
		return name + subject(pid, fields[1])
	}
	return name
}

// subject says what a descriptor is, given as /proc writes an argument: " on a socket".
func subject(pid int, argument string) string {
	fd, err := strconv.ParseUint(strings.TrimPrefix(argument, "0x"), 16, 64)
	if err != nil {
		return ""
	}
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	switch {
	case err == nil && strings.HasPrefix(target, "socket:"):
		return " on a socket"
	case fd == 0:
		return " on its standard input"
	case fd == 1 || fd == 2:
		return " on its output"
	}
	return ""
}
