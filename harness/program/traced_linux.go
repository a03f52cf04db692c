//go:build amd64 || arm64

package program

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/calltrace"
	"tcpwitness/harness/evidence"
)

// traced is a program whose calls are recorded. What the tracer starts is the list of steps that every
// program begins with (addProgram); it becomes the program by a second exec.
type traced struct {
	proc  *Process
	trace *calltrace.Trace
	nest  *nest // nil where namespaces are not allowed
}

// run starts the program and yields what keeps it. Failures of the program to start are told to proc.
func (l *launch) run(ctx context.Context, proc *Process) (runner, error) {
	if !l.start.Trace {
		return l.keep(ctx, proc)
	}
	if why := untraceable(l.path); why != "" {
		proc.whyNotTraced = why
		return l.keep(ctx, proc)
	}
	r, err := l.trace(ctx, proc)
	if errors.Is(err, calltrace.ErrUnavailable) {
		proc.whyNotTraced = err.Error()
		return l.keep(ctx, proc)
	}
	return r, err
}

// trace starts the program under a tracer.
func (l *launch) trace(ctx context.Context, proc *Process) (runner, error) {
	r := &traced{proc: proc}
	r.nest, _ = newNest() // without it the tracer holds the processes together
	im := &image{}
	var watch *guard
	if r.nest == nil {
		watch = newGuard()
	}
	exec, vitals := l.addProgram(im, watch)
	// The status says why it could not be executed: the low byte of -errno.
	exit := im.add(unix.SYS_EXIT_GROUP, 0)
	im.steps[exec].into = argumentAt(exit, 0)
	for _, v := range vitals {
		im.steps[v.step].failed = im.add(unix.SYS_EXIT_GROUP, uint64(v.number))
	}
	file, err := im.file()
	if err == nil {
		defer file.Close()
		// The context ends the program through Process.stop, which looks at it first.
		r.trace, err = calltrace.Start(context.WithoutCancel(ctx), calltrace.Command{
			End:  l.start.End,
			Path: "launch", Image: file, Args: []string{"launch"}, Env: []string{}, Dir: l.dir,
			Stdin: l.files[0], Stdout: l.files[1], Stderr: l.files[2],
			Enter: func() error {
				if l.start.Enter != nil {
					if err := l.start.Enter(); err != nil {
						return fmt.Errorf("enter the sandbox: %w", err)
					}
				}
				if err := l.coverTemporary(); err != nil {
					return err
				}
				if r.nest != nil {
					return r.nest.enter()
				}
				return nil
			},
			Started: func(pid int) error { return bound(pid, l.limits, -1) },
			Alter:   l.start.Alter,
			Pace:    l.start.Pace,
			Limits:  calltrace.Limits{Threads: max(0, l.limits.Processes), Calls: max(0, l.limits.Calls)},
		})
	}
	if err != nil {
		r.release()
		return nil, err
	}
	untie := context.AfterFunc(ctx, func() {
		if proc.mark(reasonOf(ctx)) {
			r.kill()
		}
	})
	defer untie()
	_, err = r.trace.AwaitCall(context.Background(), func(c *evidence.Call) bool { return c.Op == evidence.OpExec && c.N > 1 })
	executed := err == nil
	if !executed {
		end, _ := r.trace.Wait(context.Background())
		if err := lacking[end.Status.ExitStatus()]; err != nil {
			r.release()
			return nil, err
		}
	}
	go r.follow(l.path, executed)
	return r, nil
}

// follow tells the process what became of the program.
func (r *traced) follow(path string, executed bool) {
	<-r.trace.Ended()
	first := ending{at: evidence.Now(), status: syscall.WaitStatus(unix.SIGKILL)}
	for _, c := range r.trace.Calls() {
		if c.Op == evidence.OpExit && c.PID == r.trace.PID() {
			first.at = c.Exit
			if c.Result >= 0 {
				first.status = syscall.WaitStatus(c.Result << 8)
			} else {
				first.status = syscall.WaitStatus(c.Arg)
			}
		}
	}
	if !executed && first.status.Exited() {
		first.startError = explain(path, syscall.Errno(256-first.status.ExitStatus()))
	}
	r.proc.firstEnded(first)
	end, err := r.trace.Wait(context.Background())
	r.release()
	first.status, first.cpu, first.during = end.Status, end.CPU, end.Last
	if err != nil {
		r.proc.reach(err.Error())
	}
	r.proc.refine(first)
	if end.Unrecorded > 0 {
		r.proc.cut(fmt.Sprintf("the record of its calls is not complete: it leaves out the last %d", end.Unrecorded))
	}
	if end.Reason != "" && end.Reason != asked {
		// Nobody here asked for it, so it was the tracer's own limit, whatever came after.
		r.proc.reach(fmt.Sprintf("processes: more than %d", r.proc.limits.Processes))
		r.proc.stoppedBefore(ReasonProcesses, end.Status.Signaled())
	}
	r.proc.treeEnded()
}

// release ends the namespace. What was traced has been waited for.
func (r *traced) release() {
	if r.nest != nil {
		r.nest.end()
		<-r.nest.ended
	}
}

func (r *traced) pid() int { return r.trace.PID() }

func (r *traced) kill() {
	if r.nest != nil {
		r.nest.end()
	}
	r.trace.Kill(asked)
}

// asked is the reason that the tracer is given when this package asks for the end.
const asked = "asked for"

// others counts processes that were made and have not ended.
func (r *traced) others() int {
	alive := map[int]bool{}
	r.look(func(c *evidence.Call) {
		switch c.Op {
		case evidence.OpFork:
			alive[c.Child] = true
		case evidence.OpExit:
			delete(alive, c.PID)
		}
	})
	return len(alive)
}

func (r *traced) blockedIn() string {
	calls := r.calls()
	for i := len(calls) - 1; i >= 0; i-- {
		if c := calls[i]; c.PID == r.pid() && !c.Returned() && c.Blocked {
			if name := calledAs[c.Op]; name != "" {
				return name
			}
			return c.Name
		}
	}
	return blockedIn(r.pid())
}

// calledAs are the names by which people know the calls.
var calledAs = map[evidence.Op]string{
	evidence.OpSend: "send", evidence.OpRecv: "recv", evidence.OpAccept: "accept", evidence.OpConnect: "connect",
}

// calls leaves out the exec of the steps before the program.
func (r *traced) calls() []evidence.Call { return withoutLaunch(r.trace.Calls()) }

// look leaves the exec of the steps out too.
func (r *traced) look(see func(*evidence.Call)) {
	first := true
	r.trace.Look(func(c *evidence.Call) {
		if !first || c.Op != evidence.OpExec {
			see(c)
		}
		first = false
	})
}

func withoutLaunch(calls []evidence.Call) []evidence.Call {
	if len(calls) > 0 && calls[0].Op == evidence.OpExec {
		return calls[1:]
	}
	return calls
}

func (r *traced) await(ctx context.Context, cond func([]evidence.Call) bool) error {
	err := r.trace.Await(ctx, func(calls []evidence.Call) bool { return cond(withoutLaunch(calls)) })
	if errors.Is(err, calltrace.ErrEnded) {
		return ErrEnded
	}
	return err
}
