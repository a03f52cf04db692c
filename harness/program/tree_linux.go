package program

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// childrenOf lists the children of a process, those of all its threads, as /proc has them now.
func childrenOf(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var children []int
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			if _, err := os.Stat("/proc/self/task"); err == nil {
				return childrenByParent(pid)
			}
			continue
		}
		for _, field := range strings.Fields(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// childrenByParent looks through all processes, for kernels that do not list children.
func childrenByParent(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if _, above := stat(pid); above == parent {
				children = append(children, pid)
			}
		}
	}
	return children
}

// descendants lists the processes below one. visit, if any, sees each before its children are looked for.
func descendants(pid int, visit func(pid int)) []int {
	var found []int
	seen := map[int]bool{pid: true}
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, child := range childrenOf(queue[0]) {
			if seen[child] {
				continue
			}
			seen[child] = true
			if visit != nil {
				visit(child)
			}
			found = append(found, child)
			queue = append(queue, child)
		}
	}
	return found
}

// stat reads the state of a process, such as 'S', and the number of its parent; 0 where it is not there.
func stat(pid int) (state byte, parent int) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// The name in brackets can hold anything, brackets included.
	_, rest, _ := bytes.Cut(line[max(0, bytes.LastIndexByte(line, ')')):], []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 2 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0][0], parent
}

// threadsOf counts the threads of a user's processes.
func threadsOf(uid int) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	total := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var owner unix.Stat_t
		if unix.Stat("/proc/"+e.Name(), &owner) == nil && int(owner.Uid) == uid {
			total += threads(pid)
		}
	}
	return total
}

// threads counts the threads of a process.
func threads(pid int) int {
	var tasks unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/task", pid), &tasks) != nil {
		return 0
	}
	return int(tasks.Nlink) - 2 // one folder for each
}

// settled looks until it sees the same twice: a process whose parent ends while the tree is walked can be
// missed. Of a tree that never comes to rest it yields one view.
func settled(look func() []int) []int {
	const most = 20
	last := look()
	for range most {
		now := look()
		slices.Sort(now)
		slices.Sort(last)
		if slices.Equal(now, last) {
			break
		}
		last = now
	}
	return last
}

// alive says whether a process is there and not only waiting to be waited for.
func alive(pid int) bool {
	state := stateOf(pid)
	return state != 0 && state != 'Z' && state != 'X'
}

func stateOf(pid int) byte {
	state, _ := stat(pid)
	return state
}

// signalBelow sends a signal to a process if it is a descendant of top. The number is pinned before it is
// looked at, so that the signal cannot reach another process that got it since.
func signalBelow(pid, top int, s syscall.Signal) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for above := pid; above != top; {
		_, parent := stat(above)
		if parent <= 1 {
			return
		}
		above = parent
	}
	_ = unix.PidfdSendSignal(fd, s, nil, 0)
}
