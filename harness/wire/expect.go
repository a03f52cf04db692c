package wire

import (
	"context"
	"fmt"
	"strings"
)

// Receive takes the next segment that the host sent on this connection and yields it; it must be one with
// these flags and fields. Two kinds of segments may come before it and are passed over, because when they
// come is the host's own affair: bare acknowledgements, and repetitions of what it sent before. Any other
// segment ends the expectation with an error, and so does the end of ctx. The error shows every segment so far.
func (c *Connection) Receive(ctx context.Context, flags Flags, fields ...Field) (Segment, error) {
	want := wanted{flags, fields}
	for {
		s, passedOver, changed := c.look(want)
		switch {
		case s != nil && passedOver:
			return Segment{}, c.mismatch(want.String(), s.String())
		case s != nil:
			return *s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Segment{}, c.mismatch(want.String(), "nothing more: "+context.Cause(ctx).Error())
		}
	}
}

// look takes segments up to the first one that decides: one that fits, or one that does not and may not be
// passed over (wrong). Where there is none, changed says when to look again.
func (c *Connection) look(want wanted) (s *Segment, wrong bool, changed <-chan struct{}) {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	c.peer.drain()
	for len(c.unread) > 0 {
		next := c.peer.log[c.unread[0]]
		c.unread = c.unread[1:]
		switch {
		case want.fits(&next):
			return &next, false, nil
		case !next.isBareACK() && !next.Repeats:
			return &next, true, nil
		}
	}
	return nil, false, c.peer.changed
}

// Mismatch says that what the host sent is not what was expected.
type Mismatch struct {
	Expected, Seen string
	// Segments are all that went between the peer and its host, a line each.
	Segments string
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("the peer expected\n    %s\nand received\n    %s\nsegments so far, with relative sequence numbers:\n%s",
		m.Expected, m.Seen, m.Segments)
}

func (c *Connection) mismatch(expected, seen string) error {
	return &Mismatch{expected, seen, c.peer.Transcript()}
}

// Transcript lists every segment so far, a line each, with relative sequence numbers.
func (p *Peer) Transcript() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.log) == 0 {
		return "    none\n"
	}
	var b strings.Builder
	begin := p.log[0].Time
	for _, s := range p.log {
		way := "peer → host"
		if s.FromHost {
			way = "host → peer"
		}
		fmt.Fprintf(&b, "%5d  %9.3f ms  %s  %s\n", s.Frame, float64(s.Time.Sub(begin).Microseconds())/1000, way, s)
	}
	return b.String()
}

// Silent says whether the host has answered nothing: it sends a barrier and looks whether a segment came
// before the barrier's echo that no expectation has taken. Repetitions that a timer of the host sent do not
// count. The error shows the segment. See [Peer.Barrier] for what this proves.
func (c *Connection) Silent(ctx context.Context) error {
	return c.none(ctx, "nothing", func(s *Segment) bool { return s.Drawn || !s.Repeats })
}

// Lacks is [Connection.Silent] for segments with these flags and fields alone. What it looked at is taken.
func (c *Connection) Lacks(ctx context.Context, flags Flags, fields ...Field) error {
	want := wanted{flags, fields}
	return c.none(ctx, "no "+want.String(), want.fits)
}

func (c *Connection) none(ctx context.Context, expected string, unwanted func(*Segment) bool) error {
	if err := c.peer.Barrier(ctx); err != nil {
		return err
	}
	if s := c.firstUnread(unwanted); s != nil {
		return c.mismatch(expected, s.String())
	}
	return nil
}

func (c *Connection) firstUnread(unwanted func(*Segment) bool) *Segment {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	unread := c.unread
	c.unread = nil
	for _, i := range unread {
		if s := c.peer.log[i]; unwanted(&s) {
			return &s
		}
	}
	return nil
}
