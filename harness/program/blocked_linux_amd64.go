package program

import "golang.org/x/sys/unix"

// oldSleeps are calls that newer machines do not have.
var oldSleeps = map[int]string{
	unix.SYS_POLL: "poll", unix.SYS_SELECT: "select", unix.SYS_EPOLL_WAIT: "epoll_wait", unix.SYS_PAUSE: "pause",
}
