//go:build amd64 || arm64

package calltrace

import (
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file reads the calls that make, copy and close descriptors.

func (tr *tracer) beginDescriptor(th *thread, p *pending, c *evidence.Call) bool {
	switch p.kind.form {
	case formClose:
		return tr.beginClose(th, p, c)
	case formDup:
		return tr.beginDup(th, p, c)
	case formFcntl, formIoctl:
		return tr.beginControl(th, p, c)
	case formCloseRange:
		return p.args[2]&unix.CLOSE_RANGE_UNSHARE != 0 || len(th.files.between(rangeOf(p))) > 0 || tr.forgetRange(th, p)
	case formGetFD:
		p.making = true
		p.files.making++
	}
	return true // what they have done is seen when they return
}

// beginClose begins the close of a socket. That of another file is noted at once.
func (tr *tracer) beginClose(th *thread, p *pending, c *evidence.Call) bool {
	id, yes := tr.bears(th, c.FD)
	if !yes {
		th.files.drop(c.FD)
		return false
	}
	c.Socket, p.id, p.fd = id, id, c.FD
	th.files.beginClose(c.FD)
	tr.open(th, p, c, nil)
	return true
}

// beginDup begins a dup, dup2 or dup3 that copies a socket or replaces one.
func (tr *tracer) beginDup(th *thread, p *pending, c *evidence.Call) bool {
	p.id = tr.identity(th, c.FD)
	c.Socket = p.id
	if p.kind.name == "dup" {
		if p.id == 0 {
			return false
		}
		return tr.beginCopy(th, p, c)
	}
	onto := p.int(1)
	c.Arg = int64(onto)
	if p.kind.name == "dup3" {
		c.Flags = p.int(2)
	}
	if onto == c.FD {
		return p.id != 0 && tr.open(th, p, c, nil)
	}
	replaced := tr.identity(th, onto)
	if p.id == 0 && replaced == 0 {
		th.files.drop(onto)
		return false
	}
	if p.id != 0 {
		return tr.beginCopy(th, p, c)
	}
	return true
}

// beginCopy begins a call that copies a descriptor.
func (tr *tracer) beginCopy(th *thread, p *pending, c *evidence.Call) bool {
	p.making = true
	p.files.making++
	tr.open(th, p, c, nil)
	return true
}

// beginControl begins an fcntl or ioctl on a socket.
func (tr *tracer) beginControl(th *thread, p *pending, c *evidence.Call) bool {
	if p.kind.form == formIoctl && uint32(p.args[1]) == newUserfault {
		c.Name = "userfaultfd"
		tr.refuse(th, c, unix.ENOSYS)
		return false
	}
	if p.id = tr.identity(th, c.FD); p.id == 0 {
		return false
	}
	c.Socket, c.Option, c.Arg = p.id, p.int(1), int64(p.int(2))
	if p.kind.form == formIoctl {
		c.Arg = int64(int32(tr.memory.number(th.tid, p.args[2], 4)))
		return tr.open(th, p, c, nil)
	}
	if isDuplicating(p) {
		c.Op = evidence.OpDup
		return tr.beginCopy(th, p, c)
	}
	return tr.open(th, p, c, nil)
}

func isDuplicating(p *pending) bool {
	return p.kind.form == formFcntl && (p.int(1) == unix.F_DUPFD || p.int(1) == unix.F_DUPFD_CLOEXEC)
}

func rangeOf(p *pending) (first, last uint64) {
	return uint64(uint32(p.args[0])), uint64(uint32(p.args[1]))
}

// forgetRange forgets what was known of the files in a range without sockets.
func (tr *tracer) forgetRange(th *thread, p *pending) bool {
	if p.args[2]&unix.CLOSE_RANGE_CLOEXEC != 0 {
		return false
	}
	first, last := rangeOf(p)
	for fd := range th.files.sockets {
		if uint64(fd) >= first && uint64(fd) <= last {
			th.files.drop(fd)
		}
	}
	return false
}

// leaveDescriptor completes a call of beginDescriptor.
func (tr *tracer) leaveDescriptor(th *thread, p *pending, at evidence.Time, result int64) {
	switch p.kind.form {
	case formClose:
		tr.complete(p, at, result, nil)
	case formDup, formFcntl, formIoctl:
		tr.leaveDup(th, p, at, result)
	case formCloseRange:
		tr.leaveRange(th, p, at, result)
	case formUnshare:
		if result == 0 && th.files.threads > 1 {
			tr.ownTable(th)
		}
	case formGetFD:
		if result < 0 {
			return
		}
		fd := int(result)
		th.files.drop(fd)
		if id := tr.identity(th, fd); id != 0 {
			tr.note(th, &evidence.Call{
				Op: evidence.OpDup, Name: p.kind.name, FD: p.int(0), Result: fd, NewFD: &fd, NewSocket: id, Entry: p.entry, Exit: at,
			})
		}
	}
}

func (tr *tracer) leaveDup(th *thread, p *pending, at evidence.Time, result int64) {
	if result < 0 || p.kind.form != formDup && !isDuplicating(p) {
		tr.complete(p, at, result, nil)
		return
	}
	fd := int(result)
	if fd != p.int(0) {
		if replaced, _ := th.files.identity(fd); replaced != 0 && p.kind.name != "dup" {
			tr.note(th, &evidence.Call{Op: evidence.OpClose, Name: p.kind.name, FD: fd, Socket: replaced, Entry: p.entry, Exit: at})
		}
		th.files.drop(fd)
		th.files.set(fd, p.id, true)
	}
	tr.complete(p, at, result, func(c *evidence.Call) { c.NewFD, c.NewSocket = &fd, p.id })
}

// leaveRange notes the closes that a close_range was.
func (tr *tracer) leaveRange(th *thread, p *pending, at evidence.Time, result int64) {
	if result != 0 {
		return
	}
	if p.args[2]&unix.CLOSE_RANGE_UNSHARE != 0 && th.files.threads > 1 {
		tr.ownTable(th)
	}
	if p.args[2]&unix.CLOSE_RANGE_CLOEXEC != 0 {
		return
	}
	for _, fd := range th.files.between(rangeOf(p)) {
		id, _ := th.files.identity(fd)
		tr.note(th, &evidence.Call{Op: evidence.OpClose, Name: p.kind.name, FD: fd, Socket: id, Entry: p.entry, Exit: at})
	}
	tr.forgetRange(th, p)
}
