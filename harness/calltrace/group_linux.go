//go:build amd64 || arm64

package calltrace

import (
	"sync"

	"golang.org/x/sys/unix"
)

// group is the set of traced processes that are alive, for those who want to kill them. They are held by
// pidfd, so that a number that was given to another process meanwhile is not hit.
type group struct {
	mu      sync.Mutex
	killed  bool
	reason  string
	members map[int]int // process id to pidfd, -1 where there is none
}

func newGroup() *group { return &group{members: map[int]int{}} }

// add takes in a new process, which cannot have been reaped yet. One that comes after the kill is killed.
func (g *group) add(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.killed {
		unix.Kill(pid, unix.SIGKILL)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1
	}
	g.members[pid] = fd
}

func (g *group) remove(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fd, there := g.members[pid]; there && fd >= 0 {
		unix.Close(fd)
	}
	delete(g.members, pid)
}

func (g *group) kill(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.killed {
		g.killed, g.reason = true, reason
	}
	for pid, fd := range g.members {
		if fd < 0 || unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == unix.ENOSYS {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// killReason is that of the first kill; empty where there was none.
func (g *group) killReason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}
