//go:build amd64 || arm64

package calltrace

import (
	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file reads the calls that wait for descriptors.

const (
	maxWatched = 256
	maxSet     = 1024 // FD_SETSIZE
	noTimeout  = -1
)

func (tr *tracer) beginWait(th *thread, p *pending, c *evidence.Call) bool {
	c.FD = -1
	switch p.kind.form {
	case formPoll:
		c.Arg = int64(p.int(2))
		if p.nr == unix.SYS_PPOLL {
			c.Arg = tr.readTimeout(th, p.args[2], 1e9)
		}
		b := tr.buffer[:min(p.args[1], maxWatched)*pollfdSize]
		c.Watched = tr.afford(decodePoll(b[:tr.memory.read(th.tid, p.args[0], b)]))
	case formSelect:
		units := int64(1e6)
		if p.nr == unix.SYS_PSELECT6 {
			units = 1e9
		}
		c.Arg = tr.readTimeout(th, p.args[4], units)
		c.Watched = tr.afford(tr.readSets(th, p))
	case formEpollWait:
		c.FD = p.int(0)
		c.Arg = int64(p.int(3))
		if p.nr == unix.SYS_EPOLL_PWAIT2 {
			c.Arg = tr.readTimeout(th, p.args[3], 1e9)
		}
		c.Watched = tr.epollWatched(th, c.FD)
	}
	if c.Arg == 0 && p.kind.form == formEpollWait {
		return false // it does not wait; runtimes do this all the time
	}
	if len(c.Watched) == 1 && c.FD < 0 {
		c.FD = c.Watched[0]
		c.Socket = tr.identity(th, c.FD)
	}
	return tr.open(th, p, c, nil)
}

// readTimeout reads a timeout as milliseconds, -1 for none.
func (tr *tracer) readTimeout(th *thread, addr uint64, units int64) int64 {
	if addr == 0 {
		return noTimeout
	}
	b := tr.buffer[:16]
	return decodeMillis(b[:tr.memory.read(th.tid, addr, b)], units)
}

func (tr *tracer) readSets(th *thread, p *pending) []int {
	n := max(0, min(p.int(0), maxSet))
	size := (n + 63) / 64 * 8
	var sets [][]byte
	for i, addr := range p.args[1:4] {
		b := tr.buffer[i*maxSet/8:][:size]
		if addr != 0 {
			sets = append(sets, b[:tr.memory.read(th.tid, addr, b)])
		}
	}
	return decodeSets(n, sets...)
}

// epollWatched yields what an epoll descriptor watches. It is read again only when that has changed.
func (tr *tracer) epollWatched(th *thread, fd int) []int {
	if watched, known := th.files.watched[fd]; known {
		return watched
	}
	watched := tr.afford(epollTargets(th.tid, fd))
	if len(th.files.watched) < maxWatched {
		th.files.watched[fd] = watched
	}
	return watched
}
