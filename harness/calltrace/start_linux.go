//go:build amd64 || arm64

package calltrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
	"tcpwitness/harness/evidence"
)

// engine is the part of a Trace that belongs to the platform.
type engine struct {
	pid     int
	group   *group
	started evidence.Time
}

// Start runs a program and traces it from its first instruction on. When the context ends everything traced
// is killed. The error is an [ErrUnavailable] where nothing can be traced, and else says why this program
// could not be started.
func Start(ctx context.Context, cmd Command) (*Trace, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	cmd.Limits = cmd.Limits.withDefaults()
	t := &Trace{
		journal:    newJournal(cmd.Limits, isAsleep),
		engine:     engine{group: newGroup()},
		firstEnded: make(chan struct{}),
		done:       make(chan struct{}),
	}
	started := make(chan error, 1)
	go onOwnThread(func() { newTracer(t, cmd).run(started) })
	if err := <-started; err != nil {
		<-t.done
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		select {
		case <-ctx.Done():
			t.Kill(context.Cause(ctx).Error())
		case <-t.done:
		}
	}()
	return t, nil
}

// onOwnThread runs f on an OS thread that ends with it and that has no children: a tracer waits for all
// children of its thread, and would take those of others. The thread is not the main one, to which children
// fall whose thread has ended; nor one on which other code has started a process that still runs.
func onOwnThread(f func()) {
	runtime.LockOSThread() // never unlocked
	if unix.Gettid() != unix.Getpid() && !hasChildren() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onOwnThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

// hasChildren says whether the calling thread has children. It leaves those that have ended to be waited for.
func hasChildren() bool {
	var info unix.Siginfo
	const peek = unix.WEXITED | unix.WSTOPPED | unix.WNOHANG | unix.WNOWAIT | unix.WALL | unix.WNOTHREAD
	for {
		switch err := unix.Waitid(unix.P_ALL, 0, &info, peek, nil); err {
		case unix.EINTR:
		case unix.ECHILD:
			return false
		default:
			return true
		}
	}
}

// PID is the process id of the first process, as this process sees it.
func (t *Trace) PID() int { return t.engine.pid }

// CPU is the processor time that the processes which are alive have used so far.
func (t *Trace) CPU() time.Duration { return t.engine.group.cpu() }

// Kill ends every traced process with SIGKILL. It does not wait. The reason of the first call is kept in
// the Ending. Calls that block when it comes are marked as such.
func (t *Trace) Kill(reason string) {
	t.journal.noteAsleep()
	t.engine.group.kill(reason)
}

// launch forks the program, and takes it over at its exec stop.
func (tr *tracer) launch() error {
	if tr.cmd.Enter != nil {
		if err := tr.cmd.Enter(); err != nil {
			return fmt.Errorf("enter: %w", err)
		}
	}
	pid, err := tr.fork()
	if err != nil {
		return err
	}
	if err := tr.takeOver(pid); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		unix.Wait4(pid, nil, unix.WALL, nil)
		return err
	}
	return nil
}

// fork starts the program so that it stops when exec is done.
func (tr *tracer) fork() (int, error) {
	attr, closeNull, err := tr.attributes()
	if err != nil {
		return 0, err
	}
	defer closeNull()
	args := tr.cmd.Args
	if len(args) == 0 {
		args = []string{tr.cmd.Path}
	}
	path := tr.cmd.Path
	if tr.cmd.Image != nil {
		path = fmt.Sprintf("/proc/self/fd/%d", len(attr.Files))
		attr.Files = append(attr.Files, tr.cmd.Image.Fd())
	}
	pid, err := descriptors.ForkExec(path, args, attr)
	runtime.KeepAlive(tr.cmd)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		// Was it ptrace or exec that is not permitted?
		attr.Sys.Ptrace = false
		if tr.cmd.Path != selfPath && Probe() != nil {
			return 0, fmt.Errorf("%w: ptrace: %w", ErrUnavailable, err)
		}
	}
	if err != nil {
		return 0, err
	}
	return pid, nil
}

func (tr *tracer) attributes() (attr *syscall.ProcAttr, closeNull func(), err error) {
	sys := syscall.SysProcAttr{}
	if tr.cmd.Sys != nil {
		sys = *tr.cmd.Sys
	}
	sys.Ptrace = true
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open standard streams: %w", err)
	}
	attr = &syscall.ProcAttr{Dir: tr.cmd.Dir, Env: tr.cmd.Env, Sys: &sys}
	if attr.Env == nil {
		attr.Env = os.Environ()
	}
	for _, f := range []*os.File{tr.cmd.Stdin, tr.cmd.Stdout, tr.cmd.Stderr} {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	return attr, func() { null.Close() }, nil
}

// takeOver turns the trace that the child asked for, which cannot tell a stop by job control from others,
// into a seized one: let go with SIGSTOP, seized while it stands, continued. Then the filter is installed.
func (tr *tracer) takeOver(pid int) error {
	status, err := awaitStop(pid)
	if err != nil {
		return err
	}
	if status.StopSignal() != unix.SIGTRAP {
		return fmt.Errorf("exec stop: unexpected %v", status.StopSignal())
	}
	var at unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &at); err != nil {
		return fmt.Errorf("%w: read registers: %w", ErrUnavailable, err)
	}
	if !is64Bit(&at) {
		return errors.New("a 32-bit program cannot be traced")
	}
	if err := ptrace(unix.PTRACE_DETACH, pid, 0, uintptr(unix.SIGSTOP)); err != nil {
		return fmt.Errorf("let go at exec: %w", err)
	}
	if err := ptrace(unix.PTRACE_SEIZE, pid, 0, traceOptions); err != nil {
		return fmt.Errorf("%w: seize: %w", ErrUnavailable, err)
	}
	if _, err := awaitStop(pid); err != nil {
		return err
	}
	if err := endGroupStop(pid); err != nil {
		return err
	}
	var now unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &now); err != nil {
		return fmt.Errorf("read registers: %w", err)
	}
	if programCounter(&now) != programCounter(&at) {
		return errors.New("it was continued by somebody else before it was traced")
	}
	if err := tr.prepare(pid, now); err != nil {
		return err
	}
	if tr.cmd.Started != nil {
		if err := tr.cmd.Started(pid); err != nil {
			return fmt.Errorf("started: %w", err)
		}
	}
	return tr.adoptFirst(pid)
}

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL |
	unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEEXIT

// endGroupStop continues a process that stands in the SIGSTOP it was let go with, up to the delivery of
// SIGCONT, which is swallowed by whoever resumes it next.
func endGroupStop(pid int) error {
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		return fmt.Errorf("continue at exec: %w", err)
	}
	for {
		resume(unix.PTRACE_CONT, pid, 0)
		status, err := awaitStop(pid)
		if err != nil {
			return err
		}
		if stopEvent(status) == 0 && status.StopSignal() == unix.SIGCONT {
			return nil
		}
	}
}

func stopEvent(status unix.WaitStatus) int { return int(uint32(status) >> 16) }

// awaitStop waits for the next stop of a thread that is the only one traced.
func awaitStop(pid int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("wait for the program to stop: %w", err)
		case !status.Stopped():
			return 0, fmt.Errorf("it ended before its first instruction: %s", describe(status))
		}
		return status, nil
	}
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

const selfPath = "/proc/self/exe"

// Probe finds out by trying whether programs can be traced here; the error is an [ErrUnavailable] that says
// why not. It starts this process's own executable, which is killed before its first instruction.
func Probe() error {
	killed := errors.New("killed")
	_, err := Start(context.Background(), Command{
		Path: selfPath, Args: []string{"probe"}, Env: []string{},
		Started: func(int) error { return killed },
	})
	switch {
	case err == nil || errors.Is(err, killed):
		return nil
	case errors.Is(err, ErrUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
