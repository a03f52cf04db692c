package conversation

import (
	"slices"

	"tcpwitness/harness/evidence"
)

// takeTCP puts a segment into its conversation and accounts for it.
func (w *analyser) takeTCP(raw *evidence.Packet, p *packet) {
	s, err := decodeTCP(p)
	if err != nil {
		w.other(raw, err.Error(), true)
		return
	}
	s.Frame, s.Time, s.Interface, s.Fate = raw.N, raw.Time, raw.Interface, raw.Fate
	key := pairOf(raw.Interface, s.Source, s.Destination)
	c := w.current[key]
	switch {
	case c == nil || c.begins(s):
		c = w.open(s, key)
	case c.agreesToStray(s):
		c = w.split(c, key)
	}
	c.account(s)
	w.shark(key, s)
	w.frames[raw.N] = item{conversation: c, segment: s}
}

// agreesToStray says whether a SYN-ACK answers a SYN that seemed not to belong here: then that SYN has
// begun a new connection after all, and what ended the old one was not seen.
func (c *Conversation) agreesToStray(s *Segment) bool {
	if len(c.strays) == 0 || !s.Flags.Has(SYN|ACK) || !s.intact() {
		return false
	}
	stray := c.strays[0]
	return s.Source == stray.Destination && s.Ack == stray.Seq+1
}

// split moves the stray SYN of a conversation, and what repeats it, into a new one.
func (w *analyser) split(c *Conversation, key pair) *Conversation {
	strays := c.strays
	c.strays = nil
	moved := func(s *Segment) bool { return slices.Contains(strays, s) }
	d := c.Sent(strays[0].From)
	c.Segments, d.segments = slices.DeleteFunc(c.Segments, moved), slices.DeleteFunc(d.segments, moved)
	for i, s := range c.Segments {
		s.index = i
	}
	for i, s := range d.segments {
		s.nth = i
	}
	again := w.open(strays[0], key)
	for _, s := range strays {
		s.OutsideWindow = false
		again.account(s)
		w.frames[s.Frame] = item{conversation: again, segment: s}
	}
	return again
}

// open begins a conversation with its first segment.
func (w *analyser) open(s *Segment, key pair) *Conversation {
	c := &Conversation{N: len(w.TCP) + 1, Interface: s.Interface, Client: s.Source, Server: s.Destination}
	if s.Flags.Has(SYN | ACK) { // the SYN itself was not seen, but it is clear who sent it
		c.Client, c.Server = s.Destination, s.Source
	}
	c.Midstream = !s.Flags.Has(SYN)
	c.client = Direction{End: evidence.Client, Address: c.Client, scale: -1}
	c.server = Direction{End: evidence.Server, Address: c.Server, scale: -1}
	w.TCP = append(w.TCP, c)
	w.current[key] = c
	return c
}

// begins says whether the segment, which is between the same two ports, opens a new conversation: a SYN
// with another initial sequence number, unless the connection that there is still lives on its sender's
// side (such a SYN draws a challenge ACK, RFC 5961 §4).
func (c *Conversation) begins(s *Segment) bool {
	if !s.Flags.Has(SYN) || s.Flags.Has(RST) || s.Checksum == ChecksumBad {
		return false
	}
	from := evidence.Client
	if s.Source != c.Client {
		from = evidence.Server
	}
	mine, theirs := c.Sent(from), c.Sent(Other(from))
	if mine.Started && mine.ISN == s.Seq {
		return false
	}
	over := len(mine.RSTs)+len(theirs.RSTs) > 0 || mine.FIN != nil && theirs.FIN != nil
	if s.Flags.Has(ACK) {
		// A SYN-ACK belongs to the SYN that it acknowledges.
		return over && mine.Started && theirs.Started && s.Ack != theirs.ISN+1
	}
	if over || c.Midstream {
		return true
	}
	if !mine.Started {
		// The other end opens too: both at once, unless this end has answered already.
		return false
	}
	return !theirs.Started // still opening: another attempt from the same port
}

// account brings the segment's relative numbers and counts it in its direction.
func (c *Conversation) account(s *Segment) {
	s.From = evidence.Client
	if s.Source != c.Client {
		s.From = evidence.Server
	}
	mine, theirs := c.Sent(s.From), c.Sent(Other(s.From))
	s.shut = theirs.acking && theirs.lastWin == 0
	s.index, s.nth = len(c.Segments), len(mine.segments)
	mine.segments = append(mine.segments, s)
	mine.settle(s)
	s.RelSeq = mine.relative(s.Seq)
	if s.Flags.Has(ACK) {
		theirs.settleAck(s)
		s.RelAck = theirs.relative(s.Ack)
	}
	c.scaleWindow(s, mine, theirs)
	mine.marks(s, mine.FINAck != nil && theirs.FINAck != nil)
	if s.intact() {
		mine.place(s, theirs)
		c.acknowledge(s, mine, theirs)
		c.open(s, mine, theirs)
	}
	c.Segments = append(c.Segments, s)
	if s.OutsideWindow && s.Flags.Has(SYN) && !s.Flags.Has(ACK) {
		if len(c.strays) > 0 && (c.strays[0].Seq != s.Seq || c.strays[0].From != s.From || len(c.strays) > maxStrays) {
			c.strays = nil
		}
		c.strays = append(c.strays, s)
	}
}

// maxStrays bounds how often a SYN is repeated that is remembered as not belonging to its conversation.
const maxStrays = 64

// settle fixes where the direction's numbers begin.
func (d *Direction) settle(s *Segment) {
	switch {
	case s.Flags.Has(SYN) && !d.Started && s.intact():
		d.ISN, d.based, d.Started = s.Seq, true, true
		d.next, d.seen = 0, reassembly{}
	case !d.based:
		d.ISN, d.based = s.Seq-1, true
		d.next = 1
	}
}

// settleAck does the same from what the other end acknowledges.
func (d *Direction) settleAck(s *Segment) {
	if !d.based {
		d.ISN, d.based = s.Ack-1, true
		d.next = 1
	}
}

// relative unwraps a sequence number: the nearest to where the direction is.
func (d *Direction) relative(number uint32) int64 {
	return d.next + int64(int32(number-(d.ISN+uint32(d.next))))
}

// marks notes the firsts of a direction. over says that the connection was closed both ways before.
func (d *Direction) marks(s *Segment, over bool) {
	if !s.intact() {
		return
	}
	if s.Flags.Has(RST) {
		if !over { // else it answers a straggler, where no connection is left to be reset
			d.RSTs = append(d.RSTs, s)
		}
		return
	}
	if s.Flags.Has(SYN) && d.SYN == nil && s.Seq == d.ISN {
		d.SYN = s
	}
	if s.Flags.Has(FIN) && s.Flags.HasAny(ACK|SYN) && d.FIN == nil {
		d.FIN, d.finAt = s, s.End()-1
	}
}

// scaleWindow computes the window in bytes and learns the shift from the SYNs (RFC 7323 §2.2).
func (c *Conversation) scaleWindow(s *Segment, mine, theirs *Direction) {
	s.ScaledWindow = int64(s.Window)
	if s.Flags.Has(SYN) {
		if mine.SYN == nil {
			mine.scale = s.Options.WindowScale
		}
		return
	}
	if mine.Started && theirs.Started && mine.scale >= 0 && theirs.scale >= 0 {
		s.ScaledWindow <<= mine.scale
	}
}

// windowKnown says whether the windows that this direction's end announces can be put into bytes.
func (d *Direction) windowKnown() bool { return d.Started }

// place accounts for what the segment carries in sequence space.
func (d *Direction) place(s *Segment, theirs *Direction) {
	if s.Flags.Has(RST) || s.End() == s.RelSeq || !s.Flags.HasAny(ACK|SYN) { // without ACK it is dropped, RFC 9293 §3.10.7.4
		s.InFlight = max(0, d.next-max(d.Acked, 0))
		return
	}
	if s.Flags.Has(SYN) && s.Seq != d.ISN { // not the one that opened this connection
		s.OutsideWindow = true
		return
	}
	if d.edge != 0 && theirs.windowKnown() && !s.Flags.Has(SYN) {
		if s.RelSeq > d.edge {
			s.OutsideWindow = true
			return
		}
		s.BeyondWindow = max(0, s.End()-d.edge)
	}
	if s.RelSeq > d.next {
		s.Gap = s.RelSeq - d.next
	}
	d.placeData(s)
	d.placeControl(s)
	d.next = max(d.next, s.End())
	s.InFlight = max(0, d.next-d.Acked)
	if s.RetransmissionOf != 0 {
		s.Fast = theirs.dupACKs >= 3 && s.RelSeq == d.Acked
	}
}

func (d *Direction) placeData(s *Segment) {
	if s.Length == 0 {
		return
	}
	before := d.next
	var first int
	s.Fresh, first, s.Conflict = d.seen.add(s.First(), s.Length, s.Payload, s.Frame)
	if first != 0 {
		s.RetransmissionOf = first
		s.Attempt = d.seen.attempt(s.First())
	}
	s.FillsGap = s.Fresh > 0 && first == 0 && s.First() < before
}

// placeControl does the same for a SYN or FIN without data.
func (d *Direction) placeControl(s *Segment) {
	if s.RetransmissionOf != 0 || s.Length > 0 && s.Fresh > 0 {
		return
	}
	switch {
	case s.Flags.Has(SYN) && d.SYN != s:
		s.RetransmissionOf = d.SYN.Frame
		s.Attempt = d.seen.attempt(-1)
	case s.Flags.Has(FIN) && d.FIN != s && d.finAt == s.End()-1:
		s.RetransmissionOf = d.FIN.Frame
		s.Attempt = d.seen.attempt(d.finAt)
	case s.Flags.Has(FIN) && s.Length == 0 && s.RelSeq < d.next:
		s.FillsGap = true
	}
}

// reportsGap says whether the segment tells of data beyond a gap (RFC 2018). It is a duplicate acknowledgement
// then, whatever its window (RFC 6675 §2).
func (s *Segment) reportsGap() bool {
	return slices.ContainsFunc(s.Options.SACK, func(block SACK) bool { return after(block.Right, s.Ack) })
}

// acknowledge accounts for what the segment acknowledges and the window that it gives.
func (c *Conversation) acknowledge(s *Segment, mine, theirs *Direction) {
	if !s.Flags.Has(ACK) {
		return
	}
	s.AcksUnsent = s.RelAck > theirs.next
	if s.Flags.Has(RST) {
		return
	}
	switch {
	case !mine.acking:
	case s.RelAck < mine.lastAck:
		s.AckBack = true
	case s.RelAck > mine.lastAck:
		mine.dupACKs = 0
	case s.IsPureACK() && (s.ScaledWindow == mine.lastWin || s.reportsGap()) && theirs.next > theirs.Acked && s.RelAck == theirs.Acked:
		mine.dupACKs++
		s.DuplicateACK = mine.dupACKs
	}
	if !s.AckBack {
		mine.lastAck, mine.lastWin = s.RelAck, s.ScaledWindow
	}
	mine.acking = true
	if s.AcksUnsent { // it moves nothing
		return
	}
	theirs.Acked = max(theirs.Acked, s.RelAck)
	if theirs.finAt != 0 && s.RelAck > theirs.finAt && theirs.FINAck == nil {
		theirs.FINAck = s
	}
	theirs.edge = max(theirs.edge, s.RelAck+s.ScaledWindow)
}

// open follows the handshake.
func (c *Conversation) open(s *Segment, mine, theirs *Direction) {
	h := &c.Handshake
	switch {
	case s.Flags.Has(RST):
	case s.Flags.Has(SYN|ACK) && s.From == evidence.Server && h.SYNACK == nil && theirs.Started && s.RelAck >= 1 && !s.AcksUnsent:
		h.SYNACK = s
	case s.Flags.Has(SYN) && !s.Flags.Has(ACK) && s.From == evidence.Client && h.SYN == nil:
		h.SYN = s
	case s.Flags.Has(SYN) && !s.Flags.Has(ACK) && s.From == evidence.Server && h.SYNACK == nil && theirs.Started:
		c.SimultaneousOpen = true
	}
}

// nameHandshakeACK finds the third segment of the handshake, once it is known what arrived.
func (c *Conversation) nameHandshakeACK() {
	h := &c.Handshake
	if h.SYNACK == nil {
		return
	}
	for _, s := range c.client.segments {
		later := s.index > h.SYNACK.index || c.SimultaneousOpen
		if later && s.Flags.Has(ACK) && !s.Flags.Has(RST) && s.RelAck >= 1 && !s.AcksUnsent && s.Arrived() {
			h.ACK = s
			return
		}
	}
}
