// Package calltrace records the socket calls of a running program from outside, whatever language it is
// written in: every process and thread of it, with arguments, addresses, the first bytes of the data,
// result, errno, entry and exit.
//
// On Linux it uses ptrace with a seccomp filter: a program stops only at the calls that bear on sockets and
// runs at full speed otherwise. The filter is put into the program at its exec stop, before its first
// instruction. Nothing that a traced process starts can leave the trace: children are followed (a request
// to leave them untraced is overruled), and a process that still got out would have no socket calls at all,
// since the filter it inherits fails them without a tracer. Everything traced dies with the harness.
//
// Calls that would let a program work on sockets unseen, or stop the tracer, are refused and recorded as
// such: io_uring, kernel AIO and userfaultfd with ENOSYS, calls of a foreign architecture (int 0x80, x32)
// with ENOSYS, and ptrace with EPERM. A program of another architecture that a traced one executes can
// therefore do nothing but end.
//
// # What the record holds
//
// One [evidence.Call] for each call on a socket, for each call that makes, copies or closes one, for each
// wait (poll, select, epoll; those with a timeout of zero do not wait and are left out), and for forks,
// execs and ends of processes. Calls on files that are no sockets are left out. To know who holds a socket
// at any moment, replay: socket, socketpair, accept and dup add the descriptor NewFD, close takes FD away, fork
// copies the descriptors of the process to Child (or shares them, see Call.SharesFiles), exit takes all of a
// process away. Closes that are part of another call are recorded as [evidence.OpClose] with that call's
// Name: "dup2" for the descriptor it replaced, "close_range", and "exec" for descriptors that were marked
// close-on-exec. A descriptor that came through a Unix socket is an [evidence.OpDup] named "recvmsg".
//
// A call that a signal interrupts and the kernel restarts is one call. sendmmsg and recvmmsg are recorded
// as one call whose Result is the number of bytes of all messages. The two descriptors of a socketpair are
// two calls. Entry is taken before the kernel sees the call and Exit after it is done with it, so that what
// the call causes lies between the two.
//
// # What it costs
//
// Two stops for each recorded call, one for a read or write on a file, none for the rest; about what strace
// with --seccomp-bpf costs. The tracer's goroutine keeps an OS thread to itself. Where the process has one
// processor only, set GOMAXPROCS to 2: the runtime otherwise takes the tracer's processor away each time it
// waits. The first trace sets SA_NOCLDSTOP for SIGCHLD in this process, which asks the kernel for no signal
// when a child stops.
//
// # What it does not see
//
// The data of splice, which cannot be read without taking it. The data, and the identity of sockets, of a
// process that has made itself undumpable, unless the tracer is privileged. Calls that a seccomp filter of
// the program's own lets fail. What a descriptor is that travels through a Unix socket and is never received.
package calltrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"tcpwitness/harness/evidence"
)

// ErrUnavailable says that programs cannot be traced here: ptrace or seccomp is forbidden, or the platform
// has neither. It is an [errors.ErrUnsupported]. Programs can still be run untraced.
var ErrUnavailable = fmt.Errorf("tracing is not available: %w", errors.ErrUnsupported)

// Command is a program to run and trace.
type Command struct {
	// End is evidence.Client or evidence.Server and goes into every Call.
	End string

	Path string // of the executable; not searched for in PATH
	// Image, where set, is the executable, and Path only its name. It is open in the program as descriptor 3.
	// (A Path of the form /proc/self/fd/N does not do: starting a program may put something else at N.)
	Image *os.File
	Args  []string // argv with the program's name first; empty for Path alone
	Env   []string // "KEY=value"; nil for the environment of this process
	Dir   string   // working folder; empty for that of this process
	// The program's standard streams; nil for /dev/null. They can be closed once Start has returned.
	Stdin, Stdout, Stderr *os.File
	// Sys has further attributes, such as clone flags and credentials. Ptrace is set by Start.
	Sys *syscall.SysProcAttr

	// Enter runs on the tracer's own OS thread before the program is forked from it. The thread is not used
	// for anything else and ends with the trace, so Enter may change it (setns, unshare of namespaces).
	// Children that it starts must be waited for by pid.
	Enter func() error
	// Started is called at the exec stop, before the program's first instruction, with the process id. It
	// runs on the tracer's thread. An error ends the program and is returned by Start.
	Started func(pid int) error
	// Alter is called at the entry of a send, write, sendmsg or writev on a socket. A positive value that is
	// less than the call's Length cuts the length; what was done is noted in Call.Altered. The second argument
	// yields the address that the call or the last connect on its socket names, zero where none does; it looks
	// through the calls so far. Alter runs on the tracer's thread and must be quick; its arguments are only valid
	// meanwhile.
	Alter func(c *evidence.Call, to func() evidence.Address) int
	// Pace, where set, is called before a stopped thread goes on, to slow the tracer down in tests.
	Pace func()

	Limits Limits
}

// Limits bound what a trace keeps. A zero field has the default.
type Limits struct {
	Data        int // bytes kept of the data of one call; 4096, at most 65536
	TotalData   int // bytes kept of the data of all calls; 64 MiB
	Calls       int // calls recorded; 200,000
	Descriptors int // Before and After are noted up to so many open descriptors; 256
	Numbers     int // descriptor numbers kept in Before, After and Watched of all calls; 1,000,000
	Threads     int // live threads of all processes; one more ends the program; 32,768
}

// The defaults of Limits.
const (
	defaultData        = 4 << 10
	maxData            = 64 << 10
	defaultTotalData   = 64 << 20
	defaultCalls       = 200_000
	defaultDescriptors = 256
	defaultNumbers     = 1_000_000
	defaultThreads     = 32_768
)

func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&l.Data, defaultData)
	set(&l.TotalData, defaultTotalData)
	set(&l.Calls, defaultCalls)
	set(&l.Descriptors, defaultDescriptors)
	set(&l.Numbers, defaultNumbers)
	set(&l.Threads, defaultThreads)
	l.Data = min(l.Data, maxData)
	return l
}

// Trace is a program being traced. Its methods may be used from any goroutine.
type Trace struct {
	journal *journal
	engine  engine

	firstEnded chan struct{} // closed when the first process has ended
	done       chan struct{} // closed when no process is left
	first      Ending        // as far as it was known when firstEnded was closed
	// The following is written before done is closed, and by then final.
	ending Ending
	err    error
}

// Ending is what became of a traced program.
type Ending struct {
	PID int
	// Status is the wait status of the first process.
	Status  syscall.WaitStatus
	Started evidence.Time // the exec stop
	Ended   evidence.Time // the first process was gone
	// CPU is the processor time of the first process and of the children it waited for.
	CPU time.Duration
	// Last is the call that the thread which ended the first process was in, or had returned from last,
	// when the end began; nil where it had made none. After a death by signal it says what the program was
	// doing: a send that failed with EPIPE for SIGPIPE.
	Last *evidence.Call
	// Reason is that of the first Kill; empty where nobody called it.
	Reason string
	// Processes is the number of processes that there were, the first one included.
	Processes int
	// Survivors is the number of processes that were still there when the first one had ended.
	Survivors int
	// Cut says in words what was left out of the record because of its limits; empty for nothing.
	Cut []string
	// Unrecorded is the number of calls that were left out.
	Unrecorded int
}

// Calls are the calls so far in the order of entry, also those that are still in the kernel (Exit 0);
// Blocked says for those whether the thread is asleep in it.
func (t *Trace) Calls() []evidence.Call {
	t.journal.noteAsleep()
	return t.journal.snapshot()
}

// Look shows every call recorded so far, in the order of entry, without copying them. The function must be
// quick, must not change or keep the calls and must not use the Trace: the tracer waits for it.
func (t *Trace) Look(see func(*evidence.Call)) { t.journal.look(see) }

// Await waits until the condition holds for the calls so far. It is asked whenever a call is entered or
// returns or falls asleep. It runs on the caller's goroutine, must not keep the slice, and may be asked
// once for several changes. The error says what ended the wait: the context, or that the program has ended.
func (t *Trace) Await(ctx context.Context, holds func(calls []evidence.Call) bool) error {
	w := t.journal.watch()
	defer t.journal.unwatch(w)
	for {
		ended := isClosed(t.done)
		view, settled := w.look()
		if holds(view) {
			return nil
		}
		if ended {
			return fmt.Errorf("await calls: %w", ErrEnded)
		}
		if err := w.wait(ctx, t.done, settled); err != nil {
			return fmt.Errorf("await calls: %w", err)
		}
	}
}

// AwaitCall waits for a call that matches and yields it as it was then. It is cheap: each call is looked at
// once at its entry and once at its return, by the tracer itself, so match must be quick, must not change
// the call and must not use the Trace. Calls made before are looked at first. To wait until a call blocks, use [Trace.Await].
func (t *Trace) AwaitCall(ctx context.Context, match func(*evidence.Call) bool) (evidence.Call, error) {
	hook := t.journal.hook(match)
	defer t.journal.unhook(hook)
	select {
	case call := <-hook.found:
		return call, nil
	default:
	}
	var err error
	select {
	case call := <-hook.found:
		return call, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.done:
		err = ErrEnded
	}
	select {
	case call := <-hook.found:
		return call, nil
	default:
		return evidence.Call{}, fmt.Errorf("await call: %w", err)
	}
}

// ErrEnded says that what was awaited cannot come any more, because the program has ended.
var ErrEnded = errors.New("the program has ended")

// Ended is closed when the first process has ended; others may still be there.
func (t *Trace) Ended() <-chan struct{} { return t.firstEnded }

// First is what became of the first process, as far as it was known when it ended: Reason, Processes and Cut
// are those of that moment. It is zero before [Trace.Ended] is closed.
func (t *Trace) First() Ending {
	if !isClosed(t.firstEnded) {
		return Ending{}
	}
	return t.first
}

// Done is closed when the last process has ended.
func (t *Trace) Done() <-chan struct{} { return t.done }

// Wait waits until every process has ended. The error is the context's, or a failure of the tracer itself.
func (t *Trace) Wait(ctx context.Context) (Ending, error) {
	select {
	case <-t.done:
		return t.ending, t.err
	default:
	}
	select {
	case <-t.done:
		return t.ending, t.err
	case <-ctx.Done():
		return Ending{PID: t.PID()}, fmt.Errorf("wait for traced program: %w", ctx.Err())
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
