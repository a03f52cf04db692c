//go:build amd64 || arm64

package calltrace

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// tracer runs one trace on its own thread. Nothing in it is used by others.
type tracer struct {
	trace  *Trace
	cmd    Command
	limits Limits
	kinds  []syscallKind
	table  syscallTable
	filter []unix.SockFilter

	memory memory
	proc   proc
	info   syscallInfo
	status int32         // of the last wait
	now    evidence.Time // when the events were taken that are being served
	usage  unix.Rusage
	buffer []byte // for data of calls and what else is read, with room for other structures at its end
	vector []iovec
	draft  evidence.Call // the call that is being entered

	threads   map[int]*thread
	processes map[int]*process
	// unclaimed are new threads that stand in their first stop, before the event that tells who made them.
	unclaimed map[int]unix.WaitStatus
	// gone are new threads that were killed before that event.
	gone    map[int]event
	made    int // processes that there were
	dying   int // processes whose last thread is ending
	first   *process
	numbers int    // descriptor numbers that may still be kept
	unnamed uint64 // identities given to sockets whose inode cannot be read
	overrun bool   // there were more threads than allowed
}

// process is a traced process.
type process struct {
	pid     int
	threads int // alive
	ending  int // of those, in their exit stop
	dying   bool
	// threaded: it has had several threads; bereft: it may have lost some in the middle of a fork, by an exec.
	threaded, bereft bool
	began            evidence.Time  // of its end
	last             *evidence.Call // what the first thread to be asked was doing when it ended
	// The signal that was delivered last, and what the thread that got it was doing.
	struckBy int
	struckIn *evidence.Call
}

// thread is a traced thread.
type thread struct {
	tid       int
	process   *process
	files     *files
	scan      bool       // what it has open is to be looked at when it first stops
	orphan    bool       // who made it is not known
	inside    bool       // a call is in the kernel, and stops once more
	call      pending    // that call
	suspended []*pending // calls that were interrupted and may be made again, the last one on top
	stepping  bool       // it was resumed to see whether a signal handler begins
	last      *evidence.Call
	exiting   bool

	stops   int64 // that were served
	vain    int   // calls in a row that achieved nothing
	sleeps  int64 // see tracer.sleeps, after the last of them
	watched bool  // sleeps is known
}

const (
	syscallStop = 0x80
	// eventStop is PTRACE_EVENT_STOP: a new thread, a stop by job control, or its end.
	eventStop = unix.PTRACE_EVENT_STOP
)

func newTracer(t *Trace, cmd Command) *tracer {
	kinds := tracedCalls()
	return &tracer{
		trace: t, cmd: cmd, limits: cmd.Limits, numbers: cmd.Limits.Numbers, kinds: kinds, table: newSyscallTable(kinds), filter: filter(kinds),
		buffer:  make([]byte, max(cmd.Limits.Data, maxIovecs*iovecSize)+maxIovecs*iovecSize+msghdrSize),
		threads: map[int]*thread{}, processes: map[int]*process{}, unclaimed: map[int]unix.WaitStatus{}, gone: map[int]event{},
	}
}

func (tr *tracer) run(started chan<- error) {
	t := tr.trace
	defer close(t.done)
	if err := tr.launch(); err != nil {
		t.err = err
		close(t.firstEnded)
		started <- err
		return
	}
	tr.now = evidence.Now()
	started <- nil
	quietStops()
	t.err = tr.loopSafely()
	tr.sumUp()
	if !isClosed(t.firstEnded) {
		close(t.firstEnded)
	}
}

// loopSafely turns a fault of the tracer, which no program may be able to cause, into an error of this trace.
func (tr *tracer) loopSafely() (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the tracer failed: %v\n%s", fault, debug.Stack())
			tr.giveUp()
		}
	}()
	return tr.loop()
}

// giveUp kills everything traced and waits for it.
func (tr *tracer) giveUp() {
	tr.trace.engine.group.kill("the tracer failed")
	for {
		tid, errno := tr.wait(false)
		switch {
		case errno == unix.ECHILD:
			return
		case errno == 0 && unix.WaitStatus(tr.status).Stopped():
			unix.Kill(tid, unix.SIGKILL) // one that the group does not know yet
			resume(unix.PTRACE_CONT, tid, 0)
		}
	}
}

// sumUp notes what holds for the whole trace.
func (tr *tracer) sumUp() {
	t := tr.trace
	t.ending.Reason = t.engine.group.killReason()
	t.ending.Processes = tr.made
	t.ending.Cut, t.ending.Unrecorded = t.journal.cut()
	if tr.numbers <= 0 {
		t.ending.Cut = append(t.ending.Cut, fmt.Sprintf("the open or watched descriptors of later calls, after %d numbers", tr.limits.Numbers))
	}
	if tr.overrun {
		t.ending.Cut = append(t.ending.Cut, fmt.Sprintf("the program was ended when it had more than %d threads", tr.limits.Threads))
	}
}

// event is something that a wait has told of a thread.
type event struct {
	tid    int
	status unix.WaitStatus
	usage  unix.Rusage // of an end
}

func (tr *tracer) lastEvent(tid int) event {
	e := event{tid: tid, status: unix.WaitStatus(tr.status)}
	if !e.status.Stopped() {
		e.usage = tr.usage
	}
	return e
}

// loop serves stops until nothing traced is left.
func (tr *tracer) loop() error {
	var queue []event
	turn := tr.now
	for {
		// A goroutine that the scheduler has not had in its hands for 10 ms is preempted by a signal, its
		// processor is taken away, and from then on the runtime looks at it every 20 µs: a quarter of the
		// time of a busy trace. Who comes first is left alone.
		if tr.now.Sub(turn) > often {
			runtime.Gosched()
			turn = tr.now
		}
		tid, errno := tr.wait(false)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.ECHILD:
			return nil
		default:
			return fmt.Errorf("wait for traced threads: %w", errno)
		}
		queue = append(queue[:0], tr.lastEvent(tid))
		// The kernel looks through the threads in the same order every time: with more than two, take all
		// that wait, or busy ones at the head of its list would starve the others.
		for len(tr.threads) > 2 {
			tid, errno := tr.wait(true)
			if errno != 0 || tid == 0 {
				break
			}
			queue = append(queue, tr.lastEvent(tid))
		}
		tr.now = evidence.Now() // after all of them have stopped
		for i := range queue {
			tr.serve(&queue[i])
		}
	}
}

const often = 4 * time.Millisecond

// serve deals with one event and lets the thread go on.
func (tr *tracer) serve(e *event) {
	if !e.status.Stopped() {
		tr.ended(e)
		return
	}
	th := tr.threads[e.tid]
	if th == nil {
		tr.newcomer(e.tid, e.status)
		return
	}
	if tr.cmd.Pace != nil {
		tr.cmd.Pace()
	}
	th.stops++
	signal := int(e.status.StopSignal())
	switch kind := stopEvent(e.status); {
	case kind == unix.PTRACE_EVENT_SECCOMP:
		tr.enter(th)
	case signal == int(unix.SIGTRAP)|syscallStop:
		tr.leave(th)
	case kind == 0:
		tr.signal(th, signal)
	case kind == eventStop:
		tr.firstScan(th)
		tr.groupStop(th, signal)
	case kind == unix.PTRACE_EVENT_EXEC:
		tr.executed(th)
	case kind == unix.PTRACE_EVENT_EXIT:
		tr.exiting(th)
		tr.carryOn(th, 0)
	case kind == unix.PTRACE_EVENT_FORK, kind == unix.PTRACE_EVENT_VFORK, kind == unix.PTRACE_EVENT_CLONE:
		tr.forked(th, kind)
		tr.carryOn(th, 0)
	default:
		tr.carryOn(th, 0)
	}
}

// carryOn lets a thread go on as it was: up to the return of the call it is in, if it is in one.
func (tr *tracer) carryOn(th *thread, signal int) {
	if th.inside {
		resume(unix.PTRACE_SYSCALL, th.tid, signal)
		return
	}
	resume(unix.PTRACE_CONT, th.tid, signal)
}

// groupStop is a stop by job control, in which the thread stays until SIGCONT, or the end of one, or the
// first stop of a thread.
func (tr *tracer) groupStop(th *thread, signal int) {
	switch unix.Signal(signal) {
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		resume(unix.PTRACE_LISTEN, th.tid, 0)
	default:
		tr.carryOn(th, 0)
	}
}
