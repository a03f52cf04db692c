package conversation

import (
	"slices"

	"tcpwitness/harness/evidence"
)

// State is a state of RFC 9293 §3.3.2. Unknown is empty: the wire does not show it.
type State string

// The states of RFC 9293.
const (
	Unknown     State = ""
	Closed      State = "CLOSED"
	Listen      State = "LISTEN"
	SynSent     State = "SYN-SENT"
	SynReceived State = "SYN-RECEIVED"
	Established State = "ESTABLISHED"
	FinWait1    State = "FIN-WAIT-1"
	FinWait2    State = "FIN-WAIT-2"
	CloseWait   State = "CLOSE-WAIT"
	Closing     State = "CLOSING"
	LastAck     State = "LAST-ACK"
	TimeWait    State = "TIME-WAIT"
)

func (s State) String() string {
	if s == Unknown {
		return "unknown"
	}
	return string(s)
}

// Synchronized says whether both ends know each other's sequence numbers in the state (RFC 9293 §3.5.2,
// group 3); SYN-RECEIVED does not count.
func (s State) Synchronized() bool {
	switch s {
	case Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait:
		return true
	}
	return false
}

// States are those of both ends at one moment.
type States struct{ Client, Server State }

// Of is the state of an end.
func (s States) Of(end string) State {
	if end == evidence.Server {
		return s.Server
	}
	return s.Client
}

// tracking follows the states of both ends.
type tracking struct{ client, server endpoint }

// endpoint is one end's own view.
type endpoint struct {
	state State
	path  []change
	got   ranges // of what the other sent: what has arrived, SYN and FIN included
	// waiting is what is on its way to this end, where the wire shows that it has not arrived yet.
	waiting []*Segment
}

// change is a state and the frame that brought it about; 0 for the state before the first segment.
type change struct {
	state State
	frame int
}

// enter notes a new state.
func (e *endpoint) enter(state State, frame int) {
	if e.state != state || len(e.path) == 0 {
		e.state = state
		e.path = append(e.path, change{state, frame})
	}
}

func (t *tracking) of(end string) *endpoint {
	if end == evidence.Server {
		return &t.server
	}
	return &t.client
}

func (t *tracking) now() States { return States{t.client.state, t.server.state} }

// StateAfter is the state of an end after a frame, which need not belong to the conversation: what holds
// then is what the last segment up to it left.
func (c *Conversation) StateAfter(frame int, end string) State {
	state := c.ends.of(end).path[0].state
	for _, s := range c.Segments {
		if s.Frame > frame {
			break
		}
		state = s.After.Of(end)
	}
	return state
}

// StateBefore is the state of an end before the first segment, as what came after betrays it.
func (c *Conversation) StateBefore(end string) State { return c.ends.of(end).path[0].state }

// States lists the states that an end went through, beginning with the one before the first segment. Two
// of them can fall on one frame.
func (c *Conversation) States(end string) []State {
	var path []State
	for _, step := range c.ends.of(end).path {
		path = append(path, step.state)
	}
	return path
}

// Visited says whether an end was seen in a state.
func (c *Conversation) Visited(end string, state State) bool {
	return slices.Contains(c.States(end), state)
}

// followStates walks through the segments once all are known: whether a SYN finds a listener, and whether
// two segments crossed, can only be told from what comes after them.
func (c *Conversation) followStates(side string) {
	t := &c.ends
	before := States{Closed, c.serverBefore()}
	if c.Midstream {
		before = States{Unknown, Unknown}
	}
	t.client.enter(before.Client, 0)
	t.server.enter(before.Server, 0)
	answers := c.answers()
	for i, s := range c.Segments {
		c.arriveBefore(s)
		c.transmit(s, answers[i].sameEnd)
		if s.Arrived() {
			c.deliver(s, answers[i].otherEnd, side == Other(s.From))
		}
		s.After = t.now()
	}
}

// next are the following segments of each end.
type next struct{ sameEnd, otherEnd *Segment }

// answers finds for each segment the next one of its sender and the next one of the other end.
func (c *Conversation) answers() []next {
	found := make([]next, len(c.Segments))
	last := map[string]*Segment{}
	for i := len(c.Segments) - 1; i >= 0; i-- {
		s := c.Segments[i]
		found[i] = next{last[s.From], last[Other(s.From)]}
		last[s.From] = s
	}
	return found
}

// deliver gives a segment to its receiver, or lets it wait where the receiver's next segment shows that it
// was not there yet: SYNs that cross, and FINs that cross. What follows it waits behind it. At the
// receiver's own side of a wire nothing is on its way any more.
func (c *Conversation) deliver(s, answer *Segment, there bool) {
	me := c.ends.of(Other(s.From))
	crossed := !there && c.crosses(s, answer)
	if len(me.waiting) == 0 && !(crossed && s.Flags.HasAny(SYN|FIN)) {
		c.receive(s, s.Frame)
		return
	}
	me.waiting = append(me.waiting, s)
	if !crossed {
		c.arrive(me, s.Frame)
	}
}

// crosses says whether the answer was sent without knowledge of the sender's SYN or FIN.
func (c *Conversation) crosses(s, answer *Segment) bool {
	if answer == nil || s.OutsideWindow || c.Midstream {
		return false
	}
	waits := len(c.ends.of(Other(s.From)).waiting) > 0
	mine, theirs := c.Sent(s.From), c.Sent(Other(s.From))
	if (s.Flags.Has(FIN) || waits) && mine.finAt != 0 && theirs.FIN != nil {
		return theirs.FIN.index > s.index && theirs.FIN.RelAck <= mine.finAt
	}
	return (s.opens() || waits) && answer.opens()
}

// opens says whether it is a SYN without ACK.
func (s *Segment) opens() bool { return s.Flags.Has(SYN) && !s.Flags.Has(ACK) && s.RelSeq == 0 }

// arriveBefore gives an end what its segment shows to have arrived.
func (c *Conversation) arriveBefore(s *Segment) {
	me := c.ends.of(s.From)
	if len(me.waiting) > 0 && s.Flags.Has(ACK) && s.RelAck >= me.waiting[0].End() {
		c.arrive(me, s.Frame)
	}
}

func (c *Conversation) arrive(me *endpoint, frame int) {
	waiting := me.waiting
	me.waiting = nil
	for _, s := range waiting {
		c.receive(s, frame)
	}
}

// serverBefore is the state of the server before the first segment, as its answers betray it.
func (c *Conversation) serverBefore() State {
	switch {
	case c.SimultaneousOpen:
		return Closed
	case c.server.Started:
		return Listen
	case len(c.server.RSTs) > 0:
		return Closed
	}
	return Unknown
}

// transmit moves the sender of a segment; later is what it sends next.
func (c *Conversation) transmit(s, later *Segment) {
	me := c.ends.of(s.From)
	switch {
	case s.Flags.Has(RST):
		c.transmitReset(me, s, later)
		return
	case s.Flags.Has(SYN | ACK):
		if me.state == Listen || me.state == Unknown || me.state == SynSent {
			me.enter(SynReceived, s.Frame)
		}
	case s.Flags.Has(SYN):
		if me.state == Closed || me.state == Unknown {
			me.enter(SynSent, s.Frame)
		}
	}
	if s.Flags.Has(FIN) {
		switch me.state {
		case Established, SynReceived, Unknown:
			me.enter(FinWait1, s.Frame)
		case CloseWait:
			me.enter(LastAck, s.Frame)
		}
	}
}

// transmitReset closes the sender of a reset, unless the reset answers what does not belong to a connection
// that is opening (RFC 9293 §3.10.7.3, §3.10.7.4) or comes from a port that listens, or its sender goes on
// and the other end did not take it (made by a test).
func (c *Conversation) transmitReset(me *endpoint, s, later *Segment) {
	other := c.ends.of(Other(s.From))
	alive := other.state != Closed && other.state != Listen && other.state != Unknown
	s.Ignored = alive && s.Arrived() && !c.acceptsReset(other, s)
	opening := (me.state == SynSent || me.state == SynReceived) && !s.Flags.Has(ACK)
	goesOn := s.Ignored && later != nil && !later.Flags.HasAny(RST|SYN)
	if me.state != Listen && !opening && !goesOn {
		me.enter(Closed, s.Frame)
	}
}

// receive moves the receiver of a segment, at the frame that shows that it has arrived.
func (c *Conversation) receive(s *Segment, frame int) {
	me, mine := c.ends.of(Other(s.From)), c.Sent(Other(s.From))
	if s.Flags.Has(RST) {
		if !s.Ignored && c.acceptsReset(me, s) {
			me.enter(Closed, frame)
		}
		return
	}
	if me.state == Closed || s.OutsideWindow {
		return
	}
	if s.Flags.Has(SYN) && !c.receiveSYN(me, s, frame) {
		return
	}
	if !s.Flags.HasAny(ACK | SYN) { // RFC 9293 §3.10.7.4: dropped
		return
	}
	if s.Flags.Has(ACK) {
		c.receiveACK(me, mine, s, frame)
	}
	if s.End() > s.RelSeq {
		me.got.add(s.RelSeq, s.End())
	}
	c.receiveFIN(me, s, frame)
}

// receiveSYN says whether the segment goes on to be looked at.
func (c *Conversation) receiveSYN(me *endpoint, s *Segment, frame int) bool {
	switch me.state {
	case Listen, Unknown:
		if s.Flags.Has(ACK) || !c.answersSYN(s) {
			return false
		}
		me.enter(SynReceived, frame)
		return true
	case SynSent:
		if !s.Flags.Has(ACK) { // simultaneous open
			me.enter(SynReceived, frame)
			return true
		}
		if s.RelAck < 1 || s.AcksUnsent {
			return false
		}
		me.enter(Established, frame)
		return true
	case SynReceived:
		return true
	}
	return false // a SYN in a synchronized state draws a challenge ACK (RFC 5961 §4)
}

// answersSYN says whether the SYN is the one that its receiver takes: it answers with a SYN before the next
// SYN comes.
func (c *Conversation) answersSYN(s *Segment) bool {
	for _, later := range c.Segments[s.index+1:] {
		if later.Flags.Has(SYN) {
			return later.From != s.From
		}
	}
	return false
}

func (c *Conversation) receiveACK(me *endpoint, mine *Direction, s *Segment, frame int) {
	if s.AcksUnsent {
		return
	}
	finSent := mine.finAt != 0 && mine.FIN.index < s.index
	if me.state == SynReceived && s.RelAck >= 1 {
		me.enter(Established, frame)
		if finSent {
			me.enter(FinWait1, frame)
		}
	}
	if !finSent || s.RelAck <= mine.finAt {
		return
	}
	switch me.state {
	case FinWait1:
		me.enter(FinWait2, frame)
	case Closing:
		me.enter(TimeWait, frame)
	case LastAck:
		me.enter(Closed, frame)
	}
}

// receiveFIN looks whether everything up to the other end's FIN is there.
func (c *Conversation) receiveFIN(me *endpoint, s *Segment, frame int) {
	theirs := c.Sent(s.From)
	if theirs.finAt == 0 || !me.got.holds(theirs.finAt) {
		return
	}
	if !c.Midstream && me.got.contiguous(0) <= theirs.finAt {
		return
	}
	switch me.state {
	case Established, SynReceived, Unknown:
		me.enter(CloseWait, frame)
	case FinWait1:
		me.enter(Closing, frame)
	case FinWait2:
		me.enter(TimeWait, frame)
	}
}

// acceptsReset is RFC 9293 §3.10.7.3 for SYN-SENT and RFC 5961 §3.2 for the rest: a reset counts where its
// sequence number is exactly the next that is expected.
func (c *Conversation) acceptsReset(me *endpoint, s *Segment) bool {
	switch me.state {
	case Closed, Listen:
		return false
	case Unknown:
		return true
	case SynSent:
		return s.Flags.Has(ACK) && s.RelAck >= 1 && !s.AcksUnsent
	}
	return c.Midstream || s.RelSeq == me.got.contiguous(0)
}
