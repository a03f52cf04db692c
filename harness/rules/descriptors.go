package rules

import (
	"cmp"
	"maps"
	"slices"

	"tcpwitness/harness/evidence"
)

// descriptors is who holds which open socket at the end of a scene, and what was done with each.
type descriptors struct {
	open    map[int]map[int]uint64 // process → descriptor → socket
	sockets map[uint64]*socket
	order   []*socket // in the order in which they came up
}

// socket is one open socket, whatever descriptors stand for it.
type socket struct {
	id       uint64
	made     *evidence.Call // by socket; nil where it came otherwise
	accepted *evidence.Call // by accept
	calls    []*evidence.Call
}

// holder is a descriptor of a process that stands for a socket.
type holder struct{ pid, fd int }

// unknown marks identities that are made up here for sockets whose own is not known.
const unknown = 1 << 63

// follow walks through calls in the order of their effects and notes who holds what. Calls whose socket
// is not known get it from the descriptor's history.
func follow(calls []evidence.Call) *descriptors {
	d := &descriptors{open: map[int]map[int]uint64{}, sockets: map[uint64]*socket{}}
	for _, e := range effects(calls) {
		if e.entry {
			d.enter(e.call)
		} else {
			d.leave(e.call)
		}
	}
	return d
}

type effect struct {
	at    evidence.Time
	call  *evidence.Call
	entry bool
}

func effects(calls []evidence.Call) []effect {
	all := make([]effect, 0, 2*len(calls))
	for i := range calls {
		c := &calls[i]
		all = append(all, effect{c.Entry, c, true})
		if c.Returned() {
			all = append(all, effect{c.Exit, c, false})
		}
	}
	slices.SortStableFunc(all, func(a, b effect) int { return cmp.Compare(a.at, b.at) })
	return all
}

// enter notes what a call does at its entry: a fork copies what is open then, an exit closes all. A socket
// that turns up at a descriptor came from elsewhere, such as over another socket.
func (d *descriptors) enter(c *evidence.Call) {
	table := d.table(c.PID)
	switch c.Op {
	case evidence.OpFork:
		switch {
		case c.Child != 0 && c.SharesFiles:
			d.open[c.Child] = table
		case c.Child != 0:
			d.open[c.Child] = maps.Clone(table)
		}
		return
	case evidence.OpExit:
		delete(d.open, c.PID)
		return
	}
	if c.FD < 0 {
		return
	}
	if c.Socket == 0 {
		c.Socket = table[c.FD]
	}
	if c.Socket != 0 {
		if c.Errno != "EBADF" {
			table[c.FD] = c.Socket
		}
		s := d.socket(c.Socket)
		s.calls = append(s.calls, c)
	}
}

// leave notes what a call has done when it returns.
func (d *descriptors) leave(c *evidence.Call) {
	table := d.table(c.PID)
	switch {
	case c.Op == evidence.OpExit:
		delete(d.open, c.PID)
	case c.Op == evidence.OpClose && c.Errno != "EBADF":
		if c.Socket == 0 || table[c.FD] == c.Socket {
			delete(table, c.FD)
		}
	case c.NewFD != nil && c.Succeeded():
		d.create(c, table)
	}
}

func (d *descriptors) create(c *evidence.Call, table map[int]uint64) {
	if c.NewSocket == 0 {
		switch c.Op {
		case evidence.OpDup:
			c.NewSocket = c.Socket
		case evidence.OpSocket, evidence.OpAccept:
			c.NewSocket = unknown | uint64(c.N)
		}
	}
	delete(table, *c.NewFD)
	if c.NewSocket == 0 {
		return
	}
	table[*c.NewFD] = c.NewSocket
	s := d.socket(c.NewSocket)
	switch c.Op {
	case evidence.OpSocket:
		s.made = c
	case evidence.OpAccept:
		s.accepted = c
	}
}

func (d *descriptors) table(pid int) map[int]uint64 {
	if d.open[pid] == nil {
		d.open[pid] = map[int]uint64{}
	}
	return d.open[pid]
}

func (d *descriptors) socket(id uint64) *socket {
	if s := d.sockets[id]; s != nil {
		return s
	}
	s := &socket{id: id}
	d.sockets[id] = s
	d.order = append(d.order, s)
	return s
}

// holders are the descriptors that still stand for a socket, in rising order.
func (d *descriptors) holders(id uint64) []holder {
	var found []holder
	for pid, table := range d.open {
		for fd, socket := range table {
			if socket == id {
				found = append(found, holder{pid, fd})
			}
		}
	}
	slices.SortFunc(found, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.fd, b.fd))
	})
	return found
}

// of are the calls on a socket that do one of the operations, in the order of entry. A send that connects is both.
func (s *socket) of(ops ...evidence.Op) []*evidence.Call {
	var calls []*evidence.Call
	for _, c := range s.calls {
		if slices.Contains(ops, c.Op) || c.Connects() && slices.Contains(ops, evidence.OpConnect) {
			calls = append(calls, c)
		}
	}
	return calls
}

// succeeded is the first call on a socket that did the operation with success, or nil.
func (s *socket) succeeded(op evidence.Op) *evidence.Call {
	for _, c := range s.of(op) {
		if c.Succeeded() {
			return c
		}
	}
	return nil
}
