package stage

import (
	"fmt"
	"os"
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
