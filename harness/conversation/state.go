package conversation

import "tcpwitness/harness/evidence"

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
type tracking struct {
	client, server endpoint
	before         States // before the first segment
}

// endpoint is one end's own view.
type endpoint struct {
	state State
	got   ranges // of what the other sent: what has arrived, SYN and FIN included
}

func (t *tracking) of(end string) *endpoint {
	if end == evidence.Server {
		return &t.server
	}
	return &t.client
}

// StateAfter is the state of an end after a frame, which need not belong to the conversation: what holds
// then is what the last segment up to it left.
func (c *Conversation) StateAfter(frame int, end string) State {
	state := c.ends.before.Of(end)
	for _, s := range c.Segments {
		if s.Frame > frame {
			break
		}
		state = s.After.Of(end)
	}
	return state
}

// States lists the states that an end went through, each once in a row, beginning with the one before the
// first segment.
func (c *Conversation) States(end string) []State {
	path := []State{c.ends.before.Of(end)}
	for _, s := range c.Segments {
		if now := s.After.Of(end); now != path[len(path)-1] {
			path = append(path, now)
		}
	}
	return path
}

// Visited says whether an end was seen in a state.
func (c *Conversation) Visited(end string, state State) bool {
	for _, s := range c.States(end) {
		if s == state {
			return true
		}
	}
	return false
}

// followStates walks through the segments once all are known: whether a SYN finds a listener can only be
// told from what comes after it.
func (c *Conversation) followStates() {
	t := &c.ends
	t.client.state, t.server.state = Closed, c.serverBefore()
	if c.Midstream {
		t.client.state, t.server.state = Unknown, Unknown
	}
	t.before = States{t.client.state, t.server.state}
	for i, s := range c.Segments {
		c.transmit(s)
		if s.Arrived() {
			c.receive(s, i)
		}
		s.After = States{t.client.state, t.server.state}
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

// transmit moves the sender of a segment.
func (c *Conversation) transmit(s *Segment) {
	me := c.ends.of(s.From)
	switch {
	case s.Flags.Has(RST):
		// A reset that answers a wrong acknowledgement while the connection opens leaves its sender where it
		// was (RFC 9293 §3.10.7.3, §3.10.7.4); so does one from a port that listens.
		opening := me.state == Listen || me.state == SynSent || me.state == SynReceived
		if !opening || s.Flags.Has(ACK) {
			if me.state != Listen {
				me.state = Closed
			}
		}
	case s.Flags.Has(SYN):
		if s.Flags.Has(ACK) {
			if me.state == Listen || me.state == Unknown || me.state == SynSent {
				me.state = SynReceived
			}
		} else if me.state == Closed || me.state == Unknown {
			me.state = SynSent
		}
	}
	if s.Flags.Has(FIN) && !s.Flags.Has(RST) {
		switch me.state {
		case Established, SynReceived, Unknown:
			me.state = FinWait1
		case CloseWait:
			me.state = LastAck
		}
	}
}

// receive moves the receiver of a segment, the i-th of the conversation.
func (c *Conversation) receive(s *Segment, i int) {
	me, mine := c.ends.of(Other(s.From)), c.Sent(Other(s.From))
	if s.Flags.Has(RST) {
		if c.acceptsReset(me, mine, s) {
			me.state = Closed
		}
		return
	}
	if me.state == Closed || s.OutsideWindow {
		return
	}
	if s.Flags.Has(SYN) && !c.receiveSYN(me, mine, s, i) {
		return
	}
	if !s.Flags.Has(ACK) && !s.Flags.Has(SYN) { // RFC 9293 §3.10.7.4: dropped
		return
	}
	if s.Flags.Has(ACK) {
		c.receiveACK(me, mine, s)
	}
	if s.Length > 0 || s.Flags.HasAny(SYN|FIN) {
		me.got.add(s.RelSeq, s.End())
	}
	c.receiveFIN(me, mine, Other(s.From), s)
}

// receiveSYN says whether the segment goes on to be looked at.
func (c *Conversation) receiveSYN(me *endpoint, mine *Direction, s *Segment, i int) bool {
	switch me.state {
	case Listen, Unknown:
		if s.Flags.Has(ACK) {
			return false
		}
		if c.answersSYN(s, i) {
			me.state = SynReceived
			return true
		}
		return false
	case SynSent:
		if s.Flags.Has(ACK) {
			if s.RelAck == 1 {
				me.state = Established
			}
			return s.RelAck == 1
		}
		me.state = SynReceived // simultaneous open
		return true
	case SynReceived:
		return true
	}
	return false // a SYN in a synchronized state draws a challenge ACK (RFC 5961 §4)
}

// answersSYN says whether the SYN at index i is the one that its receiver takes: it answers with a SYN
// before the next SYN comes.
func (c *Conversation) answersSYN(s *Segment, i int) bool {
	for _, later := range c.Segments[i+1:] {
		if !later.Flags.Has(SYN) {
			continue
		}
		return later.From != s.From
	}
	return false
}

func (c *Conversation) receiveACK(me *endpoint, mine *Direction, s *Segment) {
	if me.state == SynReceived && s.RelAck >= 1 && s.RelAck <= mine.next {
		me.state = Established
		if mine.finAt != 0 && mine.FIN.Frame < s.Frame {
			me.state = FinWait1
		}
	}
	if mine.finAt == 0 || s.RelAck <= mine.finAt || mine.FIN.Frame > s.Frame || s.RelAck > mine.next {
		return
	}
	switch me.state {
	case FinWait1:
		me.state = FinWait2
	case Closing:
		me.state = TimeWait
	case LastAck:
		me.state = Closed
	}
}

// receiveFIN looks whether everything up to the other end's FIN is there.
func (c *Conversation) receiveFIN(me *endpoint, mine *Direction, end string, s *Segment) {
	theirs := c.Sent(Other(end))
	if theirs.finAt == 0 || theirs.FIN.Frame > s.Frame || !me.got.holds(theirs.finAt) {
		return
	}
	if !c.Midstream && me.got.contiguous(0) <= theirs.finAt {
		return
	}
	switch me.state {
	case Established, SynReceived, Unknown:
		me.state = CloseWait
	case FinWait1:
		me.state = Closing
	case FinWait2:
		me.state = TimeWait
	}
}

// acceptsReset is RFC 9293 §3.10.7.3 for SYN-SENT and RFC 5961 §3.2 for the rest: a reset counts where its
// sequence number is exactly the next that is expected.
func (c *Conversation) acceptsReset(me *endpoint, mine *Direction, s *Segment) bool {
	switch me.state {
	case Closed, Listen:
		return false
	case Unknown:
		return true
	case SynSent:
		return s.Flags.Has(ACK) && s.RelAck == 1
	}
	if c.Midstream {
		return true
	}
	return s.RelSeq == me.got.contiguous(0)
}
