package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tcpwitness/harness/evidence"
)

// ErrEnded is what an Await yields when the program has ended and what was awaited can no longer come.
var ErrEnded = errors.New("the program has ended")

// ErrNotTraced is what AwaitCalls yields for a program whose calls are not recorded.
var ErrNotTraced = errors.New("the program is not traced")

// Process is one run of a program, with all the processes it makes.
type Process struct {
	start   Start
	limits  Limits
	command []string
	folder  *folder
	stdin   *feeder
	stdout  *stream
	stderr  *stream
	runner  runner
	life    context.Context
	// whyNotTraced is set by the start where tracing was asked for and is not possible, and at the end where the
	// record has no room for all calls.
	whyNotTraced string
	tied         func() bool // unties the process from its context

	helpers sync.WaitGroup // goroutines that end when the processes are gone

	ready chan struct{} // closed when runner stands
	first chan struct{} // closed when the first process has ended
	gone  chan struct{} // closed when every process has ended
	done  chan struct{} // closed when the outcome stands

	mu         sync.Mutex
	news       chan struct{} // closed and replaced whenever there is something new to see
	started    evidence.Time
	firstEnd   *ending
	stopReason string // why the harness ended it
	stopFirst  bool   // the first process was still there then
	blockedIn  string
	survivors  int
	reached    []string // the limits that were reached
	outcome    *evidence.Outcome
}

// ending is how the first process ended.
type ending struct {
	at         evidence.Time
	status     syscall.WaitStatus
	startError string
	cpu        time.Duration
	// during is the call in which it was when it ended, nil where that is not known.
	during *evidence.Call
}

// runner is the way in which a program's processes are kept.
type runner interface {
	// pid of the first process as the harness sees it.
	pid() int
	// kill ends every process of the program; the runner then says that they are gone.
	kill()
	// others counts the processes beside the first one that are there now.
	others() int
	// blockedIn names the call in which the first process sleeps, "" where it does not or it cannot be known.
	blockedIn() string
	// calls are the recorded calls, and await waits for a condition on them.
	calls() []evidence.Call
	await(ctx context.Context, cond func([]evidence.Call) bool) error
}

// Start starts the program. It is ended when ctx ends, at the latest. An error is a failure of the harness;
// a program that cannot be started yields a Process that has ended, and its Outcome says why. Whoever
// starts a program has to call Wait or Stop.
func (p Program) Start(ctx context.Context, s Start) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	if path, err := filepath.Abs(p.Path); err == nil {
		p.Path = path // it starts in another folder
	}
	folder, err := newFolder()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	var pipes [3][2]*os.File // reading end, writing end
	for i := range pipes {
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			for _, pipe := range pipes[:i] {
				pipe[0].Close()
				pipe[1].Close()
			}
			return nil, errors.Join(fmt.Errorf("start %s: make a pipe: %w", p.Path, err), folder.remove())
		}
	}
	limits := s.Limits.withDefaults()
	proc := &Process{
		start: s, limits: limits, command: p.Command(s.IP, s.Port), folder: folder, life: ctx,
		ready: make(chan struct{}), first: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}),
	}
	proc.stdin = newFeeder(pipes[0][1])
	proc.stdout = proc.newStream(pipes[1][0])
	proc.stderr = proc.newStream(pipes[2][0])
	l := launch{
		path: p.Path, argv: proc.command, dir: folder.work, folder: folder, limits: limits, start: s,
		env:   environment(os.Getenv, folder.work, p.Env, s.Env),
		files: [3]*os.File{pipes[0][0], pipes[1][1], pipes[2][1]},
	}
	proc.started = evidence.Now()
	proc.runner, err = l.run(ctx, proc)
	close(proc.ready)
	for _, f := range l.files {
		f.Close()
	}
	if err != nil {
		proc.stdin.abandon()
		proc.stdout.finish()
		proc.stderr.finish()
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.Path, err), folder.remove())
	}
	proc.tied = context.AfterFunc(ctx, func() { proc.stop(reasonOf(ctx)) })
	if limits.Folder >= 0 {
		proc.helpers.Go(func() {
			folder.watch(limits.Folder, proc.gone, func() { proc.stop(ReasonFolder) })
		})
	}
	go proc.finish()
	return proc, nil
}

// newStream collects from a pipe on behalf of the process.
func (p *Process) newStream(file *os.File) *stream {
	s := &stream{file: file, kept: p.limits.Kept, limit: p.limits.Output, changed: p.changed, done: make(chan struct{})}
	s.over = func() {
		p.reach("output: more than " + size(p.limits.Output) + " printed")
		p.stop(ReasonOutput)
	}
	go s.run()
	return s
}

// PID is the number of the first process as the harness sees it, 0 where it did not start.
func (p *Process) PID() int { return p.runner.pid() }

// Command is the command line.
func (p *Process) Command() []string { return p.command }

// Folder is the working folder of the program. It is gone when the process is done.
func (p *Process) Folder() string { return p.folder.work }

// Feed writes to the program's standard input, in order, without waiting for the program to read.
func (p *Process) Feed(data []byte) { p.stdin.feed(data) }

// CloseStdin ends the program's standard input behind what has been fed.
func (p *Process) CloseStdin() { p.stdin.close() }

// Stdout is what has been kept of the standard output up to now. It must not be changed.
func (p *Process) Stdout() []byte {
	data, _ := p.stdout.snapshot()
	return data
}

// Stderr is what has been kept of the standard error output up to now. It must not be changed.
func (p *Process) Stderr() []byte {
	data, _ := p.stderr.snapshot()
	return data
}

// Traced says whether the calls of the program are recorded, all of them, and if not, why not, as a clause that
// can follow "because". That there were too many is known when the process is done.
func (p *Process) Traced() (traced bool, why string) {
	if !p.start.Trace {
		return false, "it was not asked for"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whyNotTraced == "", p.whyNotTraced
}

// Look shows every call recorded up to now without copying them; see calltrace.Trace.Look. It shows none where
// the program is not traced.
func (p *Process) Look(see func(*evidence.Call)) {
	if l, ok := p.runner.(interface{ look(func(*evidence.Call)) }); ok {
		l.look(see)
	}
}

// Calls are the calls recorded up to now, in the order in which they were entered; nil where the program is
// not traced.
func (p *Process) Calls() []evidence.Call { return p.runner.calls() }

// Exited is closed when the first process has ended. Others can still be there.
func (p *Process) Exited() <-chan struct{} { return p.first }

// Done is closed when no process is left and the outcome stands.
func (p *Process) Done() <-chan struct{} { return p.done }

// AwaitOutput waits until a condition on what has been kept of the output holds. It yields ErrEnded when
// every process has ended without it, and the context's error when that ends first.
func (p *Process) AwaitOutput(ctx context.Context, cond func(stdout, stderr []byte) bool) error {
	for {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		// Looked at before the output, so that nothing can come after the last look.
		ended := closed(p.done)
		if cond(p.Stdout(), p.Stderr()) {
			return nil
		}
		if ended {
			return fmt.Errorf("await output of %s: %w", p.command[0], ErrEnded)
		}
		select {
		case <-news:
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("await output of %s: %w", p.command[0], ctx.Err())
		}
	}
}

// AwaitCalls waits until a condition on the recorded calls holds, with the same errors as AwaitOutput.
func (p *Process) AwaitCalls(ctx context.Context, cond func([]evidence.Call) bool) error {
	if err := p.runner.await(ctx, cond); err != nil {
		return fmt.Errorf("await calls of %s: %w", p.command[0], err)
	}
	return nil
}

// AwaitExit waits until the first process has ended.
func (p *Process) AwaitExit(ctx context.Context) error {
	select {
	case <-p.first:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await the end of %s: %w", p.command[0], ctx.Err())
	}
}

// Wait waits until every process of the program has ended, and ends them when ctx or the context of the
// start ends before.
func (p *Process) Wait(ctx context.Context) *evidence.Outcome {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.mu.Lock()
		p.life = ctx // the deadline that counted
		p.mu.Unlock()
		p.stop(reasonOf(ctx))
		<-p.done
	}
	return p.outcome
}

// Stop ends every process of the program that is still there, and yields what became of it. A program that
// had ended before is not said to have been stopped.
func (p *Process) Stop(reason string) *evidence.Outcome {
	p.stop(reason)
	<-p.done
	return p.outcome
}

// stop begins the end. Only the first call does anything.
func (p *Process) stop(reason string) {
	<-p.ready // output can reach its limit while the start is still being completed
	if closed(p.gone) || p.runner == nil {
		return
	}
	if p.overfull() {
		reason = ReasonFolder
	}
	if !p.mark(reason) {
		return
	}
	if reason == ReasonFolder {
		p.reach("working folder: more than " + size(p.limits.Folder))
	}
	// Looked at while it is still there.
	others, blockedIn := 0, ""
	if p.stopFirst {
		blockedIn = p.runner.blockedIn()
	} else {
		others = p.runner.others()
	}
	p.mu.Lock()
	p.survivors, p.blockedIn = others, blockedIn
	p.mu.Unlock()
	p.runner.kill()
}

// overfull says whether the working folder holds more than it may. The folder is watched, but looked at now and
// then only: what is said of the program must not depend on when that was.
func (p *Process) overfull() bool { return p.limits.Folder >= 0 && p.folder.exceeds(p.limits.Folder) }

// EndIfOverfull begins to end a program whose working folder holds more than it may, and says whether it does.
func (p *Process) EndIfOverfull() bool {
	if closed(p.gone) || !p.overfull() {
		return false
	}
	p.stop(ReasonFolder)
	return true
}

// mark notes that the harness is about to end the program, and whether it is the first to say so.
func (p *Process) mark(reason string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopReason != "" {
		return false
	}
	p.stopReason = reason
	p.stopFirst = p.firstEnd == nil
	return true
}

// firstEnded is called by the runner, once, when the first process has ended or could not be started.
func (p *Process) firstEnded(e ending) {
	p.mu.Lock()
	p.firstEnd = &e
	p.mu.Unlock()
	close(p.first)
	p.changed()
}

// refine is called by the runner when more is known of the end of the first process.
func (p *Process) refine(e ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.firstEnd = &e
}

// stoppedBefore is called by the runner when it has ended the program of its own accord, before anybody else
// did, and says whether the first process was there until then.
func (p *Process) stoppedBefore(reason string, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopReason, p.stopFirst = reason, first
	p.survivors, p.blockedIn = 0, ""
}

// cut is called by the runner, before the tree has ended, when calls were left out of the record.
func (p *Process) cut(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whyNotTraced = why
}

// treeEnded is called by the runner, once, when no process is left.
func (p *Process) treeEnded() { close(p.gone) }

// reach notes that a limit was reached.
func (p *Process) reach(limit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached = append(p.reached, limit)
}

// changed tells those who wait that there is something new to see.
func (p *Process) changed() {
	p.mu.Lock()
	close(p.news)
	p.news = make(chan struct{})
	p.mu.Unlock()
}

// closed says whether a channel is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
