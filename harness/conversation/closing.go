package conversation

import "tcpwitness/harness/evidence"

// CloseKind says how far and in which way a connection was closed.
type CloseKind string

// The ways of closing.
const (
	StillOpen         CloseKind = "still open"
	HalfClosed        CloseKind = "half-closed"        // one end has sent its FIN
	FourWay           CloseKind = "four-way close"     // each direction ended with its own FIN (RFC 9293 §3.6)
	SimultaneousClose CloseKind = "simultaneous close" // each end sent its FIN before it had the other's
	ResetClose        CloseKind = "reset"              // RST ended it
	RefusedClose      CloseKind = "refused"            // it never began
)

// Close is how a conversation ended. Segments that were not seen are nil.
type Close struct {
	Kind CloseKind
	// First is the end that closed first: whose FIN, or whose RST where there was no FIN before, is the first
	// in the capture; "" for none.
	First string
	// FirstFIN and FirstACK are the FIN of the end that closed first and the other's acknowledgement of it;
	// SecondFIN and SecondACK are the same the other way round. FirstACK and SecondFIN can be one segment.
	FirstFIN, FirstACK, SecondFIN, SecondACK *Segment
	// Reset is the first RST that was not ignored.
	Reset *Segment
}

// Complete says whether both directions were closed with a FIN that was acknowledged.
func (c Close) Complete() bool {
	return c.FirstFIN != nil && c.FirstACK != nil && c.SecondFIN != nil && c.SecondACK != nil
}

// Frames are those of the segments that were seen, in the order of the close.
func (c Close) Frames() []int {
	frames := Frames(c.FirstFIN, c.FirstACK)
	for _, s := range []*Segment{c.SecondFIN, c.SecondACK, c.Reset} {
		if s != nil && s != c.FirstACK {
			frames = append(frames, s.Frame)
		}
	}
	return frames
}

// Close says how the conversation was closed.
func (c *Conversation) Close() Close {
	found := Close{Kind: StillOpen}
	for _, s := range c.Segments {
		resets := s.Flags.Has(RST) && s.intact() && !s.Ignored
		closes := s == c.client.FIN || s == c.server.FIN || resets
		if closes && found.First == "" {
			found.First = s.From
		}
		if resets && found.Reset == nil {
			found.Reset = s
		}
	}
	if found.First != "" {
		first, second := c.Sent(found.First), c.Sent(Other(found.First))
		found.FirstFIN, found.FirstACK = first.FIN, first.FINAck
		found.SecondFIN, found.SecondACK = second.FIN, second.FINAck
	}
	switch {
	case c.Refused():
		found.Kind = RefusedClose
	case found.Reset != nil && !found.Complete():
		found.Kind = ResetClose
	case found.FirstFIN != nil && found.SecondFIN != nil && c.crossed(found):
		found.Kind = SimultaneousClose
	case found.FirstFIN != nil && found.SecondFIN != nil:
		found.Kind = FourWay
	case found.FirstFIN != nil:
		found.Kind = HalfClosed
	}
	return found
}

// crossed says whether the second FIN was sent by an end that had not seen the first: it does not
// acknowledge it.
func (c *Conversation) crossed(found Close) bool {
	return found.SecondFIN.RelAck <= c.Sent(found.First).finAt
}

// ClosedFirst is the end that closed first, by FIN or RST, "" for none; see [Close].First.
func (c *Conversation) ClosedFirst() string { return c.Close().First }

// InTimeWait lists the ends that were seen to enter TIME-WAIT.
func (c *Conversation) InTimeWait() []string {
	var ends []string
	for _, end := range []string{evidence.Client, evidence.Server} {
		if c.Visited(end, TimeWait) {
			ends = append(ends, end)
		}
	}
	return ends
}
