//go:build amd64 || arm64

package program

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file follows a keeper and its program from the fork to the end.

// endedSize is the size of a report of a child that ended: its pid, its status, its resource usage.
const endedSize = 8 + 8 + 144

// open lets the program begin, and learns whether it could.
func (k *keeper) open(l *launch) error {
	var forked [8]byte
	if _, err := io.ReadFull(k.report, forked[:]); err != nil {
		return fmt.Errorf("start keeper: it did not fork: %w", cmp.Or(k.failed(), err))
	}
	inside := int(binary.LittleEndian.Uint64(forked[:]))
	k.first = inside
	if k.namespace {
		// It waits for its release, and is the keeper's only child.
		if children := childrenOf(k.number); len(children) == 1 {
			k.first = children[0]
		} else {
			return fmt.Errorf("start keeper: found children %v of %d, not one", children, k.number)
		}
	}
	if err := bound(k.first, l.limits, k.processes(l.limits)); err != nil {
		return err
	}
	if _, err := k.release.Write([]byte{1}); err != nil {
		return fmt.Errorf("release %s: %w", l.path, err)
	}
	k.release.Close()
	startError := ""
	switch err := k.failed().(type) {
	case nil:
	case syscall.Errno:
		startError = explain(l.path, err)
	default:
		return err
	}
	go k.follow(inside, startError)
	if !k.counted && l.limits.Processes >= 0 {
		k.proc.helpers.Go(func() { k.count(l.limits.Processes) })
	}
	return nil
}

// countEvery is the time between two looks.
const countEvery = 20 * time.Millisecond

// processes is how many the program's user may have, negative for any number.
func (k *keeper) processes(l Limits) int64 {
	switch {
	case l.Processes < 0, k.namespace && !k.counted:
		return -1
	case k.counted:
		return int64(l.Processes)
	}
	// The user's other processes count as well, the harness among them, which needs to make some more.
	return int64(l.Processes + threadsOf(os.Getuid()))
}

// count ends the program when it has more processes than allowed, where the kernel does not bound them for
// this program alone: that takes a user namespace, and it is never so for root. Nothing tells of a new
// process there, so it looks from time to time.
func (k *keeper) count(limit int) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.ended:
			return
		case <-tick.C:
		}
		total := 0
		for _, pid := range descendants(k.number, nil) {
			total += threads(pid)
		}
		if total > limit {
			k.proc.reach(fmt.Sprintf("processes: more than %d", limit))
			k.proc.stop(ReasonProcesses)
			return
		}
	}
}

// failed is the failure that the keeper reports, nil where it reports none.
func (k *keeper) failed() error {
	var errno [8]byte
	if _, err := io.ReadFull(k.failure, errno[:]); err != nil {
		return nil // the end of file
	}
	number := int64(binary.LittleEndian.Uint64(errno[:]))
	if number > 0 {
		return lacking[int(number)]
	}
	return syscall.Errno(-number)
}

// follow reads the reports until the keeper has ended, which is when no process is left.
func (k *keeper) follow(first int, startError string) {
	told := false
	var report [endedSize]byte
	for {
		if _, err := io.ReadFull(k.report, report[:]); err != nil {
			break
		}
		if told || int(binary.LittleEndian.Uint64(report[:])) != first {
			continue
		}
		told = true
		status := syscall.WaitStatus(binary.LittleEndian.Uint32(report[8:]))
		usage := *(*unix.Rusage)(unsafe.Pointer(&report[16]))
		k.proc.firstEnded(ending{at: evidence.Now(), status: status, startError: startError, cpu: cpuOf(&usage)})
	}
	<-k.ended
	k.hunters.Wait()
	if !told {
		k.proc.firstEnded(ending{at: evidence.Now(), status: syscall.WaitStatus(unix.SIGKILL), startError: startError, cpu: cpuOf(&k.usage)})
	}
	k.close()
	k.proc.treeEnded()
}

// attend waits for the keeper to end. In a pid namespace that is when every process in it is gone.
func (k *keeper) attend() {
	for {
		// Not reaped before nobody can send a signal to that number any more.
		var info [128]byte
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_PID, uintptr(k.number), uintptr(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOWAIT, 0, 0)
		if errno != unix.EINTR {
			break
		}
	}
	k.mu.Lock()
	k.reaped = true
	k.mu.Unlock()
	waitFor(k.number, &k.usage)
	close(k.ended)
}

// close gives back what the keeper held.
func (k *keeper) close() {
	for _, f := range []*os.File{k.report, k.failure, k.release} {
		f.Close() // a nil file says so and does no harm
	}
}

func (k *keeper) pid() int { return k.first }

// kill ends every process of the program.
func (k *keeper) kill() {
	if k.namespace {
		k.signal(unix.SIGKILL)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.reaped {
		k.hunters.Go(k.hunt)
	}
}

// signal sends a signal to the keeper, if it is there.
func (k *keeper) signal(s syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.reaped {
		_ = unix.Kill(k.number, s)
	}
}

// hunt ends the keeper's descendants where no namespace does it: each is stopped before its children are
// looked for, so that it cannot make more meanwhile. The keeper leaves when none is left.
func (k *keeper) hunt() {
	for !closed(k.ended) {
		found := descendants(k.number, func(pid int) { signalBelow(pid, k.number, unix.SIGSTOP) })
		for _, pid := range found {
			signalBelow(pid, k.number, unix.SIGKILL)
		}
		if len(found) == 0 {
			runtime.Gosched()
		}
	}
}

func (k *keeper) others() int {
	return len(settled(func() []int {
		return slices.DeleteFunc(descendants(k.number, nil), func(pid int) bool { return pid == k.first || !alive(pid) })
	}))
}

func (k *keeper) blockedIn() string { return blockedIn(k.first) }

func (k *keeper) calls() []evidence.Call { return nil }

func (k *keeper) await(context.Context, func([]evidence.Call) bool) error { return ErrNotTraced }

// cpuOf is the processor time in a resource usage.
func cpuOf(u *unix.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
