package stage

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// census is the state of all threads of a program's processes at one moment.
type census struct {
	threads int
	// asleep says that no thread runs, waits for a processor, or stands at a call that is being recorded.
	asleep bool
	// forGood says that all of them sleep in calls that only somebody else can end: no timer will.
	forGood bool
	// held says that no thread can run by itself: each sleeps, is stopped, or waits for a child of vfork.
	held bool
	// switches counts how often the threads have been put to sleep. While it stays the same, none of them
	// has run.
	switches uint64
	// descriptors is the number of open descriptors of all processes.
	descriptors int
	// sockets is how many of them are sockets.
	sockets int
}

// same says whether no thread has run between two takings.
func (c census) same(other census) bool {
	return c.threads == other.threads && c.switches == other.switches && c.asleep && other.asleep
}

// stands says whether no thread has run between two takings, and none could, though some may be stopped. A thread
// that stands at a call which is being recorded looks stopped too, and runs again before long.
func (c census) stands(before census) bool {
	return c.threads == before.threads && c.switches == before.switches && c.held && before.held
}

// take asks /proc about every thread of the processes. A process that is gone by then does not count.
func take(pids []int) census {
	c := census{asleep: true, forGood: true, held: true}
	for _, pid := range pids {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			continue
		}
		timers := c.count(pid)
		if timers || hasTimers(pid) {
			c.forGood = false
		}
		for _, task := range tasks {
			c.add(fmt.Sprintf("/proc/%d/task/%s/", pid, task.Name()))
		}
	}
	return c
}

// add counts one thread.
func (c *census) add(task string) {
	status, err := os.ReadFile(task + "status")
	if err != nil {
		return
	}
	state := field(status, "State:")
	if state == "" || state[0] == 'Z' || state[0] == 'X' {
		return
	}
	c.threads++
	c.switches += number(field(status, "voluntary_ctxt_switches:")) + number(field(status, "nonvoluntary_ctxt_switches:"))
	if state[0] != 'S' {
		c.asleep, c.forGood = false, false
		c.held = c.held && (state[0] == 'T' || state[0] == 't' || state[0] == 'D' && inFork(task))
		return
	}
	if c.forGood {
		call, err := os.ReadFile(task + "syscall")
		c.forGood = err == nil && endless(strings.Fields(string(call)))
	}
}

// field is the rest of a line of a status file.
func field(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.TrimSpace(rest))
		}
	}
	return ""
}

func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// hasTimers says whether a process may be woken by a timer signal: it has a handler for one, or a POSIX
// timer.
func hasTimers(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	caught, err := strconv.ParseUint(field(status, "SigCgt:"), 16, 64)
	if err != nil {
		return true
	}
	const alarms = 1<<(uint(unix.SIGALRM)-1) | 1<<(uint(unix.SIGVTALRM)-1) | 1<<(uint(unix.SIGPROF)-1)
	if caught&alarms != 0 {
		return true
	}
	timers, err := os.ReadFile(fmt.Sprintf("/proc/%d/timers", pid))
	return err == nil && len(timers) > 0
}

// count counts the open descriptors of a process, and says whether there is one that a timer or something
// outside the scenario can make ready.
func (c *census) count(pid int) (timed bool) {
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return true
	}
	for _, entry := range entries {
		target, err := os.Readlink(folder + entry.Name())
		if err != nil {
			continue
		}
		c.descriptors++
		if strings.HasPrefix(target, "socket:") {
			c.sockets++
		}
		if strings.Contains(target, "timerfd") || strings.Contains(target, "inotify") || strings.Contains(target, "signalfd") {
			timed = true
		}
	}
	return timed
}

// inFork says whether a thread is in a call that makes a process. One that sleeps there uninterruptibly waits
// for a child of vfork to go its own way.
func inFork(task string) bool {
	call, err := os.ReadFile(task + "syscall")
	if err != nil {
		return false
	}
	number, _, _ := strings.Cut(string(call), " ")
	n, err := strconv.Atoi(number)
	return err == nil && (n == unix.SYS_CLONE || n == unix.SYS_CLONE3 || n == vfork)
}

// Places of the argument that bounds a wait, by system call; the wait has no bound where the argument is a
// null pointer.
var boundedBy = map[int]int{
	unix.SYS_PPOLL: 2, unix.SYS_PSELECT6: 4, unix.SYS_RECVMMSG: 4, unix.SYS_EPOLL_PWAIT2: 3,
	unix.SYS_RT_SIGTIMEDWAIT: 2,
}

// Calls that sleep until somebody else acts.
var unbounded = map[int]bool{
	unix.SYS_ACCEPT: true, unix.SYS_ACCEPT4: true,
	unix.SYS_RECVFROM: true, unix.SYS_RECVMSG: true, unix.SYS_READ: true, unix.SYS_READV: true,
	unix.SYS_SENDTO: true, unix.SYS_SENDMSG: true, unix.SYS_WRITE: true, unix.SYS_WRITEV: true,
	unix.SYS_SPLICE: true, unix.SYS_WAIT4: true, unix.SYS_WAITID: true, unix.SYS_RT_SIGSUSPEND: true,
}

// endless says whether a thread sleeps until somebody else acts, by what /proc/PID/task/TID/syscall says:
// the number of the call and its arguments (proc(5)).
func endless(call []string) bool {
	if len(call) < 7 {
		return false
	}
	number, err := strconv.Atoi(call[0])
	if err != nil {
		return false
	}
	argument := func(n int) uint64 {
		value, err := strconv.ParseUint(strings.TrimPrefix(call[n+1], "0x"), 16, 64)
		if err != nil {
			return 1
		}
		return value
	}
	if place, known := boundedBy[number]; known {
		return argument(place) == 0
	}
	switch {
	case number == unix.SYS_FUTEX:
		const wait, lockPI, waitBitset = 0, 6, 9
		operation := argument(1) & 0x7f
		return (operation == wait || operation == lockPI || operation == waitBitset) && argument(3) == 0
	case number == unix.SYS_EPOLL_PWAIT:
		return int32(argument(3)) < 0
	}
	return unbounded[number] || endlessHere(number, argument)
}
