package program

import (
	"fmt"
	"syscall"
	"time"

	"tcpwitness/harness/evidence"
)

// finish waits for the last process to end, cleans up, and states the outcome.
func (p *Process) finish() {
	<-p.gone
	p.tied()
	p.helpers.Wait()
	p.stdin.abandon()
	p.stdout.finish()
	p.stderr.finish()
	if err := p.folder.remove(); err != nil {
		// Not the program's fault in the sense of any rule, but to be seen.
		p.reach(err.Error())
	}
	p.outcome = p.settle()
	close(p.done)
	p.changed()
}

// settle puts the outcome together.
func (p *Process) settle() *evidence.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &evidence.Outcome{
		End: p.start.End, PID: p.runner.pid(), Command: p.command,
		Stdin: p.stdin.given(), Started: p.started, ExitCode: -1,
	}
	o.Stdout, o.StdoutCut = p.stdout.snapshot()
	o.Stderr, o.StderrCut = p.stderr.snapshot()
	end := p.firstEnd
	if end == nil {
		end = &ending{at: evidence.Now(), status: syscall.WaitStatus(syscall.SIGKILL)}
	}
	switch {
	case end.startError != "":
		o.StartError = end.startError
	case end.status.Exited():
		o.Ended = end.at
		o.ExitCode = end.status.ExitStatus()
	default:
		o.Ended = end.at
		o.Signal = signalName(end.status.Signal())
		o.CoreDumped = end.status.CoreDump()
		p.limitSignal(end)
	}
	o.CPU = end.cpu
	// It may have ended by itself in the moment in which it was to be ended.
	byHarness := end.status.Signaled() && end.status.Signal() == syscall.SIGKILL
	if p.stopReason != "" && p.stopFirst && byHarness && o.StartError == "" {
		o.Stopped = true
		o.StopReason = p.stopReason
	} else {
		p.blockedIn = ""
	}
	if p.stopReason != "" {
		o.Survivors = p.survivors
	}
	o.Limits = p.reached
	o.InWords = inWords(o, end.during, p.blockedIn, p.deadline())
	return o
}

// limitSignal notes the limits that end a process by a signal of their own.
func (p *Process) limitSignal(end *ending) {
	switch end.status.Signal() {
	case sigXCPU:
		p.reached = append(p.reached, "processor time: "+seconds(p.limits.CPU))
	case sigXFSZ:
		p.reached = append(p.reached, "file size: "+size(p.limits.FileSize))
	case syscall.SIGKILL:
		if p.limits.CPU > 0 && end.cpu >= p.limits.CPU*3/4 { // the two clocks differ
			p.reached = append(p.reached, fmt.Sprintf("processor time: %s, and it ignored SIGXCPU", seconds(p.limits.CPU)))
		}
	}
}

// deadline is the time that the program had, 0 where it had no deadline.
func (p *Process) deadline() time.Duration {
	at, ok := p.life.Deadline()
	if !ok {
		return 0
	}
	return at.Sub(p.started.Go()).Round(100 * time.Millisecond)
}
