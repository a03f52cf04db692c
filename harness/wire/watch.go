package wire

import (
	"context"
	"fmt"
)

// Watch waits for a packet.
type Watch struct {
	selectors all
	picks     func(*Packet) bool
	arrival   bool
	done      chan struct{}
	recent    *recent
}

// Watch looks out for a packet that the selectors pick, among those sent from now on. It is seen when the
// wire has done with it: delivered it, lost it or put it aside.
func (w *Wire) Watch(selectors ...Selector) *Watch { return w.watch(false, selectors) }

// WatchArrival looks out for a packet that the selectors pick, among those delivered from now on. When it is
// seen, the receiving host's kernel has dealt with it.
func (w *Wire) WatchArrival(selectors ...Selector) *Watch { return w.watch(true, selectors) }

func (w *Wire) watch(arrival bool, selectors all) *Watch {
	x := &Watch{selectors: selectors, picks: selectors.arm(), arrival: arrival, done: make(chan struct{}), recent: &recent{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watches = append(w.watches, x)
	return x
}

// see tells a watch of a packet; it yields whether the watch is over.
func (x *Watch) see(p *Packet) bool {
	x.recent.add(p)
	if !x.picks(p) {
		return false
	}
	close(x.done)
	return true
}

// Done is closed when the packet was seen.
func (x *Watch) Done() <-chan struct{} { return x.done }

// Wait returns when the packet was seen, or with an error that says what was awaited and what had been seen
// when the context ended.
func (x *Watch) Wait(ctx context.Context) error {
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a packet on the wire (%s): %w; %s", x.selectors, context.Cause(ctx), x.recent)
	}
}
