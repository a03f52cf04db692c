package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestSleepOf reads sleeps out of this process.
func TestSleepOf(t *testing.T) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	after := func(seconds int64) unix.Timespec { return unix.Timespec{Sec: now.Sec + seconds, Nsec: now.Nsec} }
	for _, c := range []struct {
		name     string
		time     unix.Timespec
		absolute bool
		from, to time.Duration
	}{
		{"long", unix.Timespec{Sec: 15, Nsec: 7}, false, 15*time.Second + 7, 15*time.Second + 7},
		{"short", unix.Timespec{Sec: 9}, false, 0, 0},
		{"no time", unix.Timespec{Sec: 15, Nsec: 1e9}, false, 0, 0},
		{"negative", unix.Timespec{Sec: -1}, false, 0, 0},
		{"until a moment that is far", after(1000), true, 900 * time.Second, 1000 * time.Second},
		{"until a moment that is near", after(1), true, 0, 0},
		{"until a moment that is past", after(-1), true, 0, 0},
	} {
		flags := 0
		if c.absolute {
			flags = unix.TIMER_ABSTIME
		}
		at := fmt.Sprintf("%#x", uintptr(unsafe.Pointer(&c.time)))
		calls := [][]string{{strconv.Itoa(unix.SYS_CLOCK_NANOSLEEP), fmt.Sprintf("%#x", unix.CLOCK_MONOTONIC), fmt.Sprintf("%#x", flags), at, "0x0"}}
		if !c.absolute {
			calls = append(calls, []string{strconv.Itoa(unix.SYS_NANOSLEEP), at, "0x0", "0x0", "0x0"})
		}
		for _, call := range calls {
			if got := sleepOf(os.Getpid(), call); got < c.from || got > c.to {
				t.Errorf("%s, %v: %v", c.name, call, got)
			}
		}
		runtime.KeepAlive(&c.time)
	}
	for _, call := range [][]string{{"running"}, {strconv.Itoa(unix.SYS_NANOSLEEP), "0x10", "0x0", "0x0"}, {"0", "0x0", "0x0", "0x0"}} {
		if got := sleepOf(os.Getpid(), call); got != 0 {
			t.Errorf("%v: %v", call, got)
		}
	}
}

// TestOneThatSleepsIsNotIdle looks at processes that have been in a sleep for eleven seconds, by the watcher's
// clock.
func TestOneThatSleepsIsNotIdle(t *testing.T) {
	for seconds, idle := range map[string]bool{"100": false, "9": true, "1000": true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sleeper := exec.CommandContext(ctx, "sleep", seconds)
		if err := sleeper.Start(); err != nil {
			t.Skip(err)
		}
		defer sleeper.Wait()
		defer sleeper.Process.Kill()
		pids := []int{sleeper.Process.Pid}
		for now := take(pids); !now.asleep || now.forGood || inFork(fmt.Sprintf("/proc/%d/", pids[0])); now = take(pids) {
			if ctx.Err() != nil {
				t.Fatal("it does not sleep")
			}
			runtime.Gosched()
		}
		w := watcher{since: time.Now().Add(-idleEnough - time.Second), looks: looksEnough}
		if got := w.idle(&surveyed{pids: pids}, true); got != idle {
			t.Errorf("sleep %s: idle is %v", seconds, got)
		}
		// When the sleep is over, and as long again, nothing is waited for any more.
		w.since = time.Now().Add(-2*idleEnough - 101*time.Second)
		if !w.idle(&surveyed{pids: pids}, true) {
			t.Errorf("sleep %s: idle is never", seconds)
		}
	}
}
