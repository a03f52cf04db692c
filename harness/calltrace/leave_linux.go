//go:build amd64 || arm64

package calltrace

import (
	"strconv"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// leave serves the stop of a thread whose call has returned.
func (tr *tracer) leave(th *thread) {
	if !th.inside {
		tr.carryOn(th, 0)
		return
	}
	info := &tr.info
	if !info.read(th.tid) || info.op != infoExit {
		tr.carryOn(th, 0) // killed meanwhile
		return
	}
	at := tr.now
	p := &th.call
	th.inside = false
	tr.giveBack(th, p)
	if result := info.result(); isRestart(result) {
		tr.suspend(th)
	} else {
		tr.finish(th, p, at, result)
		tr.countVain(th, p.kind.op, result)
		p.release()
	}
	resume(unix.PTRACE_CONT, th.tid, 0)
}

func (tr *tracer) finish(th *thread, p *pending, at evidence.Time, result int64) {
	switch p.kind.form {
	case formSendto, formRecvfrom, formSendmsg, formRecvmsg, formSendmmsg, formRecvmmsg,
		formRead, formWrite, formReadv, formWritev, formSendfile, formSplice:
		tr.leaveTransfer(th, p, at, result)
	case formSocket, formAccept:
		tr.leaveMaking(th, p, at, result)
	case formSocketpair:
		tr.leavePair(th, p, at, result)
	case formConnect:
		if p.before == nil {
			tr.complete(p, at, result, nil)
			return
		}
		before, after := tr.around(th, p)
		tr.complete(p, at, result, func(c *evidence.Call) { c.Before, c.After = before, after })
	case formName:
		var name evidence.Address
		if result == 0 && p.room > 0 {
			name = tr.filledIn(th, p.args[1], p.args[2], p.room)
		}
		tr.complete(p, at, result, func(c *evidence.Call) { c.Address = name })
	case formGetOption:
		value := tr.readOption(th, p, result)
		tr.complete(p, at, result, func(c *evidence.Call) { c.Value = value })
	case formClose, formCloseRange, formDup, formFcntl, formIoctl, formUnshare, formGetFD:
		tr.leaveDescriptor(th, p, at, result)
	default:
		tr.complete(p, at, result, nil)
	}
}

// complete notes the result of a call, and what else it has yielded (change, nil for nothing).
func (tr *tracer) complete(p *pending, at evidence.Time, result int64, change func(*evidence.Call)) {
	if p.place == nil {
		return
	}
	if result < 0 {
		tr.trace.journal.leaveWith(p.place, at, -1, errnoName(result), nil, change)
		return
	}
	tr.trace.journal.leaveWith(p.place, at, int(result), "", nil, change)
}

// errnoName is C's name of an error that a call returned as -errno.
func errnoName(result int64) string {
	if name := unix.ErrnoName(unix.Errno(-result)); name != "" {
		return name
	}
	return "errno " + strconv.FormatInt(-result, 10)
}

// leaveMaking completes a socket or accept.
func (tr *tracer) leaveMaking(th *thread, p *pending, at evidence.Time, result int64) {
	made := int(result)
	var id uint64
	var peer evidence.Address
	if result >= 0 {
		id = tr.madeSocket(th, made)
		if p.room > 0 {
			peer = tr.filledIn(th, p.args[1], p.args[2], p.room)
		}
	}
	before, after := tr.around(th, p, made)
	tr.complete(p, at, result, func(c *evidence.Call) {
		if result >= 0 {
			c.NewFD, c.NewSocket, c.Address = &made, id, peer
		}
		c.Before, c.After = before, after
	})
}

// around lists what was open before and is open after a call that made some descriptors; nil where one of
// them was not noted.
func (tr *tracer) around(th *thread, p *pending, made ...int) (before, after []int) {
	if p.before == nil {
		return nil, nil
	}
	now := tr.listOpen(th)
	before, after = th.files.around(p, now, made, func(fd int) bool { return tr.identity(th, fd) != 0 })
	if after = tr.afford(after); after == nil {
		return nil, nil
	}
	return before, after
}

// leavePair completes a socketpair: two calls, one for each descriptor.
func (tr *tracer) leavePair(th *thread, p *pending, at evidence.Time, result int64) {
	if result != 0 {
		tr.complete(p, at, result, nil)
		return
	}
	b := tr.memory.number(th.tid, p.args[3], 8)
	first, second := int(int32(b)), int(int32(b>>32))
	firstID, secondID := tr.madeSocket(th, first), tr.madeSocket(th, second)
	before, after := tr.around(th, p, first, second)
	tr.complete(p, at, result, func(c *evidence.Call) {
		c.NewFD, c.NewSocket, c.Before, c.After = &first, firstID, before, after
	})
	if p.place != nil {
		other := *tr.trace.journal.copyOf(p.place)
		other.NewFD, other.NewSocket = &second, secondID
		tr.note(th, &other)
	}
}

func (tr *tracer) readOption(th *thread, p *pending, result int64) []byte {
	if result != 0 || p.args[4] == 0 {
		return nil
	}
	length := int32(tr.memory.number(th.tid, p.args[4], 4))
	b := tr.buffer[:max(0, min(length, maxOption))]
	return append([]byte(nil), b[:tr.memory.read(th.tid, p.args[3], b)]...)
}
