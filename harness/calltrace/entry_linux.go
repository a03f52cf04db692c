//go:build amd64 || arm64

package calltrace

import (
	"fmt"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// enter serves the stop of a thread that is about to make a traced call.
func (tr *tracer) enter(th *thread) {
	info := &tr.info
	th.stepping = false
	if !info.read(th.tid) || info.op != infoSeccomp {
		tr.carryOn(th, 0) // killed meanwhile
		return
	}
	if info.arch != nativeArch || x32Bit != 0 && info.nr&x32Bit != 0 {
		tr.refuseForeign(th)
		return
	}
	kind := tr.table.find(info.nr)
	if kind == nil { // stopped by a filter of the program's own
		tr.carryOn(th, 0)
		return
	}
	if len(th.suspended) > 0 && tr.resumed(th) {
		tr.again(th)
		return
	}
	if kind.form == formRead || kind.form == formWrite {
		// Most reads and writes are on files. They take this way out.
		if id, known := th.files.identity(int(int32(info.args[0]))); known && id == 0 {
			resume(unix.PTRACE_CONT, th.tid, 0)
			return
		}
	}
	p := &th.call
	*p = pending{
		kind: kind, files: th.files, nr: info.nr, args: info.args, ip: info.ip, sp: info.sp, fd: -1, entry: tr.now,
	}
	tr.draft = evidence.Call{
		End: tr.cmd.End, PID: th.process.pid, TID: th.tid, Op: kind.op, Name: kind.name, FD: int(int32(info.args[0])), Entry: p.entry,
	}
	tr.draft.Slept = tr.sleptSince(th)
	if th.inside = tr.begin(th, p); th.inside {
		resume(unix.PTRACE_SYSCALL, th.tid, 0)
		return
	}
	resume(unix.PTRACE_CONT, th.tid, 0)
}

// begin reads the call that a thread enters and says whether it must stop again when it returns.
func (tr *tracer) begin(th *thread, p *pending) bool {
	c := &tr.draft
	switch p.kind.form {
	case formSocket, formSocketpair:
		const added = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
		c.FD, c.Domain, c.Protocol = -1, p.int(0), p.int(2)
		c.Type, c.Flags = p.int(1)&^added, p.int(1)&added
		return tr.beginMaking(th, p, c)
	case formBind, formConnect:
		return tr.beginAddressed(th, p, c)
	case formAccept:
		if p.nr == unix.SYS_ACCEPT4 {
			c.Flags = p.int(3)
		}
		p.room = tr.roomFor(th, p)
		c.Socket = tr.identity(th, c.FD)
		return tr.beginMaking(th, p, c)
	case formListen:
		c.Backlog = p.int(1)
	case formShutdown:
		c.How = p.int(1)
	case formName:
		p.room = tr.roomFor(th, p)
	case formSetOption, formGetOption:
		tr.beginOption(th, p, c)
	case formSendto, formRecvfrom, formSendmsg, formRecvmsg, formSendmmsg, formRecvmmsg,
		formRead, formWrite, formReadv, formWritev, formSendfile, formSplice:
		return tr.beginTransfer(th, p, c)
	case formClose, formCloseRange, formDup, formFcntl, formIoctl, formUnshare, formGetFD:
		return tr.beginDescriptor(th, p, c)
	case formPoll, formSelect, formEpollWait:
		return tr.beginWait(th, p, c)
	case formEpollCtl:
		delete(th.files.watched, c.FD)
		return false
	case formClone, formClone3:
		tr.beginClone(th, p, c)
		return false
	case formRefused:
		c.FD = -1
		tr.refuse(th, c, p.kind.errno)
		return false
	default: // a restarted call that nothing is known of
		return false
	}
	c.Socket = tr.identity(th, c.FD)
	return tr.open(th, p, c, nil)
}

// int is an argument of type int.
func (p *pending) int(i int) int { return int(int32(p.args[i])) }

// open records a call at its entry, with the data it is to send, and says whether it is in the record.
func (tr *tracer) open(th *thread, p *pending, c *evidence.Call, data []byte) bool {
	if p.place = tr.trace.journal.enter(c, data); p.place != nil {
		th.last = p.place
	}
	return p.place != nil
}

// note records a call that is complete, or an event.
func (tr *tracer) note(th *thread, c *evidence.Call) *evidence.Call {
	c.End, c.PID, c.TID = tr.cmd.End, th.process.pid, th.tid
	place := tr.trace.journal.enter(c, nil)
	if place != nil && c.Op != evidence.OpExit {
		th.last = place
	}
	return place
}

// beginMaking begins a call that may make a descriptor. It stops again also where the record is full.
func (tr *tracer) beginMaking(th *thread, p *pending, c *evidence.Call) bool {
	p.making = true
	p.files.making++
	tr.noteBefore(th, p, c)
	tr.open(th, p, c, nil)
	return true
}

func (tr *tracer) noteBefore(th *thread, p *pending, c *evidence.Call) {
	if p.before = tr.listOpen(th); p.before != nil {
		c.Before = tr.afford(p.before)
	}
}

// listOpen lists the open descriptors; nil where there are too many.
func (tr *tracer) listOpen(th *thread) []int {
	if th.files.crowded || tr.numbers <= 0 {
		return nil
	}
	open := tr.proc.list(th.tid, tr.limits.Descriptors)
	th.files.crowded = open == nil
	return open
}

// afford yields a list that is to be kept in the record, or nil where there is no room left for it.
func (tr *tracer) afford(numbers []int) []int {
	if tr.numbers -= len(numbers); tr.numbers < 0 {
		return nil
	}
	return numbers
}

func (tr *tracer) beginAddressed(th *thread, p *pending, c *evidence.Call) bool {
	c.Socket = tr.identity(th, c.FD)
	length := p.int(2)
	b := tr.buffer[:max(0, min(length, maxSockaddr))]
	c.Address = decodeAddress(b[:tr.memory.read(th.tid, p.args[1], b)], length)
	if p.kind.form == formConnect {
		tr.noteBefore(th, p, c)
	}
	return tr.open(th, p, c, nil) || p.before != nil
}

// roomFor reads the length that a program gives for an address to be filled in.
func (tr *tracer) roomFor(th *thread, p *pending) uint32 {
	if p.args[1] == 0 || p.args[2] == 0 {
		return 0
	}
	return uint32(tr.memory.number(th.tid, p.args[2], 4))
}

const maxOption = 64 // bytes kept of an option's value

func (tr *tracer) beginOption(th *thread, p *pending, c *evidence.Call) {
	c.Level, c.Option = p.int(1), p.int(2)
	if p.kind.form == formGetOption {
		return
	}
	b := tr.buffer[:max(0, min(p.int(4), maxOption))]
	c.Value = append([]byte(nil), b[:tr.memory.read(th.tid, p.args[3], b)]...)
}

// beginClone sees to it that no child leaves the trace.
func (tr *tracer) beginClone(th *thread, p *pending, c *evidence.Call) {
	if p.kind.form == formClone {
		setArgument(th.tid, 0, p.args[0]&^unix.CLONE_UNTRACED)
		return
	}
	if tr.memory.number(th.tid, p.args[0], 8)&unix.CLONE_UNTRACED != 0 {
		c.FD = -1
		tr.refuse(th, c, unix.ENOSYS) // programs then try clone
	}
}

// refuse makes the call fail, and records that.
func (tr *tracer) refuse(th *thread, c *evidence.Call, errno unix.Errno) {
	refuse(th.tid, errno)
	c.Op, c.Result, c.Errno, c.Exit = evidence.OpRefused, -1, unix.ErrnoName(errno), tr.now
	tr.note(th, c)
}

func (tr *tracer) refuseForeign(th *thread) {
	name := fmt.Sprintf("system call %d of architecture %#x", tr.info.nr, tr.info.arch)
	if tr.info.arch == nativeArch {
		name = fmt.Sprintf("x32 system call %d", tr.info.nr&^x32Bit)
	}
	tr.refuse(th, &evidence.Call{Name: name, FD: -1, Entry: tr.now}, unix.ENOSYS)
	tr.carryOn(th, 0)
}

// identity is that of the socket behind a descriptor, 0 for none.
func (tr *tracer) identity(th *thread, fd int) uint64 {
	_, id := tr.behind(th, fd)
	return id
}

// behind tells what a descriptor leads to.
func (tr *tracer) behind(th *thread, fd int) (descriptor, uint64) {
	if id, known := th.files.identity(fd); known {
		if id == 0 {
			return descriptorFile, 0
		}
		return descriptorSocket, id
	}
	if fd < 0 {
		return descriptorNone, 0
	}
	kind, id := tr.proc.look(th.tid, fd)
	if kind != descriptorNone {
		th.files.set(fd, id, false)
	}
	return kind, id
}

// bears says whether a descriptor is a socket, or was one before it was closed.
func (tr *tracer) bears(th *thread, fd int) (id uint64, yes bool) {
	kind, id := tr.behind(th, fd)
	if kind == descriptorNone {
		_, yes = th.files.ended[fd]
		return 0, yes
	}
	return id, kind == descriptorSocket
}

// madeSocket notes a new descriptor that is known to be a socket.
func (tr *tracer) madeSocket(th *thread, fd int) uint64 {
	kind, id := tr.proc.look(th.tid, fd)
	if kind != descriptorSocket { // it cannot be seen: it gets an identity beyond all inode numbers
		tr.unnamed++
		id = 1<<40 + tr.unnamed
	}
	th.files.set(fd, id, true)
	return id
}
