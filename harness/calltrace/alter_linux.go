//go:build amd64 || arm64

package calltrace

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file cuts sends short where it is asked to.

// alter asks whether a send is to be cut, and cuts it.
func (tr *tracer) alter(th *thread, p *pending, c *evidence.Call, data []byte) {
	c.Data = data
	n := tr.cmd.Alter(c, func() evidence.Address { return tr.destination(c) })
	c.Data = nil
	if n <= 0 || n >= c.Length {
		return
	}
	p.cut = n
	if tr.cutCall(th, p) {
		c.Altered = fmt.Sprintf("length cut from %d to %d", c.Length, n)
	} else {
		p.cut = 0
	}
}

// destination is where a send goes by its own address or by the last connect on its socket.
func (tr *tracer) destination(c *evidence.Call) evidence.Address {
	to := c.Address
	if to.IsZero() {
		tr.trace.journal.look(func(earlier *evidence.Call) {
			if earlier.Socket == c.Socket && earlier.Connects() {
				to = earlier.Address
			}
		})
	}
	return to
}

// lengthArgument is the argument with the length of a call, -1 where it stands in memory.
func lengthArgument(f form) int {
	switch f {
	case formSendto, formWrite:
		return 2
	case formSendfile:
		return 3
	}
	return -1
}

func (tr *tracer) cutCall(th *thread, p *pending) bool {
	switch p.kind.form {
	case formSendto, formWrite, formSendfile:
		return setArgument(th.tid, lengthArgument(p.kind.form), uint64(p.cut)) == nil
	case formWritev:
		return tr.cutVectors(th, p, p.args[1], p.args[2])
	case formSendmsg:
		m, ok := tr.readMessage(th, p.args[1])
		return ok && tr.cutVectors(th, p, m.iov, m.iovLen)
	}
	return false
}

// cutVectors shortens the vectors in the program's memory for the time of the call.
func (tr *tracer) cutVectors(th *thread, p *pending, addr, count uint64) bool {
	whole := make([]byte, min(count, maxIovecs)*iovecSize)
	if tr.memory.read(th.tid, addr, whole) < len(whole) {
		return false
	}
	cut := append([]byte(nil), whole...)
	left := uint64(p.cut)
	for i := 0; i+iovecSize <= len(cut); i += iovecSize {
		length := min(binary.LittleEndian.Uint64(cut[i+8:]), left)
		binary.LittleEndian.PutUint64(cut[i+8:], length)
		left -= length
	}
	if !tr.memory.write(th.tid, addr, cut) {
		return false
	}
	p.borrowed, p.borrowedAt = whole, addr
	return true
}

// giveBack undoes a cut when the call has returned.
func (tr *tracer) giveBack(th *thread, p *pending) {
	if p.cut == 0 {
		return
	}
	if p.borrowed != nil {
		tr.memory.write(th.tid, p.borrowedAt, p.borrowed)
		p.borrowed = nil
	} else if i := lengthArgument(p.kind.form); i >= 0 {
		restoreArgument(th.tid, i, p.args[i])
	}
}

// again lets a thread go on with a call that is made again after a signal.
func (tr *tracer) again(th *thread) {
	if th.call.cut != 0 {
		tr.cutCall(th, &th.call)
	}
	th.inside = true
	resume(unix.PTRACE_SYSCALL, th.tid, 0)
}
