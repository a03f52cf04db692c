//go:build amd64 || arm64

package calltrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A call that a signal interrupts returns with one of these to the kernel's signal code, which makes it
// again or turns the result into EINTR, depending on the handler (include/linux/errno.h). The program never
// sees them.
const (
	restartSys     = 512 // ERESTARTSYS
	restartNoIntr  = 513 // ERESTARTNOINTR
	restartNoHand  = 514 // ERESTARTNOHAND
	restartBlock   = 516 // ERESTART_RESTARTBLOCK
	maxSuspended   = 16
	handlerStack   = 16 << 20            // a handler's calls have their stack pointers within so many bytes
	trapHandler    = int32(unix.SIGTRAP) // si_code of the stop at the beginning of a handler
	trapStep       = 2                   // TRAP_TRACE: one instruction was done
	trapStepBranch = 3                   // TRAP_BRANCH
)

func isRestart(result int64) bool {
	switch -result {
	case restartSys, restartNoIntr, restartNoHand, restartBlock:
		return true
	}
	return false
}

// signal is the stop of a thread that is about to get a signal.
func (tr *tracer) signal(th *thread, signal int) {
	if signal == int(unix.SIGTRAP) && th.stepping && tr.isOwnTrap(th) {
		th.stepping = false
		tr.atHandler(th)
		tr.carryOn(th, 0)
		return
	}
	th.process.struckBy, th.process.struckIn = signal, th.last
	if len(th.suspended) == 0 || th.inside {
		tr.carryOn(th, signal)
		return
	}
	// Will the interrupted call be made again? The signal frame tells, if there is a handler: a single step
	// stops at its first instruction.
	th.stepping = true
	resume(unix.PTRACE_SINGLESTEP, th.tid, signal)
}

// isOwnTrap says whether a SIGTRAP is the end of a single step and not the program's.
func (tr *tracer) isOwnTrap(th *thread) bool {
	var info unix.Siginfo
	if ptrace(unix.PTRACE_GETSIGINFO, th.tid, 0, uintptr(unsafe.Pointer(&info))) != nil {
		return false
	}
	return info.Code == trapHandler || info.Code == trapStep || info.Code == trapStepBranch
}

// atHandler decides what becomes of the call that was interrupted last, at the first instruction of a
// signal handler.
func (tr *tracer) atHandler(th *thread) {
	if len(th.suspended) == 0 {
		return
	}
	top := th.suspended[len(th.suspended)-1]
	if top.restarts {
		return
	}
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(th.tid, &regs) != nil {
		return
	}
	frame := make([]byte, frameSize)
	n := tr.memory.read(th.tid, stackPointer(&regs), frame)
	if frameRestarts(frame[:n]) {
		top.restarts, top.handler = true, stackPointer(&regs)
		return
	}
	th.suspended = th.suspended[:len(th.suspended)-1]
	tr.interrupted(top)
}

// suspend keeps a call that may be made again.
func (tr *tracer) suspend(th *thread) {
	p := th.call
	p.returned = tr.now
	th.suspended = append(th.suspended, &p)
	if len(th.suspended) > maxSuspended {
		tr.interrupted(th.suspended[0])
		th.suspended = append(th.suspended[:0], th.suspended[1:]...)
	}
}

// resumed finds the call that a thread makes again, if what it enters is one, and puts it in its place.
// Calls that it can no longer come back to have failed with EINTR.
func (tr *tracer) resumed(th *thread) bool {
	info := &tr.info
	for len(th.suspended) > 0 {
		top := th.suspended[len(th.suspended)-1]
		same := info.ip == top.ip && info.sp == top.sp
		again := info.nr == top.nr && info.args == top.args || info.nr == unix.SYS_RESTART_SYSCALL
		switch {
		case same && again:
			th.suspended = th.suspended[:len(th.suspended)-1]
			th.call = *top
			th.call.restarts, th.call.handler = false, 0
			return true
		case top.restarts && info.sp <= top.handler && info.sp+handlerStack > top.handler:
			return false // a call of the handler
		}
		th.suspended = th.suspended[:len(th.suspended)-1]
		tr.interrupted(top)
	}
	return false
}

// interrupted completes a call that the signal ended.
func (tr *tracer) interrupted(p *pending) {
	p.release()
	if p.place != nil {
		tr.trace.journal.leave(p.place, p.returned, -1, "EINTR", nil)
	}
}
