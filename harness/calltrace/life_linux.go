//go:build amd64 || arm64

package calltrace

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file follows threads and processes from their beginning to their end.

// adoptFirst takes in the program at its exec stop and lets it run.
func (tr *tracer) adoptFirst(pid int) error {
	tr.first = tr.addProcess(pid)
	th := tr.addThread(pid, tr.first, newFiles())
	now := evidence.Now()
	tr.trace.engine.pid, tr.trace.engine.started = pid, now
	tr.trace.ending.PID, tr.trace.ending.Started = pid, now
	open := tr.proc.list(pid, tr.limits.Descriptors)
	for _, fd := range open {
		tr.identity(th, fd)
	}
	th.last = tr.note(th, &evidence.Call{Op: evidence.OpExec, Name: "execve", FD: -1, Entry: now, Exit: now, After: open})
	resume(unix.PTRACE_CONT, pid, 0)
	return nil
}

func (tr *tracer) addProcess(pid int) *process {
	p := &process{pid: pid}
	tr.processes[pid] = p
	tr.made++
	tr.trace.engine.group.add(pid)
	return p
}

func (tr *tracer) addThread(tid int, p *process, f *files) *thread {
	th := &thread{tid: tid, process: p, files: f}
	p.threads++
	p.threaded = p.threaded || p.threads > 1
	f.threads++
	tr.threads[tid] = th
	if len(tr.threads) > tr.limits.Threads && !tr.overrun {
		tr.overrun = true
		tr.trace.engine.group.kill("too many threads")
	}
	return th
}

// newcomer is the first stop of a thread that nobody has told of yet. It stands until its maker's event
// comes, which it cannot any more where the maker has died.
func (tr *tracer) newcomer(tid int, status unix.WaitStatus) {
	tr.unclaimed[tid] = status
	_, parent := family(tid)
	if p := tr.processes[parent]; p == nil || p.bereft {
		tr.claimOrphans()
	}
}

// forked is the event of a thread that has made another one.
func (tr *tracer) forked(th *thread, kind int) {
	message, err := eventMessage(th.tid)
	if err != nil {
		return // killed; the child will be claimed when this thread's end comes
	}
	child := int(message)
	flags := uint64(0)
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(th.tid, &regs); err == nil {
		var at uint64
		if flags, at = cloneFlags(&regs); at != 0 {
			flags = tr.memory.number(th.tid, at, 8)
		}
	}
	if kind == unix.PTRACE_EVENT_CLONE && flags&unix.CLONE_THREAD == 0 {
		// What clone3 was given may have been overwritten since.
		if group, _ := family(child); group != 0 && group != child {
			flags |= unix.CLONE_THREAD | unix.CLONE_FILES
		}
	}
	name := map[int]string{unix.PTRACE_EVENT_FORK: "fork", unix.PTRACE_EVENT_VFORK: "vfork"}[kind]
	if name == "" {
		name = "clone"
	}
	tr.claim(th, child, flags, name)
}

// claim makes a new thread known and lets it run if it has stopped already.
func (tr *tracer) claim(maker *thread, tid int, flags uint64, name string) {
	if known := tr.threads[tid]; known != nil {
		if known.orphan {
			known.orphan = false
			tr.noteFork(maker, tid, name, false)
		}
		return
	}
	p, f := maker.process, maker.files
	if flags&unix.CLONE_FILES == 0 {
		f = f.copied()
	}
	if flags&unix.CLONE_THREAD == 0 {
		p = tr.addProcess(tid)
		tr.noteFork(maker, tid, name, f == maker.files)
	}
	th := tr.addThread(tid, p, f)
	th.scan = f != maker.files && maker.files.making > 0
	if end, gone := tr.gone[tid]; gone {
		delete(tr.gone, tid)
		tr.ended(&end)
		return
	}
	if status, stopped := tr.unclaimed[tid]; stopped {
		delete(tr.unclaimed, tid)
		tr.firstScan(th)
		tr.groupStop(th, int(status.StopSignal()))
	}
}

func (tr *tracer) noteFork(maker *thread, child int, name string, shares bool) {
	tr.note(maker, &evidence.Call{
		Op: evidence.OpFork, Name: name, FD: -1, Result: child, Child: child, Entry: tr.now, Exit: tr.now, SharesFiles: shares,
	})
}

// firstScan looks at what a new process has open, where its maker's table may have had a descriptor that a
// call in the kernel had made and not yet returned.
func (tr *tracer) firstScan(th *thread) {
	if !th.scan {
		return
	}
	th.scan = false
	open := tr.proc.list(th.tid, maxScan)
	for _, fd := range open {
		tr.identity(th, fd)
	}
}

const maxScan = 1 << 16

// claimOrphans makes known the new threads whose maker may have died before its event was seen: those whose
// parent is no more, or has lost threads by an exec.
func (tr *tracer) claimOrphans() {
	for tid, status := range tr.unclaimed {
		group, parent := family(tid)
		p := tr.processes[parent]
		switch {
		case group == 0: // gone; its end will be told
		case group != tid && tr.processes[group] != nil:
			delete(tr.unclaimed, tid)
			th := tr.addThread(tid, tr.processes[group], tr.anyThread(group).files)
			tr.groupStop(th, int(status.StopSignal()))
		case p == nil:
			delete(tr.unclaimed, tid)
			th := tr.addThread(tid, tr.addProcess(tid), newFiles())
			th.scan, th.orphan = true, true
			tr.firstScan(th)
			tr.groupStop(th, int(status.StopSignal()))
		case p.bereft:
			tr.claim(tr.anyThread(parent), tid, 0, "fork")
		}
	}
}

// anyThread is a thread of a process.
func (tr *tracer) anyThread(pid int) *thread {
	for _, th := range tr.threads {
		if th.process.pid == pid {
			return th
		}
	}
	return &thread{tid: pid, process: tr.processes[pid], files: newFiles()} // all have just ended
}

// executed is the event of an exec: the other threads of the process are gone, and the thread that called
// has the id of the process now.
func (tr *tracer) executed(th *thread) {
	if p := th.process; p.threaded {
		p.bereft = true
		tr.claimOrphans()
	}
	if former, err := eventMessage(th.tid); err == nil && int(former) != th.tid {
		if caller := tr.threads[int(former)]; caller != nil && caller.process == th.process {
			tr.removeThread(th)
			delete(tr.threads, caller.tid)
			caller.tid = th.tid
			tr.threads[th.tid] = caller
			th = caller
		}
	}
	tr.leaveAll(th)
	if th.files.threads > 1 { // exec gives the process a table of its own
		tr.ownTable(th)
	}
	f := th.files
	clear(f.closing)
	clear(f.watched)
	f.making, f.crowded = 0, false
	now := tr.now
	th.last = tr.note(th, &evidence.Call{Op: evidence.OpExec, Name: "execve", FD: -1, Entry: now, Exit: now})
	for _, fd := range f.between(0, ^uint64(0)) {
		if kind, _ := tr.proc.look(th.tid, fd); kind != descriptorNone {
			continue
		}
		id, _ := f.identity(fd)
		f.drop(fd)
		tr.note(th, &evidence.Call{Op: evidence.OpClose, Name: "exec", FD: fd, Socket: id, Entry: now, Exit: now})
	}
	for fd, id := range f.sockets {
		if id == 0 {
			delete(f.sockets, fd)
		}
	}
	tr.carryOn(th, 0)
}

// exiting is the stop of a thread that is about to end, before its descriptors are closed.
func (tr *tracer) exiting(th *thread) {
	if th.exiting {
		return
	}
	p := th.process
	th.exiting = true
	p.ending++
	p.left(th)
	if p.ending == p.threads {
		p.began = tr.now
		if !p.dying {
			p.dying = true
			tr.dying++
		}
	}
}

// left notes what an ending thread was doing last; the first thread of the process counts before others.
func (p *process) left(th *thread) {
	if th.last != nil && (p.last == nil || th.tid == p.pid) {
		p.last = th.last
	}
}

// ended is the end of a thread.
func (tr *tracer) ended(e *event) {
	delete(tr.unclaimed, e.tid)
	th, p := tr.threads[e.tid], tr.processes[e.tid]
	if th == nil && p == nil {
		if len(tr.gone) >= maxGone {
			clear(tr.gone)
		}
		tr.gone[e.tid] = *e
	}
	if th != nil {
		th.process.left(th)
		tr.removeThread(th)
		delete(tr.threads, e.tid)
	}
	if p != nil {
		tr.processEnded(p, e)
	}
	if len(tr.unclaimed) > 0 {
		tr.claimOrphans()
	}
}

const maxGone = 1024 // ends that are kept for an event that may never come

// removeThread takes a thread out of the counts of its process.
func (tr *tracer) removeThread(th *thread) {
	p := th.process
	p.threads--
	th.files.threads--
	if th.exiting {
		p.ending--
	}
	tr.leaveAll(th)
}

// leaveAll forgets the calls that a thread will not return from.
func (tr *tracer) leaveAll(th *thread) {
	if th.inside {
		th.inside = false
		th.call.release()
	}
	for _, p := range th.suspended {
		p.release()
	}
	th.suspended = nil
}

// ownTable gives a thread a descriptor table of its own, a copy of the one it shares with others.
func (tr *tracer) ownTable(th *thread) {
	th.files.threads--
	th.files = th.files.copied()
	th.files.threads = 1
}

// processEnded is the end of a process: its first thread is told to have ended when all others have.
func (tr *tracer) processEnded(p *process, e *event) {
	now := tr.now
	began := p.began
	if began == 0 {
		began = now
	}
	if p.dying {
		tr.dying--
	}
	if p.threads > 0 { // ends that nobody told
		for tid, th := range tr.threads {
			if th.process == p {
				tr.removeThread(th)
				delete(tr.threads, tid)
			}
		}
	}
	delete(tr.processes, p.pid)
	tr.trace.engine.group.remove(p.pid)
	exit := evidence.Call{Op: evidence.OpExit, Name: "exit", FD: -1, Entry: began, Exit: now}
	if e.status.Signaled() {
		exit.Arg, exit.Result = int64(e.status.Signal()), -1
	} else {
		exit.Result = e.status.ExitStatus()
	}
	tr.note(&thread{tid: p.pid, process: p}, &exit)
	if p == tr.first {
		tr.firstEnded(p, e, now)
	}
}

func (tr *tracer) firstEnded(p *process, e *event, now evidence.Time) {
	t := tr.trace
	t.ending.Status = syscall.WaitStatus(e.status)
	t.ending.Ended = now
	t.ending.CPU = time.Duration(e.usage.Utime.Nano() + e.usage.Stime.Nano())
	t.ending.Survivors = len(tr.processes)
	last := p.last
	if e.status.Signaled() && int(e.status.Signal()) == p.struckBy {
		last = p.struckIn
	}
	t.ending.Last = t.journal.copyOf(last)
	tr.sumUp()
	t.first = t.ending
	close(t.firstEnded)
}
