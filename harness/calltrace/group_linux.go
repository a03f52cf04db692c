//go:build amd64 || arm64

package calltrace

import (
	"maps"
	"slices"
	"sync"
	"time"

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
	g.members[pid] = -1
	if len(g.members) > maxHandles {
		return
	}
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		g.members[pid] = fd
	}
}

// maxHandles bounds the descriptors that this process spends on the group; further processes are known by
// their numbers alone.
const maxHandles = 64

func (g *group) remove(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fd, there := g.members[pid]; there && fd >= 0 {
		unix.Close(fd)
	}
	delete(g.members, pid)
}

// kill takes the processes in the order of their numbers, so that as a rule the first one does not see its
// children die.
func (g *group) kill(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.killed {
		g.killed, g.reason = true, reason
	}
	for _, pid := range slices.Sorted(maps.Keys(g.members)) {
		fd := g.members[pid]
		if fd < 0 || unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == unix.ENOSYS {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// cpu adds up the processor times of the processes.
func (g *group) cpu() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var total time.Duration
	for pid := range g.members {
		var spent unix.Timespec
		// The clock of a process has its number in its own (clock_getcpuclockid(3)).
		if unix.ClockGettime(int32(^pid<<3|2), &spent) == nil {
			total += time.Duration(spent.Nano())
		}
	}
	return total
}

// killReason is that of the first kill; empty where there was none.
func (g *group) killReason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}
