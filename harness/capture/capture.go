// Package capture records the packets of a sandbox's loopback.
//
// Each packet is kept once, as it is when it is sent: the kernel taps a frame before anything can come of it, so
// a packet's time and its place in the capture precede all its effects, such as the return of the call that
// waited for it. Checksums are true: where the kernel leaves one to hardware, and the loopback has none,
// the capture completes it from the kernel's own part as that hardware would.
//
// Nothing is missing at the end: [Capture.Stop] sends a marked frame and reads up to it. Frames that the
// kernel had to drop are an error.
package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/gopacket"

	"tcpwitness/harness/evidence"
)

// The errors that callers may want to tell apart.
var (
	// ErrDropped says that the kernel dropped frames: the capture is not whole.
	ErrDropped = errors.New("frames were dropped")
	// ErrTooMuch says that more was sent than Options lets the capture keep.
	ErrTooMuch = errors.New("more frames than the capture may keep")
	// ErrStopped says that the capture has ended.
	ErrStopped = errors.New("the capture has ended")
	// ErrNoCapture is what waiting on a nil Capture yields.
	ErrNoCapture = errors.New("there is no capture")
)

// Options are the limits of a capture. The zero value means the defaults.
type Options struct {
	// SnapLength is the number of bytes kept of each frame; by default all, up to DefaultSnapLength. A
	// frame that is cut keeps the checksum that the kernel left in it.
	SnapLength int
	// Buffer is the size in bytes of the ring in which the kernel leaves frames until they are read.
	Buffer int
	// MaxFrames and MaxBytes bound what is kept. What comes after is counted and not kept.
	MaxFrames int
	MaxBytes  int
}

// The defaults of Options.
const (
	DefaultSnapLength = 65_600 // above the 65,550 of the largest frame on a loopback
	DefaultBuffer     = 8 << 20
	DefaultMaxFrames  = 1_000_000
	DefaultMaxBytes   = 256 << 20
)

func (o Options) withDefaults() Options {
	or := func(value, otherwise int) int {
		if value > 0 {
			return value
		}
		return otherwise
	}
	o.SnapLength = min(or(o.SnapLength, DefaultSnapLength), DefaultSnapLength)
	o.Buffer = or(o.Buffer, DefaultBuffer)
	o.MaxFrames = or(o.MaxFrames, DefaultMaxFrames)
	o.MaxBytes = or(o.MaxBytes, DefaultMaxBytes)
	return o
}

// source is where frames come from.
type source interface {
	// ZeroCopyPacketDataSource yields the next frame and waits for it; its bytes are good until the next
	// call. After interrupt it fails.
	gopacket.ZeroCopyPacketDataSource
	// more says whether the next frame is there without waiting.
	more() bool
	// mark puts a frame with that number behind all frames that were sent until now.
	mark(number uint64) error
	// marked yields the number of a frame that mark made, and whether it is one.
	marked(frame []byte) (number uint64, ok bool)
	// drops yields the number of frames that were dropped since the last call.
	drops() (int, error)
	interrupt()
	// close releases everything; it may take tens of milliseconds.
	close() error
}

// Capture is a running or ended capture. Its methods may be called from several goroutines. A nil Capture
// is one that sees nothing.
type Capture struct {
	name    string
	options Options
	source  source

	counting sync.Mutex // held from asking for drops to adding them

	mu      sync.Mutex
	kept    store
	changed chan struct{} // closed at the next change of what follows or of kept
	sent    uint64        // the number of the last mark sent
	seen    uint64        // the number of the last mark seen
	last    uint64        // the number of the mark that ends the capture, 0 while it is to go on
	reads   uint64        // batches of frames that were read
	dropped int
	failed  error // of the source
	stopped bool

	ended    chan struct{} // the reader has ended
	released chan struct{} // the source is closed
}

// start makes a Capture of a source and begins to read it.
func start(name string, from source, options Options) *Capture {
	c := &Capture{
		name:     name,
		options:  options,
		source:   from,
		kept:     store{maxFrames: options.MaxFrames, maxBytes: options.MaxBytes},
		changed:  make(chan struct{}),
		ended:    make(chan struct{}),
		released: make(chan struct{}),
	}
	go c.read()
	return c
}

func (c *Capture) read() {
	defer close(c.ended)
	for {
		frame, info, err := c.source.ZeroCopyReadPacketData()
		c.mu.Lock()
		if err != nil {
			if !c.stopped {
				c.failed = err
			}
			c.announce()
			c.mu.Unlock()
			return
		}
		if number, ok := c.source.marked(frame); ok {
			c.seen = max(c.seen, number)
		} else if !c.stopped && !c.complete() {
			c.kept.add(frame, info)
		}
		if !c.source.more() {
			c.reads++
			c.announce()
		}
		c.mu.Unlock()
	}
}

// complete says whether the mark that ends the capture was seen. The caller holds mu.
func (c *Capture) complete() bool { return c.last > 0 && c.seen >= c.last }

// announce wakes all who wait. The caller holds mu.
func (c *Capture) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Interface describes where the packets are seen.
func (c *Capture) Interface() evidence.Interface {
	if c == nil {
		return evidence.Interface{}
	}
	return evidence.Interface{Name: "lo", LinkType: evidence.LinkEthernet, SnapLength: c.options.SnapLength}
}

// Snapshot yields the packets that were read so far, in the order of sending, numbered from 1. It can lag
// behind the sockets by some milliseconds; see Sync. The packets must not be changed.
func (c *Capture) Snapshot() []evidence.Packet {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.list()
}

// Await waits until the packets read so far are as wanted, and yields them. It is asked at once and
// whenever more were read. The error is the context's, ErrStopped, or a fault of the capture; the packets seen
// until then are yielded with it.
func (c *Capture) Await(ctx context.Context, wanted func([]evidence.Packet) bool) ([]evidence.Packet, error) {
	if c == nil {
		return nil, fmt.Errorf("await packets: %w", ErrNoCapture)
	}
	for {
		c.mu.Lock()
		packets, changed, err := c.kept.list(), c.changed, c.fault()
		if c.stopped {
			err = errors.Join(err, ErrStopped)
		}
		c.mu.Unlock()
		if wanted(packets) {
			return packets, nil
		}
		if err != nil {
			return packets, fmt.Errorf("await packets on %s, %d seen: %w", c.name, len(packets), err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return packets, fmt.Errorf("await packets on %s, %d seen: %w", c.name, len(packets), context.Cause(ctx))
		}
	}
}

// Sync waits until everything that was sent before the call is read, and yields the packets until then. It
// is the way to know that something was not sent. The error is as Stop's.
func (c *Capture) Sync(ctx context.Context) ([]evidence.Packet, error) {
	if c == nil {
		return nil, nil
	}
	packets, err := c.sync(ctx, c.nextMark(false))
	if err != nil {
		return packets, fmt.Errorf("capture on %s: %w", c.name, err)
	}
	return packets, nil
}

// nextMark yields the number of a new mark, which may be the one that ends the capture.
func (c *Capture) nextMark(last bool) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if last && c.last == 0 {
		c.last = c.sent
	}
	return c.sent
}

func (c *Capture) sync(ctx context.Context, target uint64) ([]evidence.Packet, error) {
	for {
		c.mu.Lock()
		reads, dropped, stopped := c.reads, c.dropped, c.stopped
		c.mu.Unlock()
		if stopped {
			return c.Snapshot(), ErrStopped
		}
		if err := c.source.mark(target); err != nil {
			return c.Snapshot(), err
		}
		if err := c.countDrops(); err != nil {
			return c.Snapshot(), err
		}
		// Where frames were dropped the mark may be among them: it is sent again once there is room.
		again := func() bool { return c.dropped > dropped && c.reads > reads }
		packets, reached, err := c.awaitMark(ctx, target, again)
		if reached || err != nil {
			return packets, err
		}
	}
}

// awaitMark waits until a mark was read, or something went wrong, or again says that the mark should be
// sent again. It yields the packets, and whether the mark was read.
func (c *Capture) awaitMark(ctx context.Context, target uint64, again func() bool) ([]evidence.Packet, bool, error) {
	for {
		c.mu.Lock()
		packets, changed, fault := c.kept.list(), c.changed, c.fault()
		reached, resend, failed, stopped := c.seen >= target, again(), c.failed != nil, c.stopped
		c.mu.Unlock()
		switch {
		case reached || failed:
			return packets, true, fault
		case stopped:
			return packets, false, errors.Join(fault, ErrStopped)
		case resend:
			return packets, false, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return packets, false, errors.Join(fault,
				fmt.Errorf("read to the end, %d frames so far: %w", len(packets), context.Cause(ctx)))
		}
	}
}

// countDrops adds what the kernel dropped. Nobody else's count is under way when it returns.
func (c *Capture) countDrops() error {
	c.counting.Lock()
	defer c.counting.Unlock()
	n, err := c.source.drops()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped += n
	return nil
}

// fault is what makes the capture unfit as evidence, or nil. The caller holds mu.
func (c *Capture) fault() error {
	var errs []error
	if c.failed != nil {
		errs = append(errs, c.failed)
	}
	if c.dropped > 0 {
		errs = append(errs, fmt.Errorf("%d %w by the kernel", c.dropped, ErrDropped))
	}
	if n := c.kept.refused; n > 0 {
		kept := len(c.kept.packets)
		errs = append(errs, fmt.Errorf("%w: %d frames were not kept after the first %d", ErrTooMuch, n, kept))
	}
	return errors.Join(errs...)
}

// Stop ends the capture and yields its packets, in the order of sending, numbered from 1: all that were sent
// before the call. Where the capture is not whole (ErrDropped, ErrTooMuch, or the context ended before all
// was read) the error says so and the packets are those there are. A second Stop yields the same packets and
// ErrStopped.
func (c *Capture) Stop(ctx context.Context) ([]evidence.Packet, error) {
	if c == nil {
		return nil, nil
	}
	_, err := c.sync(ctx, c.nextMark(true))
	c.Close()
	if err != nil {
		err = fmt.Errorf("capture on %s: %w", c.name, err)
	}
	return c.Snapshot(), err
}

// Close ends the capture without a result. What it holds is released in the background: see Released.
func (c *Capture) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	c.stopped = true
	c.announce()
	c.source.interrupt()
	go func() {
		defer close(c.released)
		<-c.ended
		c.source.close()
	}()
	return nil
}

// Released is closed when nothing of an ended capture is left. It takes some tens of milliseconds, in which
// the kernel makes sure that nobody uses the ring.
func (c *Capture) Released() <-chan struct{} {
	if c == nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	return c.released
}
