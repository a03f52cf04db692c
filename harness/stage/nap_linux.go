package stage

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// longestSleep is the longest time for which a thread of the processes asked to sleep, among the sleeps that are
// longer than a program is watched for before it counts as idle, and whose end a scene waits for; 0 where there
// is none, or where it cannot be known. Of a sleep until a moment it is what is left of it.
func longestSleep(pids []int) (longest time.Duration) {
	for _, pid := range pids {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			continue
		}
		for _, task := range tasks {
			call, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, task.Name()))
			if err != nil {
				continue
			}
			if nap := sleepOf(pid, strings.Fields(string(call))); nap <= longestNap {
				longest = max(longest, nap)
			}
		}
	}
	return longest
}

// leftEnough is how much of a sleep until a moment must be left for it to count. Of a short one, which is
// repeated, hardly anything is.
const leftEnough = 1500 * time.Millisecond

// sleepOf is the time that one thread asked to sleep, by its call as /proc/PID/task/TID/syscall has it: its
// number and its arguments in hexadecimal (proc(5)).
func sleepOf(pid int, call []string) time.Duration {
	if len(call) < 4 {
		return 0
	}
	argument := func(i int) uint64 {
		n, _ := strconv.ParseUint(strings.TrimPrefix(call[i], "0x"), 16, 64)
		return n
	}
	switch number, _ := strconv.Atoi(call[0]); number {
	case unix.SYS_NANOSLEEP:
		if asked := readTime(pid, argument(1)); asked > idleEnough {
			return asked
		}
	case unix.SYS_CLOCK_NANOSLEEP:
		asked := readTime(pid, argument(3))
		if argument(2)&unix.TIMER_ABSTIME == 0 {
			if asked > idleEnough {
				return asked
			}
			return 0
		}
		var now unix.Timespec
		if unix.ClockGettime(int32(argument(1)), &now) != nil {
			return 0
		}
		if left := asked - time.Duration(now.Nano()); left > leftEnough {
			return left
		}
	}
	return 0
}

// readTime reads a struct timespec of a process; it is 0 where that cannot be read or is out of range.
func readTime(pid int, at uint64) time.Duration {
	var b [16]byte
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(b)}}, 0)
	if err != nil || n != len(b) {
		return 0
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	if seconds > 1<<32 || nanoseconds >= 1e9 {
		return 0
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanoseconds)
}
