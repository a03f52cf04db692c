package wire

import (
	"errors"
	"fmt"
)

// These matchers are for Gomega. The actual value is a [Peer] or one of its [Connection]s; the deadline is the
// context that the peer was made with.

// SegmentMatcher is a matcher on what a scripted peer receives.
type SegmentMatcher struct {
	want    string
	receive func(c *Connection) error
	problem string
}

// ReceiveSegment succeeds when the next segment of the host has these flags and fields; see [Connection.Receive]
// for what may come before it. Fields that are not named do not matter. For the absence of a segment use
// [ReceiveNothing] or [ReceiveNo]: negated, ReceiveSegment would wait for its deadline.
func ReceiveSegment(flags Flags, fields ...Field) *SegmentMatcher {
	return &SegmentMatcher{want: "receive " + wanted{flags, fields}.String(), receive: func(c *Connection) error {
		_, err := c.Receive(c.peer.deadline, flags, fields...)
		return err
	}}
}

// ReceiveNothing succeeds when the host has sent nothing that no expectation has taken, up to a barrier: see
// [Connection.Silent] and [Peer.Barrier]. Expect the host's acknowledgements of data before: they count.
func ReceiveNothing() *SegmentMatcher {
	return &SegmentMatcher{want: "receive nothing", receive: func(c *Connection) error { return c.Silent(c.peer.deadline) }}
}

// ReceiveNo succeeds when the host has sent no segment with these flags and fields, among those that no
// expectation has taken, up to a barrier.
func ReceiveNo(flags Flags, fields ...Field) *SegmentMatcher {
	return &SegmentMatcher{want: "receive no " + wanted{flags, fields}.String(), receive: func(c *Connection) error {
		return c.Lacks(c.peer.deadline, flags, fields...)
	}}
}

// Match implements Gomega's matcher.
func (m *SegmentMatcher) Match(actual any) (bool, error) {
	var c *Connection
	switch a := actual.(type) {
	case *Peer:
		c = a.Connection
	case *Connection:
		c = a
	}
	if c == nil {
		return false, fmt.Errorf("a scripted peer or one of its connections is to %s, not a %T", m.want, actual)
	}
	err := m.receive(c)
	var mismatch *Mismatch
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &mismatch):
		m.problem = mismatch.Error()
		return false, nil
	}
	return false, err
}

// FailureMessage implements Gomega's matcher.
func (m *SegmentMatcher) FailureMessage(any) string { return m.problem }

// NegatedFailureMessage implements Gomega's matcher.
func (m *SegmentMatcher) NegatedFailureMessage(actual any) string {
	message := "the peer was not to " + m.want
	if p, ok := actual.(interface{ Transcript() string }); ok {
		message += "\nsegments so far:\n" + p.Transcript()
	}
	return message
}
