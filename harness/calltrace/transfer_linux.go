//go:build amd64 || arm64

package calltrace

import (
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file reads the calls that send and receive.

// beginTransfer begins one. Calls on files that are no sockets are none of ours, unless only sockets have
// the call.
func (tr *tracer) beginTransfer(th *thread, p *pending, c *evidence.Call) bool {
	switch p.kind.form {
	case formSplice:
		if !tr.beginSplice(th, p, c) {
			return false
		}
	case formRead, formWrite, formReadv, formWritev, formSendfile:
		id, yes := tr.bears(th, c.FD)
		if !yes {
			return false
		}
		c.Socket = id
	default:
		c.Socket = tr.identity(th, c.FD)
	}
	p.id = c.Socket
	var data []byte
	switch p.kind.form {
	case formSendto:
		c.Length, c.Flags = clampLength(p.args[2]), p.int(3)
		data = tr.readData(th, p.args[1], c.Length)
		if p.args[4] != 0 {
			c.Address = tr.readAddress(th, p.args[4], p.int(5))
		}
	case formRecvfrom:
		c.Length, c.Flags = clampLength(p.args[2]), p.int(3)
		if p.args[4] != 0 && p.args[5] != 0 {
			p.room = uint32(tr.memory.number(th.tid, p.args[5], 4))
		}
	case formWrite:
		c.Length = clampLength(p.args[2])
		data = tr.readData(th, p.args[1], c.Length)
	case formRead:
		c.Length = clampLength(p.args[2])
	case formReadv, formWritev:
		tr.readVectors(th, p.args[1], p.args[2])
		c.Length = totalLength(tr.vector)
		if p.nr == unix.SYS_PREADV2 || p.nr == unix.SYS_PWRITEV2 {
			c.Flags = p.int(5)
		}
		if p.kind.form == formWritev {
			data = tr.gather(th, tr.limits.Data)
		}
	case formSendmsg, formRecvmsg:
		data = tr.beginMessage(th, p, c)
	case formSendmmsg, formRecvmmsg:
		data = tr.beginMessages(th, p, c)
	case formSendfile:
		c.Length = clampLength(p.args[3])
		data = tr.fileData(th, p.int(1), p.args[2], c.Length)
	}
	if tr.cmd.Alter != nil && p.id != 0 && c.Op == evidence.OpSend {
		tr.alter(th, p, c, data)
	}
	return tr.open(th, p, c, data)
}

// readData reads what a call is to send, or has received, as far as it is kept.
func (tr *tracer) readData(th *thread, addr uint64, length int) []byte {
	b := tr.buffer[:min(length, tr.limits.Data)]
	return b[:tr.memory.read(th.tid, addr, b)]
}

func (tr *tracer) readAddress(th *thread, addr uint64, length int) evidence.Address {
	var b [maxSockaddr]byte
	scratch := tr.scratch(len(b))
	n := tr.memory.read(th.tid, addr, scratch[:max(0, min(length, maxSockaddr))])
	copy(b[:], scratch[:n])
	return decodeAddress(b[:n], length)
}

// scratch is room at the end of the buffer, where no data of a call is.
func (tr *tracer) scratch(n int) []byte { return tr.buffer[len(tr.buffer)-n:] }

// readVectors reads an array of struct iovec.
func (tr *tracer) readVectors(th *thread, addr, count uint64) {
	b := tr.buffer[:min(count, maxIovecs)*iovecSize]
	tr.vector = decodeIovecs(b[:tr.memory.read(th.tid, addr, b)], tr.vector)
}

// gather reads the first bytes of what the vectors point to.
func (tr *tracer) gather(th *thread, most int) []byte {
	return tr.buffer[:tr.gatherAt(th, 0, most)]
}

// gatherAt reads into the buffer from an offset and yields the offset behind what was read.
func (tr *tracer) gatherAt(th *thread, at, most int) int {
	end := at + max(0, min(most, tr.limits.Data-at))
	for _, v := range tr.vector {
		want := int(min(v.length, uint64(end-at)))
		if want == 0 {
			continue
		}
		n := tr.memory.read(th.tid, v.base, tr.buffer[at:at+want])
		at += n
		if n < want {
			break
		}
	}
	return at
}

func (tr *tracer) readMessage(th *thread, addr uint64) (message, bool) {
	b := tr.scratch(msghdrSize)
	n := tr.memory.read(th.tid, addr, b)
	return decodeMessage(b[:n])
}

func (tr *tracer) beginMessage(th *thread, p *pending, c *evidence.Call) []byte {
	c.Flags = p.int(2)
	m, ok := tr.readMessage(th, p.args[1])
	if !ok {
		return nil
	}
	tr.readVectors(th, m.iov, m.iovLen)
	c.Length = totalLength(tr.vector)
	if p.kind.form == formRecvmsg {
		p.room = m.nameLen
		return nil
	}
	if m.name != 0 && m.nameLen != 0 {
		c.Address = tr.readAddress(th, m.name, int(int32(m.nameLen)))
	}
	return tr.gather(th, tr.limits.Data)
}

const maxMessages = 64 // of sendmmsg and recvmmsg that are read

func (tr *tracer) beginMessages(th *thread, p *pending, c *evidence.Call) []byte {
	c.Flags = p.int(3)
	at := 0
	for i := range min(p.args[2], maxMessages) {
		m, ok := tr.readMessage(th, p.args[1]+i*mmsghdrSize)
		if !ok {
			break
		}
		tr.readVectorsAside(th, m)
		length := totalLength(tr.vector)
		c.Length = saturate(c.Length, uint64(length))
		if p.kind.form == formSendmmsg {
			at = tr.gatherAt(th, at, length)
		}
		if i == 0 && p.kind.form == formSendmmsg && m.name != 0 && m.nameLen != 0 {
			c.Address = tr.readAddress(th, m.name, int(int32(m.nameLen)))
		}
	}
	return tr.buffer[:at]
}

// readVectorsAside reads vectors without touching the data at the beginning of the buffer.
func (tr *tracer) readVectorsAside(th *thread, m message) {
	b := tr.scratch(maxIovecs*iovecSize + msghdrSize)[:min(m.iovLen, maxIovecs)*iovecSize]
	tr.vector = decodeIovecs(b[:tr.memory.read(th.tid, m.iov, b)], tr.vector)
}

// leaveTransfer completes one that has returned.
func (tr *tracer) leaveTransfer(th *thread, p *pending, at evidence.Time, result int64) {
	if p.place == nil {
		return
	}
	if p.kind.op == evidence.OpSend || p.kind.form == formSplice || result <= 0 {
		tr.leaveSent(th, p, at, result)
		if p.kind.form == formRecvmsg && result == 0 {
			tr.receivedDescriptors(th, p, at)
		}
		return
	}
	n := clampLength(uint64(result))
	var data []byte
	var from evidence.Address
	switch p.kind.form {
	case formRead:
		data = tr.readData(th, p.args[1], n)
	case formRecvfrom:
		data = tr.readData(th, p.args[1], min(n, clampLength(p.args[2])))
	case formReadv:
		tr.readVectors(th, p.args[1], p.args[2])
		data = tr.gather(th, n)
	case formRecvmsg:
		if m, ok := tr.readMessage(th, p.args[1]); ok {
			tr.readVectors(th, m.iov, m.iovLen)
			data = tr.gather(th, n)
		}
	case formRecvmmsg:
		data, n = tr.receivedMessages(th, p, n)
	}
	switch {
	case p.kind.form == formRecvfrom && p.room > 0:
		from = tr.filledIn(th, p.args[4], p.args[5], p.room)
	case p.kind.form == formRecvmsg && p.room > 0:
		if m, ok := tr.readMessage(th, p.args[1]); ok && m.name != 0 {
			from = tr.readAddress(th, m.name, int(min(m.nameLen, p.room)))
		}
	}
	if from.IsZero() {
		tr.trace.journal.leave(p.place, at, n, "", data)
	} else {
		tr.trace.journal.leaveWith(p.place, at, n, "", data, func(c *evidence.Call) { c.Address = from })
	}
	if p.kind.form == formRecvmsg {
		tr.receivedDescriptors(th, p, at)
	}
}

// leaveSent completes a call whose data was read at its entry, or that has none.
func (tr *tracer) leaveSent(th *thread, p *pending, at evidence.Time, result int64) {
	n, errno := int(result), ""
	if result < 0 {
		n, errno = -1, errnoName(result)
	}
	if p.kind.form == formSendmmsg && n > 0 {
		n = tr.sentBytes(th, p, n)
	}
	if n < 0 || n >= len(p.place.Data) { // only this thread writes to it
		tr.trace.journal.leave(p.place, at, n, errno, nil)
		return
	}
	tr.trace.journal.leaveWith(p.place, at, n, errno, nil, func(c *evidence.Call) { c.Data = c.Data[:n] })
}

// sentBytes adds up what the first messages of a sendmmsg have sent.
func (tr *tracer) sentBytes(th *thread, p *pending, messages int) int {
	total := 0
	for i := range uint64(min(messages, maxIovecs)) {
		total += int(tr.memory.number(th.tid, p.args[1]+i*mmsghdrSize+msghdrSize, 4))
	}
	return total
}

func (tr *tracer) receivedMessages(th *thread, p *pending, messages int) (data []byte, total int) {
	at := 0
	for i := range uint64(min(messages, maxIovecs)) {
		addr := p.args[1] + i*mmsghdrSize
		n := int(tr.memory.number(th.tid, addr+msghdrSize, 4))
		total += n
		if m, ok := tr.readMessage(th, addr); ok && i < maxMessages {
			tr.readVectorsAside(th, m)
			at = tr.gatherAt(th, at, n)
		}
	}
	return tr.buffer[:at], total
}

// filledIn reads an address that the kernel has filled in, and its length.
func (tr *tracer) filledIn(th *thread, addr, lengthAt uint64, room uint32) evidence.Address {
	length := uint32(tr.memory.number(th.tid, lengthAt, 4))
	if length == 0 {
		return evidence.Address{}
	}
	return tr.readAddress(th, addr, int(min(length, room, maxSockaddr)))
}

// receivedDescriptors looks for sockets that came with a message over a Unix socket.
func (tr *tracer) receivedDescriptors(th *thread, p *pending, at evidence.Time) {
	m, ok := tr.readMessage(th, p.args[1])
	if !ok || m.control == 0 || m.controlLen == 0 {
		return
	}
	b := tr.buffer[:min(m.controlLen, 4096)]
	if !hasRights(b[:tr.memory.read(th.tid, m.control, b)]) {
		return
	}
	for _, fd := range tr.proc.list(th.tid, maxScan) {
		if _, known := th.files.identity(fd); known {
			continue
		}
		if id := tr.identity(th, fd); id != 0 {
			made := fd
			tr.note(th, &evidence.Call{
				Op: evidence.OpDup, Name: p.kind.name, FD: p.int(0), Result: fd, NewFD: &made, NewSocket: id, Entry: p.entry, Exit: at,
			})
		}
	}
}
