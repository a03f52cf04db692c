package sockets

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tcpwitness/harness/evidence"
)

// DataKept is the number of bytes that a recorded call keeps of what it sent or received.
const DataKept = 4096

// Log is the growing list of recorded calls of one scenario, shared by the recorders of its ends. Its
// methods may be used from any goroutine.
type Log struct {
	mu      sync.Mutex
	calls   []evidence.Call
	changed chan struct{} // closed and replaced whenever a call is entered or returns
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{changed: make(chan struct{})} }

// Calls is a copy of what has been recorded so far, in the order of entry.
func (l *Log) Calls() []evidence.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// Call is a copy of the call with number n.
func (l *Log) Call(n int) evidence.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[n-1]
}

// Await waits until the condition holds of the recorded calls. It looks again whenever a call is entered
// or returns, and gives up with the context's error.
func (l *Log) Await(ctx context.Context, holds func([]evidence.Call) bool) error {
	for {
		l.mu.Lock()
		held, changed := holds(l.calls), l.changed
		l.mu.Unlock()
		if held {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Log) enter(c evidence.Call) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.N = len(l.calls) + 1
	l.calls = append(l.calls, c)
	l.tell()
	return c.N
}

func (l *Log) update(n int, change func(*evidence.Call)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.calls[n-1])
	l.tell()
}

func (l *Log) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// AwaitBlocked waits until the thread of call n is seen asleep in the kernel, and notes that in the record.
// It fails when the call returns first, when the context ends, or where the state of a thread cannot be
// seen (errors.ErrUnsupported).
func (l *Log) AwaitBlocked(ctx context.Context, n int) error {
	err := awaitAsleep(ctx, l.Call(n), func() bool { c := l.Call(n); return c.Returned() })
	if err != nil {
		return fmt.Errorf("wait until %s blocks: %w", l.Call(n), err)
	}
	l.update(n, func(c *evidence.Call) { c.Blocked = true })
	return nil
}

// Recorder is an API that passes every call on to another one and records it: arguments, result, errno,
// entry and exit, and the open descriptors before and after.
type Recorder struct {
	API API
	Log *Log
	End string // evidence.Client or evidence.Server
	// Begun, where set, is told the number of each call as it is entered, on the calling goroutine.
	Begun func(n int)
}

var _ API = (*Recorder)(nil)

// record runs one call. The calling goroutine keeps its thread meanwhile, so that the thread's state tells
// whether the call is blocked.
func (r *Recorder) record(c evidence.Call, run func(*evidence.Call) (int, Errno)) {
	release := keepThread()
	defer release()
	c.End, c.PID, c.TID = r.End, processID(), threadID()
	if c.FD >= 0 {
		c.Socket = Identity(c.FD)
	}
	if notesDescriptors(c.Op) {
		c.Before = r.API.Descriptors()
	}
	c.Entry = evidence.Now()
	n := r.Log.enter(c)
	if r.Begun != nil {
		r.Begun(n)
	}
	result, errno := run(&c)
	c.Exit = evidence.Now()
	c.Result = result
	if errno != 0 {
		c.Errno = errnoName(errno)
	}
	switch c.Op {
	case evidence.OpSocket, evidence.OpAccept, evidence.OpDup:
		if errno == 0 {
			c.NewFD, c.NewSocket = &result, Identity(result)
		}
	}
	if notesDescriptors(c.Op) {
		c.After = r.API.Descriptors()
	}
	r.Log.update(n, func(entered *evidence.Call) {
		c.N, c.Blocked = entered.N, entered.Blocked
		*entered = c
	})
}

// notesDescriptors says for which calls the open descriptors are noted: those that could change them.
func notesDescriptors(op evidence.Op) bool {
	switch op {
	case evidence.OpSocket, evidence.OpBind, evidence.OpListen, evidence.OpConnect, evidence.OpAccept, evidence.OpClose, evidence.OpDup:
		return true
	}
	return false
}

func (r *Recorder) Socket(domain, typ, protocol int) (fd int, errno Errno) {
	kind, flags := splitType(typ)
	c := evidence.Call{Op: evidence.OpSocket, Name: "socket", FD: -1, Domain: domain, Type: kind, Protocol: protocol, Flags: flags}
	r.record(c, func(*evidence.Call) (int, Errno) {
		fd, errno = r.API.Socket(domain, typ, protocol)
		return fd, errno
	})
	return fd, errno
}

func (r *Recorder) Bind(fd int, addr SockAddr) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpBind, Name: "bind", FD: fd, Address: addr.Evidence()}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Bind(fd, addr)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Listen(fd, backlog int) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpListen, Name: "listen", FD: fd, Backlog: backlog}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Listen(fd, backlog)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Accept(fd int) (accepted int, peer SockAddr, errno Errno) {
	c := evidence.Call{Op: evidence.OpAccept, Name: "accept", FD: fd}
	r.record(c, func(c *evidence.Call) (int, Errno) {
		accepted, peer, errno = r.API.Accept(fd)
		c.Address = peer.Evidence()
		return accepted, errno
	})
	return accepted, peer, errno
}

func (r *Recorder) Connect(fd int, addr SockAddr) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpConnect, Name: "connect", FD: fd, Address: addr.Evidence()}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Connect(fd, addr)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Send(fd int, data []byte, flags int) (n int, errno Errno) {
	c := evidence.Call{Op: evidence.OpSend, Name: "send", FD: fd, Length: len(data), Flags: flags, Data: kept(data)}
	r.record(c, func(*evidence.Call) (int, Errno) {
		n, errno = r.API.Send(fd, data, flags)
		return n, errno
	})
	return n, errno
}

func (r *Recorder) Recv(fd int, buf []byte, flags int) (n int, errno Errno) {
	c := evidence.Call{Op: evidence.OpRecv, Name: "recv", FD: fd, Length: len(buf), Flags: flags}
	r.record(c, func(c *evidence.Call) (int, Errno) {
		n, errno = r.API.Recv(fd, buf, flags)
		if n > 0 {
			c.Data = kept(buf[:min(n, len(buf))])
		}
		return n, errno
	})
	return n, errno
}

func (r *Recorder) Shutdown(fd, how int) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpShutdown, Name: "shutdown", FD: fd, How: how}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Shutdown(fd, how)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Close(fd int) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpClose, Name: "close", FD: fd}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Close(fd)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Dup(fd int) (duplicate int, errno Errno) {
	c := evidence.Call{Op: evidence.OpDup, Name: "dup", FD: fd}
	r.record(c, func(*evidence.Call) (int, Errno) {
		duplicate, errno = r.API.Dup(fd)
		return duplicate, errno
	})
	return duplicate, errno
}

func (r *Recorder) Fcntl(fd, command, argument int) (result int, errno Errno) {
	op := evidence.OpFcntl
	if isDuplicating(command) {
		op = evidence.OpDup
	}
	c := evidence.Call{Op: op, Name: "fcntl", FD: fd, Option: command, Arg: int64(argument)}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.Fcntl(fd, command, argument)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) Poll(fd int, events int16, timeout int) (revents int16, errno Errno) {
	c := evidence.Call{Op: evidence.OpWait, Name: "poll", FD: fd, Watched: []int{fd}, Flags: int(events), Arg: int64(timeout)}
	r.record(c, func(*evidence.Call) (int, Errno) {
		revents, errno = r.API.Poll(fd, events, timeout)
		if errno != 0 {
			return -1, errno
		}
		if revents != 0 {
			return 1, 0
		}
		return 0, 0
	})
	return revents, errno
}

func (r *Recorder) GetSockName(fd int) (addr SockAddr, result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpGetSockName, Name: "getsockname", FD: fd}
	r.record(c, func(c *evidence.Call) (int, Errno) {
		addr, result, errno = r.API.GetSockName(fd)
		c.Address = addr.Evidence()
		return result, errno
	})
	return addr, result, errno
}

func (r *Recorder) GetPeerName(fd int) (addr SockAddr, result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpGetPeerName, Name: "getpeername", FD: fd}
	r.record(c, func(c *evidence.Call) (int, Errno) {
		addr, result, errno = r.API.GetPeerName(fd)
		c.Address = addr.Evidence()
		return result, errno
	})
	return addr, result, errno
}

func (r *Recorder) SetOption(fd, level, option int, value []byte) (result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpSetOption, Name: "setsockopt", FD: fd, Level: level, Option: option, Value: slices.Clone(value)}
	r.record(c, func(*evidence.Call) (int, Errno) {
		result, errno = r.API.SetOption(fd, level, option, value)
		return result, errno
	})
	return result, errno
}

func (r *Recorder) GetOption(fd, level, option, length int) (value []byte, result int, errno Errno) {
	c := evidence.Call{Op: evidence.OpGetOption, Name: "getsockopt", FD: fd, Level: level, Option: option}
	r.record(c, func(c *evidence.Call) (int, Errno) {
		value, result, errno = r.API.GetOption(fd, level, option, length)
		c.Value = slices.Clone(value)
		return result, errno
	})
	return value, result, errno
}

// Descriptors is passed on and not recorded.
func (r *Recorder) Descriptors() []int { return r.API.Descriptors() }

func kept(data []byte) evidence.Bytes {
	return slices.Clone(data[:min(len(data), DataKept)])
}
