package report

import (
	"net/netip"
	"slices"
	"sort"

	"tcpwitness/harness/evidence"
)

// openSocket is one open socket, whatever numbers it has.
type openSocket struct {
	end       lane
	id        uint64 // inode number, 0 where it is not known
	typ       int    // SOCK_STREAM…, 0 where it is not known
	listening bool
	backlog   int
	connected bool
	local     netip.AddrPort
	conn      *connection // nil where it has none, or where packets were not seen
	role      lane        // which end of the connection it is: left for the one that connected
}

func (k *openSocket) hue() int {
	if k == nil {
		return 0
	}
	return k.conn.hue()
}

// life is one descriptor of one process from where it was opened to where it was closed.
type life struct {
	end         lane
	pid, fd     int
	socket      *openSocket
	from, to    evidence.Time // to is 0 where it was still open at the end of the run
	opened      int           // call number
	closed      int           // call number; 0 where it was still open
	endedByExit bool
	inherited   bool // came with fork
	closedTwice int  // call number of a second close
}

// process is one process of one end.
type process struct {
	end lane
	pid int
}

// table is what a process has open.
type table map[int]*life

// moment is a call's entry or return.
type moment struct {
	at     evidence.Time
	n      int // tie-breaker: the call's number
	call   *evidence.Call
	exited bool
}

// moments puts entries and returns into one order.
func moments(calls []evidence.Call) []moment {
	all := make([]moment, 0, 2*len(calls))
	for i := range calls {
		c := &calls[i]
		all = append(all, moment{at: c.Entry, n: c.N, call: c})
		if c.Returned() {
			all = append(all, moment{at: c.Exit, n: c.N, call: c, exited: true})
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.at != b.at {
			return a.at < b.at
		}
		if a.n != b.n {
			return a.n < b.n
		}
		return !a.exited && b.exited
	})
	return all
}

// followDescriptors walks through the calls and keeps each process's table of descriptors.
func (s *story) followDescriptors() {
	f := &follower{story: s, tables: map[process]table{}, byID: map[uint64]*openSocket{}}
	for _, m := range moments(s.run.Calls) {
		if m.exited {
			f.exit(m.call)
		} else {
			f.entry(m.call)
		}
	}
	f.endAll()
	s.assignConnections()
}

type follower struct {
	*story
	tables map[process]table
	byID   map[uint64]*openSocket
}

func (f *follower) table(c *evidence.Call) table {
	p := process{laneOf(c.End), c.PID}
	if f.tables[p] == nil {
		f.tables[p] = table{}
	}
	return f.tables[p]
}

// lookup yields the socket behind a descriptor, a new one where it was opened unseen.
func (f *follower) lookup(c *evidence.Call, fd int, id uint64) *openSocket {
	t := f.table(c)
	if l := t[fd]; l != nil && (id == 0 || l.socket.id == 0 || l.socket.id == id) {
		if id != 0 && l.socket.id == 0 {
			l.socket.id = id
			f.byID[id] = l.socket
		}
		return l.socket
	}
	if id != 0 {
		k := f.socketWith(laneOf(c.End), id)
		f.begin(c, fd, k, c.Entry)
		return k
	}
	return nil
}

func (f *follower) socketWith(end lane, id uint64) *openSocket {
	if k := f.byID[id]; k != nil && id != 0 {
		return k
	}
	k := &openSocket{end: end, id: id}
	f.sockets = append(f.sockets, k)
	if id != 0 {
		f.byID[id] = k
	}
	return k
}

func (f *follower) begin(c *evidence.Call, fd int, k *openSocket, at evidence.Time) *life {
	t := f.table(c)
	if old := t[fd]; old != nil {
		f.end(old, c.N, at) // dup2 onto it
	}
	l := &life{end: laneOf(c.End), pid: c.PID, fd: fd, socket: k, from: at, opened: c.N}
	f.lives = append(f.lives, l)
	t[fd] = l
	return l
}

func (f *follower) end(l *life, call int, at evidence.Time) { l.to, l.closed = at, call }

func (f *follower) entry(c *evidence.Call) {
	if c.FD >= 0 && c.Op != evidence.OpSocket {
		if k := f.lookup(c, c.FD, c.Socket); k != nil {
			f.behind[c.N] = k
		}
	}
	if c.Op == evidence.OpExit {
		f.processEnds(c)
	}
	if c.Connects() {
		if k := f.behind[c.N]; k != nil {
			k.connected = true
		}
	}
}

func (f *follower) exit(c *evidence.Call) {
	if c.Failed() && c.Errno != "EINPROGRESS" {
		if c.Op == evidence.OpClose && c.Errno == "EBADF" {
			f.closedAgain(c)
		}
		return
	}
	k := f.behind[c.N]
	switch c.Op {
	case evidence.OpSocket:
		if c.NewFD != nil {
			k = f.socketWith(laneOf(c.End), c.NewSocket)
			k.typ = c.Type
			f.made[c.N] = k
			f.begin(c, *c.NewFD, k, c.Exit)
		}
	case evidence.OpAccept:
		if c.NewFD != nil {
			fresh := f.socketWith(laneOf(c.End), c.NewSocket)
			fresh.typ, fresh.connected = sockStream, true
			f.made[c.N] = fresh
			f.begin(c, *c.NewFD, fresh, c.Exit)
		}
	case evidence.OpDup:
		if c.NewFD != nil && k != nil && *c.NewFD != c.FD {
			f.made[c.N] = k
			f.begin(c, *c.NewFD, k, c.Exit)
		}
	case evidence.OpListen:
		if k != nil {
			k.listening, k.backlog = true, c.Backlog
		}
	case evidence.OpBind, evidence.OpGetSockName:
		if k != nil && c.Address.AddrPort.IsValid() && c.Address.AddrPort.Port() != 0 {
			k.local = c.Address.Unmapped()
		}
	case evidence.OpFork:
		f.fork(c)
	case evidence.OpClose:
		if l := f.table(c)[c.FD]; l != nil {
			f.end(l, c.N, c.Exit)
			delete(f.table(c), c.FD)
		}
	}
}

// sockStream is SOCK_STREAM as Linux numbers it.
const sockStream = 1

// closedAgain notes a close of a number that was closed before.
func (f *follower) closedAgain(c *evidence.Call) {
	for i := len(f.lives) - 1; i >= 0; i-- {
		l := f.lives[i]
		if l.end == laneOf(c.End) && l.pid == c.PID && l.fd == c.FD && l.closed != 0 {
			l.closedTwice = c.N
			f.behind[c.N] = l.socket
			return
		}
	}
}

// fork gives the child a copy of what its parent has open.
func (f *follower) fork(c *evidence.Call) {
	if c.Child == 0 {
		return
	}
	child := process{laneOf(c.End), c.Child}
	have := f.tables[child]
	if have == nil {
		have = table{}
		f.tables[child] = have
	}
	for _, fd := range sortedKeys(f.table(c)) {
		if have[fd] != nil { // the child was faster than its parent's return
			continue
		}
		l := &life{
			end: laneOf(c.End), pid: c.Child, fd: fd, socket: f.table(c)[fd].socket,
			from: c.Entry, opened: c.N, inherited: true,
		}
		f.lives = append(f.lives, l)
		have[fd] = l
	}
}

// processEnds closes what the process has open.
func (f *follower) processEnds(c *evidence.Call) {
	t := f.table(c)
	for _, fd := range sortedKeys(t) {
		l := t[fd]
		f.end(l, c.N, c.Entry)
		l.endedByExit = true
		f.open[c.N] = append(f.open[c.N], l)
		delete(t, fd)
	}
}

// endAll ends what belonged to processes whose exit was not recorded as a call.
func (f *follower) endAll() {
	for p, t := range f.tables {
		for i := range f.run.Outcomes {
			o := &f.run.Outcomes[i]
			if laneOf(o.End) != p.end || o.PID != p.pid || o.Ended == 0 {
				continue
			}
			for _, fd := range sortedKeys(t) {
				t[fd].to, t[fd].endedByExit = o.Ended, true
			}
		}
	}
}

func sortedKeys(t table) []int {
	keys := make([]int, 0, len(t))
	for fd := range t {
		keys = append(keys, fd)
	}
	slices.Sort(keys)
	return keys
}

// assignConnections finds out which socket is which end of which connection: an accepted one by the address
// that accept filled in, a connecting one by its own address where that is known, else by the SYN that
// left while it was connecting.
func (s *story) assignConnections() {
	calls := slices.Clone(s.run.Calls)
	sort.SliceStable(calls, func(i, j int) bool { return calls[i].N < calls[j].N })
	for i := range calls {
		c := &calls[i]
		if k := s.made[c.N]; c.Op == evidence.OpAccept && k != nil && k.conn == nil {
			k.conn = s.take(right, k, func(x *connection) bool {
				return x.client == c.Address.Unmapped() && x.began() <= c.Exit
			})
		}
	}
	for pass := range 2 {
		for i := range calls {
			c := &calls[i]
			k := s.behind[c.N]
			if !c.Connects() || k == nil || k.conn != nil {
				continue
			}
			if pass == 0 {
				if k.local.IsValid() {
					k.conn = s.take(left, k, func(x *connection) bool {
						return x.client.Port() == k.local.Port() && x.server == c.Address.Unmapped()
					})
				}
				continue
			}
			k.conn = s.take(left, k, func(x *connection) bool {
				return sameServer(x.server, c.Address.Unmapped()) && x.began() >= c.Entry && (c.Exit == 0 || x.began() <= c.Exit)
			})
		}
	}
	if len(s.connections) == 0 && len(s.run.Packets) == 0 {
		s.pairWithoutPackets(calls)
	}
}

// pairWithoutPackets tells connections from the calls alone: each that was accepted is one, and the sockets
// that connected are taken to be their other ends in the order in which they did.
func (s *story) pairWithoutPackets(calls []evidence.Call) {
	for i := range calls {
		c := &calls[i]
		k := s.made[c.N]
		if c.Op != evidence.OpAccept || k == nil || k.conn != nil || !c.Address.AddrPort.IsValid() {
			continue
		}
		k.conn = &connection{n: len(s.connections), client: c.Address.Unmapped(), taken: [2]bool{right: true}}
		if listener := s.behind[c.N]; listener != nil {
			k.conn.server = listener.local
		}
		k.role = right
		s.connections = append(s.connections, k.conn)
	}
	for i := range calls {
		c := &calls[i]
		if k := s.behind[c.N]; c.Connects() && k != nil && k.conn == nil && (c.Succeeded() || c.Errno == "EINPROGRESS") {
			k.conn = s.take(left, k, func(x *connection) bool { return !k.local.IsValid() || k.local.Port() == 0 || x.client == k.local })
		}
	}
}

func sameServer(have, want netip.AddrPort) bool {
	return have == want || want.Addr().IsUnspecified() && have.Port() == want.Port()
}

// take yields the first connection that fits and has no socket of that side yet. The side is the role in
// the connection and not the end: a server under test may connect as well.
func (s *story) take(role lane, k *openSocket, fits func(*connection) bool) *connection {
	for _, c := range s.connections {
		if !c.taken[role] && fits(c) {
			c.taken[role], k.role = true, role
			return c
		}
	}
	return nil
}
