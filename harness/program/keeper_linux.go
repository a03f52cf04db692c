//go:build amd64 || arm64

package program

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
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
			k.kill()
		}
	})
	defer untie()
	if err := k.open(l); err != nil {
		err = cmp.Or(ctx.Err(), err) // when that ends, all else fails
		k.kill()
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
		err := l.coverTemporary()
		if err == nil {
			err = l.spawn(k, theirs)
		}
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
		pid, err := descriptors.ForkExec(fmt.Sprintf("/proc/self/fd/%d", fdImage), []string{"keeper"}, attr)
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
	add, at := im.add, func(i int) *step { return im.steps[i] }

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
	exec, vitals := l.addProgram(im, watch)
	failed := add(unix.SYS_WRITE, fdFailure, resultAt(exec), 8)
	exit := add(unix.SYS_EXIT_GROUP, 127)
	at(release).zero, at(release).failed = exit, exit
	at(exec).failed = failed
	for _, v := range vitals {
		at(v.step).failed = add(unix.SYS_WRITE, fdFailure, im.words(uint64(v.number)), 8)
		add(unix.SYS_EXIT_GROUP, 127)
	}

	at(fork).zero, at(fork).more, at(fork).failed = child, keep, add(unix.SYS_WRITE, fdFailure, resultAt(fork), 8)
	add(unix.SYS_EXIT_GROUP, 1)
	if named >= 0 {
		at(named).zero, at(named).failed = exit, exit
	}
	return im
}
