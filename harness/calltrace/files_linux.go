//go:build amd64 || arm64

package calltrace

import (
	"slices"

	"tcpwitness/harness/evidence"
)

// files is a descriptor table, usually that of all threads of a process; processes can share one, and a
// thread can have its own (CLONE_FILES). It holds every socket, and of other files those that were asked
// about.
type files struct {
	sockets map[int]uint64 // descriptor to identity; 0 for a file that is no socket
	ended   map[int]uint64 // descriptors that were sockets and are closed
	closing map[int]int    // closes that are in the kernel: what stands there is not to be trusted
	watched map[int][]int  // epoll descriptors to what they watch, as far as it was read
	threads int            // that use the table
	making  int            // calls in the kernel that may make a descriptor
	crowded bool           // there were more descriptors open than are noted
}

func newFiles() *files {
	return &files{sockets: map[int]uint64{}, ended: map[int]uint64{}, closing: map[int]int{}, watched: map[int][]int{}}
}

// copied is the table of a forked process.
func (f *files) copied() *files {
	c := newFiles()
	for fd, id := range f.sockets {
		c.sockets[fd] = id
	}
	return c
}

// identity of a known descriptor.
func (f *files) identity(fd int) (id uint64, known bool) {
	id, known = f.sockets[fd]
	return id, known
}

// set notes what stands behind a descriptor. While a close of that number is in the kernel only a call that
// made the descriptor may say so (fresh).
func (f *files) set(fd int, id uint64, fresh bool) {
	if f.closing[fd] > 0 && !fresh {
		return
	}
	f.sockets[fd] = id
	delete(f.ended, fd)
}

// drop notes that the descriptor is closed, or is about to be.
func (f *files) drop(fd int) {
	id := f.sockets[fd]
	delete(f.sockets, fd)
	delete(f.watched, fd)
	if id != 0 {
		if len(f.ended) < defaultDescriptors {
			f.ended[fd] = id
		}
		clear(f.watched) // epoll forgets what is closed
	}
}

// beginClose and endClose enclose a close that is in the kernel.
func (f *files) beginClose(fd int) {
	f.closing[fd]++
	f.drop(fd)
}

func (f *files) endClose(fd int) {
	if f.closing[fd]--; f.closing[fd] <= 0 {
		delete(f.closing, fd)
	}
}

// between lists the sockets with numbers from first to last.
func (f *files) between(first, last uint64) []int {
	var fds []int
	for fd, id := range f.sockets {
		if id != 0 && uint64(fd) >= first && uint64(fd) <= last {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds
}

// around is what was open before and after a call that made some descriptors, from what was listed at its
// entry and is open now. Where other threads use the table, what they did meanwhile is left out. They
// cannot have opened what was made, and they closed what is gone. What is new is theirs if it is no socket,
// or a socket that another call is known to have made or is about to close, or any socket while another call
// that makes one is in the kernel. Strange says of a descriptor that nothing was known of whether it is a socket.
func (f *files) around(p *pending, now, made []int, strange func(fd int) bool) (before, after []int) {
	if f.threads <= 1 || p.before == nil || now == nil {
		return p.before, now
	}
	before, after = make([]int, 0, len(p.before)), make([]int, 0, len(now))
	for _, fd := range p.before {
		if slices.Contains(now, fd) && !slices.Contains(made, fd) {
			before = append(before, fd)
		}
	}
	others := f.making
	if p.making {
		others--
	}
	for _, fd := range now {
		_, known := f.sockets[fd]
		theirs := known || others > 0 || f.closing[fd] > 0
		if slices.Contains(before, fd) || slices.Contains(made, fd) || !theirs && strange(fd) {
			after = append(after, fd)
		}
	}
	return before, after
}

// pending is a call that is in the kernel and will stop once more when it returns.
type pending struct {
	kind  *syscallKind
	place *evidence.Call // in the journal; nil where it is not recorded, or only at its return
	files *files
	nr    uint64
	args  [6]uint64
	ip    uint64 // where the program goes on
	sp    uint64
	entry evidence.Time
	id    uint64 // of the socket it is about
	fd    int    // that is being closed or replaced; -1 for none
	// room is the length that the program gave for an address, or the descriptors to watch.
	room   uint32
	making bool
	// before is what was open when it was entered; nil where that is not noted.
	before []int
	// What was changed for the time of the call: its length to cut, by an argument or in memory that is
	// put back.
	cut        int
	borrowed   []byte
	borrowedAt uint64
	// returned, handler and restarts are about a call that was interrupted: when, the stack pointer of the
	// handler, and that the kernel makes the call again after it.
	returned evidence.Time
	handler  uint64
	restarts bool
}

// release takes a call that is no longer in the kernel out of the books of its table.
func (p *pending) release() {
	if p.fd >= 0 {
		p.files.endClose(p.fd)
		p.fd = -1
	}
	if p.making {
		p.files.making--
		p.making = false
	}
}
