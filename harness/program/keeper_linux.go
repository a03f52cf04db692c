//go:build amd64 || arm64

package program

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// keeper is the parent of a program that is not traced: a tiny process between the harness and the program.
// Where it is allowed it is the first process of a pid namespace of its own, so that all that the program
// starts ends with it, and no signal gets out. Elsewhere it adopts every orphan, so that none gets lost.
//
// The program is never the first process of its namespace: to that one the kernel sends no SIGPIPE.
type keeper struct {
	proc      *Process
	number    int  // pid of the keeper
	first     int  // pid of the program's first process
	namespace bool // it is the first process of a pid namespace
	counted   bool // its user namespace is its own

	report  *os.File // what it tells: the fork's result, then each child that ended
	failure *os.File // the step that failed, if any; the end of file means that the program runs
	release *os.File // one byte lets the program begin

	ended chan struct{} // closed when it has been waited for
	usage unix.Rusage   // its own and that of all the processes, when it has ended

	hunters sync.WaitGroup
	mu      sync.Mutex
	reaped  bool // number is, or will soon be, no longer its pid
}

// The keeper's descriptors.
const (
	fdReport = 3 + iota
	fdFailure
	fdRelease
	fdImage
)

// isolation is a way of starting the keeper.
type isolation struct {
	flags     uintptr
	namespace bool
}

// owned says whether the user namespace is the keeper's own.
func (way isolation) owned() bool { return way.flags&unix.CLONE_NEWUSER != 0 }

// isolations are the ways in the order of preference. A user namespace of its own has its own count of
// processes, which does not bind root anyway.
func isolations() []isolation {
	plain := isolation{unix.CLONE_NEWPID | unix.CLONE_NEWIPC, true}
	owned := isolation{unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWIPC, true}
	none := isolation{}
	if realRoot() {
		return []isolation{plain, owned, none}
	}
	return []isolation{owned, plain, none}
}

// keep starts the program below a keeper.
func (l *launch) keep(ctx context.Context, proc *Process) (runner, error) {
	k := &keeper{proc: proc, ended: make(chan struct{})}
	var theirs [3]*os.File
	var err error
	if k.report, theirs[0], err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if k.failure, theirs[1], err = os.Pipe(); err == nil {
		theirs[2], k.release, err = os.Pipe()
	}
	if err == nil {
		err = l.begin(k, theirs)
	}
	for _, f := range theirs {
		f.Close() // a nil file says so and does no harm
	}
	if err != nil {
		k.close()
		return nil, err
	}
	// Whatever hangs from here on ends with the context.
	untie := context.AfterFunc(ctx, func() {
		if proc.mark(reasonOf(ctx)) {
			k.kill("")
		}
	})
	defer untie()
	if err := k.open(l); err != nil {
		k.kill("")
		<-k.ended
		k.close()
		return nil, err
	}
	return k, nil
}

// begin starts the keeper on a thread that is not used for anything else: namespaces stick to it, and the
// keeper is to end when that thread does.
func (l *launch) begin(k *keeper, theirs [3]*os.File) error {
	started := make(chan error, 1)
	go onOwnThread(func() {
		if l.start.Enter != nil {
			if err := l.start.Enter(); err != nil {
				started <- fmt.Errorf("enter the sandbox: %w", err)
				return
			}
		}
		err := l.spawn(k, theirs)
		started <- err
		if err == nil {
			k.attend()
		}
	})
	return <-started
}

// spawn tries the isolations one after another.
func (l *launch) spawn(k *keeper, theirs [3]*os.File) error {
	var errs []error
	for _, way := range isolations() {
		img := l.keeperImage(way)
		file, err := img.file()
		if err != nil {
			return err
		}
		attr := &syscall.ProcAttr{
			Dir: l.dir,
			Env: []string{},
			Files: []uintptr{
				l.files[0].Fd(), l.files[1].Fd(), l.files[2].Fd(),
				theirs[0].Fd(), theirs[1].Fd(), theirs[2].Fd(), file.Fd(),
			},
			Sys: &syscall.SysProcAttr{Setsid: true, Cloneflags: way.flags},
		}
		if way.namespace {
			attr.Sys.AmbientCaps = numbering()
		}
		pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", fdImage), []string{"keeper"}, attr)
		file.Close()
		if err == nil && way.owned() {
			err = k.nameUser(pid)
		}
		if err == nil {
			k.number, k.namespace, k.counted = pid, way.namespace, way.owned()
			if way.namespace {
				_, err = k.release.Write(number(pid)) // no other process on the machine has it as its own
			}
			return err
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("start keeper: %w", errors.Join(errs...))
}

// nameUser gives the user and its group, in the user namespace of a process, the numbers that they have here. (SysProcAttr could do it, but loses two descriptors when clone is refused.)
func (k *keeper) nameUser(pid int) error {
	proc := fmt.Sprintf("/proc/%d/", pid)
	err := cmp.Or(
		os.WriteFile(proc+"uid_map", fmt.Appendf(nil, "%d %[1]d 1", os.Geteuid()), 0),
		os.WriteFile(proc+"setgroups", []byte("deny"), 0),
		os.WriteFile(proc+"gid_map", fmt.Appendf(nil, "%d %[1]d 1", os.Getegid()), 0),
	)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		waitFor(pid, nil)
	}
	return err
}

// waitFor waits for the end of a child.
func waitFor(pid int, usage *unix.Rusage) {
	for {
		_, err := unix.Wait4(pid, nil, 0, usage)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// keeperImage is the keeper's list of steps for this program.
func (l *launch) keeperImage(way isolation) *image {
	im := &image{}
	add, at := im.add, func(i int) *step { return &im.steps[i] }

	add(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	named := -1
	if way.namespace {
		named = addNumber(im, fdRelease)
	}
	add(unix.SYS_PRCTL, unix.PR_SET_CHILD_SUBREAPER, 1)
	add(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0) // nobody but root may debug it
	var watch *guard
	if !way.namespace {
		watch = newGuard()
		watch.spare(im)
	}
	fork := add(unix.SYS_CLONE, uint64(unix.SIGCHLD), 0, 0, 0, 0)

	// The keeper itself.
	keep := add(unix.SYS_WRITE, fdReport, resultAt(fork), 8)
	for _, fd := range []uint64{0, 1, 2, fdFailure, fdRelease, fdImage} {
		add(unix.SYS_CLOSE, fd)
	}
	ended := im.put(make([]byte, endedSize-8))
	wait := add(unix.SYS_WAIT4, ^uint64(0), ended, 0, ended+8)
	tell := add(unix.SYS_WRITEV, fdReport, im.words(resultAt(wait), 8, ended, endedSize-8), 2)
	at(tell).failed, at(tell).zero, at(tell).more = wait, wait, wait
	leave := add(unix.SYS_EXIT_GROUP, 0)
	at(wait).failed = leave // no child is left

	// The program, until it is executed.
	child := len(im.steps)
	add(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)
	release := add(unix.SYS_READ, fdRelease, im.put(make([]byte, 8)), 1)
	if !way.namespace {
		add(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	exec := l.addProgram(im, watch)
	failed := add(unix.SYS_WRITE, fdFailure, resultAt(exec), 8)
	exit := add(unix.SYS_EXIT_GROUP, 127)
	at(release).zero, at(release).failed = exit, exit
	at(exec).failed = failed

	at(fork).zero, at(fork).more, at(fork).failed = child, keep, add(unix.SYS_WRITE, fdFailure, resultAt(fork), 8)
	add(unix.SYS_EXIT_GROUP, 1)
	if named >= 0 {
		at(named).zero, at(named).failed = exit, exit
	}
	return im
}

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
	if err := k.failed(); err != nil {
		startError = explain(l.path, err)
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
	return syscall.Errno(-int64(binary.LittleEndian.Uint64(errno[:])))
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
func (k *keeper) kill(string) {
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
