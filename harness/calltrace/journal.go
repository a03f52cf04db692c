package calltrace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tcpwitness/harness/evidence"
)

// journal keeps the calls of one trace. The tracer writes, anybody reads.
type journal struct {
	limits Limits
	asleep func(tid int) bool // whether a thread is asleep in the kernel

	mu      sync.Mutex
	chunks  [][]evidence.Call
	n       int
	open    map[int]*evidence.Call // entered and not returned, by number
	arena   []byte                 // room for the data of calls
	data    int                    // bytes of data kept
	watches map[*watch]struct{}
	hooks   map[*hook]struct{}

	callsCut, dataCut int // left out because of the limits
}

const (
	chunkCalls = 128
	arenaBytes = 64 << 10
)

func newJournal(limits Limits, asleep func(int) bool) *journal {
	return &journal{
		limits: limits, asleep: asleep, open: map[int]*evidence.Call{},
		watches: map[*watch]struct{}{}, hooks: map[*hook]struct{}{},
	}
}

// enter records a call at its entry and yields its place; nil when the record is full. Only the tracer
// calls it. A call that has an Exit is complete at once.
func (j *journal) enter(c *evidence.Call, data []byte) *evidence.Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.n >= j.limits.Calls {
		j.callsCut++
		return nil
	}
	if j.n%chunkCalls == 0 {
		j.chunks = append(j.chunks, make([]evidence.Call, chunkCalls))
	}
	slot := j.slot(j.n)
	j.n++
	*slot = *c
	slot.N = j.n
	if len(data) > 0 {
		slot.Data = j.keep(data)
	}
	if slot.Exit == 0 {
		j.open[slot.N] = slot
	}
	j.changed(slot)
	return slot
}

// leave completes a call. Data is what was received, empty for a call that keeps what it has.
func (j *journal) leave(c *evidence.Call, at evidence.Time, result int, errno string, data []byte) {
	j.leaveWith(c, at, result, errno, data, nil)
}

// leaveWith is leave with a further change, nil for none.
func (j *journal) leaveWith(c *evidence.Call, at evidence.Time, result int, errno string, data []byte, change func(*evidence.Call)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c.Exit, c.Result, c.Errno = at, result, errno
	if len(data) > 0 {
		c.Data = j.keep(data)
	}
	if change != nil {
		change(c)
	}
	delete(j.open, c.N)
	j.changed(c)
}

func (j *journal) slot(i int) *evidence.Call { return &j.chunks[i/chunkCalls][i%chunkCalls] }

// keep copies data into the arena, up to the limits.
func (j *journal) keep(data []byte) evidence.Bytes {
	n := min(len(data), j.limits.Data)
	if j.data+n > j.limits.TotalData {
		j.dataCut++
		return nil
	}
	j.data += n
	if len(j.arena) < n {
		j.arena = make([]byte, max(arenaBytes, n))
	}
	kept := j.arena[:n:n]
	j.arena = j.arena[n:]
	copy(kept, data)
	return kept
}

// changed tells those who wait. The lock is held.
func (j *journal) changed(c *evidence.Call) {
	for w := range j.watches {
		w.dirty = append(w.dirty, c.N-1)
		select {
		case w.signal <- struct{}{}:
		default:
		}
	}
	for h := range j.hooks {
		h.offer(c)
	}
}

func (j *journal) snapshot() []evidence.Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.copyAll(make([]evidence.Call, 0, j.n))
}

func (j *journal) look(see func(*evidence.Call)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.n {
		see(j.slot(i))
	}
}

func (j *journal) copyAll(into []evidence.Call) []evidence.Call {
	for i := len(into); i < j.n; i++ {
		into = append(into, *j.slot(i))
	}
	return into
}

// copyOf is a copy of a recorded call, or nil for none.
func (j *journal) copyOf(c *evidence.Call) *evidence.Call {
	if c == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	copied := *c
	return &copied
}

// noteAsleep marks the calls whose thread is asleep in them, and says whether all that are in the kernel
// are so marked. The states are read outside the lock.
func (j *journal) noteAsleep() (settled bool) {
	type candidate struct {
		call *evidence.Call
		tid  int
	}
	var candidates []candidate
	j.mu.Lock()
	for _, c := range j.open {
		if !c.Blocked {
			candidates = append(candidates, candidate{c, c.TID})
		}
	}
	j.mu.Unlock()
	settled = true
	for _, c := range candidates {
		if !j.asleep(c.tid) {
			settled = false
			continue
		}
		j.mu.Lock()
		if _, still := j.open[c.call.N]; still {
			c.call.Blocked = true
			j.changed(c.call)
		}
		j.mu.Unlock()
	}
	return settled
}

// cut says in words what was left out.
func (j *journal) cut() (words []string, calls int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.callsCut > 0 {
		words = append(words, fmt.Sprintf("%d calls after the first %d", j.callsCut, j.limits.Calls))
	}
	if j.dataCut > 0 {
		words = append(words, fmt.Sprintf("the data of %d calls after the first %d bytes", j.dataCut, j.limits.TotalData))
	}
	return words, j.callsCut
}

// watch is one waiter's view of the calls.
type watch struct {
	journal *journal
	signal  chan struct{}
	dirty   []int // indexes of the calls that changed since the last look; guarded by the journal's lock
	view    []evidence.Call
	pause   time.Duration
}

// The states of threads that are on their way to sleep are read again after a pause that doubles.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 5 * time.Millisecond
)

func (j *journal) watch() *watch {
	w := &watch{journal: j, signal: make(chan struct{}, 1), pause: firstPause}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watches[w] = struct{}{}
	w.view = j.copyAll(w.view)
	return w
}

func (j *journal) unwatch(w *watch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.watches, w)
}

// look brings the view up to date. Settled says that every call in the kernel is known to sleep.
func (w *watch) look() (view []evidence.Call, settled bool) {
	settled = w.journal.noteAsleep()
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	for _, i := range w.dirty {
		if i < len(w.view) {
			w.view[i] = *w.journal.slot(i)
		}
	}
	w.dirty = w.dirty[:0]
	w.view = w.journal.copyAll(w.view)
	return w.view, settled
}

// wait returns when there may be something new to see. The kernel tells nobody when a thread falls asleep,
// so while there is one that may be about to, it also returns after a pause.
func (w *watch) wait(ctx context.Context, done <-chan struct{}, settled bool) error {
	var again <-chan time.Time
	if !settled {
		timer := time.NewTimer(w.pause)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-w.signal:
		w.pause = firstPause
	case <-again:
		w.pause = min(2*w.pause, lastPause)
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// hook waits for one call.
type hook struct {
	match func(*evidence.Call) bool
	found chan evidence.Call // of capacity 1
}

func (j *journal) hook(match func(*evidence.Call) bool) *hook {
	h := &hook{match: match, found: make(chan evidence.Call, 1)}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.n {
		if h.offer(j.slot(i)); len(h.found) > 0 {
			return h
		}
	}
	j.hooks[h] = struct{}{}
	return h
}

func (j *journal) unhook(h *hook) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.hooks, h)
}

func (h *hook) offer(c *evidence.Call) {
	if len(h.found) > 0 {
		return
	}
	if h.match(c) {
		h.found <- *c
	}
}
