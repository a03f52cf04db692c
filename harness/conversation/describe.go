package conversation

import (
	"fmt"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
)

// Comment says in plain English what the packet in a frame is, for a packet comment in a capture; "" for a
// frame that is not in the analysis.
func (a *Analysis) Comment(frame int) string { return English().Say(a.Describe(frame)...) }

// Annotate writes a comment on each packet of the run. What a packet has as a comment already is kept
// behind it.
func (a *Analysis) Annotate(run *evidence.Run) {
	english := English()
	for i := range run.Packets {
		p := &run.Packets[i]
		comment := english.Say(a.Describe(p.N)...)
		switch {
		case p.Comment == "":
			p.Comment = comment
		case !strings.HasPrefix(p.Comment, comment):
			p.Comment = comment + "; " + p.Comment
		}
	}
}

// Describe says what the packet in a frame is, in phrases that a [Language] can render.
func (a *Analysis) Describe(frame int) []Phrase {
	it := a.frames[frame]
	switch {
	case it.segment != nil:
		return it.conversation.describe(it.segment)
	case it.datagram != nil:
		return it.datagram.describe(frame)
	case it.message != nil:
		return it.message.describe()
	case it.other != nil:
		return []Phrase{{Kind: SaysOther, Text: it.other.What}}
	}
	return nil
}

func (d *Datagram) describe(frame int) []Phrase {
	if frame != d.Frame {
		return []Phrase{{Kind: SaysFragment, N: slices.Index(d.Frames, frame) + 1, Frame: d.Frame}}
	}
	said := []Phrase{{Kind: SaysDatagram, Bytes: int64(d.Length), Text: fmt.Sprintf("%s → %s", d.Source, d.Destination)}}
	if d.Checksum == ChecksumBad || d.IPChecksum == ChecksumBad {
		said = append(said, Phrase{Kind: SaysBadChecksum, End: evidence.Client})
	}
	return append(said, fatePhrase(d.Fate, evidence.Client)...)
}

func (m *Message) describe() []Phrase {
	if m.PortUnreachable() && m.About != nil {
		return []Phrase{{Kind: SaysUnreachable, Text: m.About.Destination.String()}}
	}
	return []Phrase{{Kind: SaysICMP, Text: fmt.Sprintf("type %d code %d", m.Type, m.Code)}}
}

// describe says what a segment is: what it does, what is odd about it, what the wire did to it, and what
// Wireshark calls it.
func (c *Conversation) describe(s *Segment) []Phrase {
	said := c.describeMain(s)
	add := func(kind Kind, p Phrase) {
		p.Kind, p.End = kind, s.From
		said = append(said, p)
	}
	if s.RetransmissionOf != 0 {
		add(SaysRetransmission, Phrase{N: s.Attempt, Frame: s.RetransmissionOf})
	}
	if s.Conflict {
		add(SaysConflict, Phrase{})
	}
	if s.Fast {
		add(SaysFast, Phrase{})
	}
	if s.Gap > 0 {
		add(SaysGap, Phrase{Bytes: s.Gap})
	}
	if s.FillsGap {
		add(SaysFillsGap, Phrase{})
	}
	if s.OutsideWindow && !s.Flags.Has(SYN) {
		add(SaysOutsideWindow, Phrase{})
	}
	if !s.Flags.HasAny(ACK | SYN | RST) {
		add(SaysOddSegment, Phrase{})
	}
	if s.Is(WindowFull) {
		add(SaysWindowFull, Phrase{})
	}
	if s.Is(ZeroWindow) {
		add(SaysZeroWindow, Phrase{})
	}
	if !s.intact() && s.Fate != evidence.Corrupted {
		add(SaysBadChecksum, Phrase{})
	}
	said = append(said, fatePhrase(s.Fate, s.From)...)
	for _, name := range s.Wireshark {
		said = append(said, Phrase{Kind: SaysWireshark, Text: string(name)})
	}
	return said
}

// describeMain says what the segment does.
func (c *Conversation) describeMain(s *Segment) []Phrase {
	one := func(kind Kind) []Phrase { return []Phrase{{Kind: kind, End: s.From}} }
	switch {
	case s.Flags.Has(RST):
		return one(c.resetKind(s))
	case s.Flags.Has(SYN):
		return append(one(c.synKind(s)), c.describeData(s)...)
	}
	said := c.describeData(s)
	if s == c.Handshake.ACK {
		said = append(one(SaysHandshakeDone), said...)
	}
	if s.Flags.Has(FIN) {
		said = append(said, Phrase{Kind: SaysFIN, End: s.From})
	}
	if s == c.Sent(Other(s.From)).FINAck {
		said = append(said, Phrase{Kind: SaysFINACK, End: s.From})
	}
	if len(said) > 0 {
		return said
	}
	if !s.Flags.Has(ACK) {
		return nil
	}
	return []Phrase{c.describeACK(s)}
}

func (c *Conversation) describeData(s *Segment) []Phrase {
	if s.Length == 0 || s.Is(KeepAlive) {
		return nil
	}
	if s.Is(ZeroWindowProbe) {
		return []Phrase{{Kind: SaysWindowProbe, End: s.From}}
	}
	return []Phrase{{Kind: SaysData, End: s.From, Bytes: int64(s.Length), First: s.First(), Last: s.Last()}}
}

func (c *Conversation) synKind(s *Segment) Kind {
	switch {
	case s.OutsideWindow:
		return SaysSYNUnexpected
	case s == c.Handshake.SYN:
		return SaysSYN
	case s.Flags.Has(ACK):
		return SaysSYNACK
	case c.SimultaneousOpen && s.From == evidence.Server:
		return SaysSYNToo
	}
	return SaysSYNAgain
}

func (c *Conversation) resetKind(s *Segment) Kind {
	before := c.before(s)
	mine := before.Of(s.From)
	switch {
	case mine == SynSent, mine == Listen, mine == SynReceived && !s.Flags.Has(ACK):
		return SaysRSTOpening
	case s.Ignored:
		return SaysRSTIgnored
	case c.Refused() && s.From == evidence.Server && (mine == Closed || mine == Unknown):
		return SaysRefused
	case c.Midstream && mine == Unknown && !s.Flags.Has(ACK):
		return SaysRSTUnknown
	case mine == Closed || mine == FinWait1 || mine == FinWait2 || mine == TimeWait:
		return SaysRSTClosed
	}
	return SaysRST
}

// before is the states of both ends before a segment.
func (c *Conversation) before(s *Segment) States {
	if s.index == 0 {
		return States{c.StateBefore(evidence.Client), c.StateBefore(evidence.Server)}
	}
	return c.Segments[s.index-1].After
}

// describeACK is about a segment that does nothing but acknowledge.
func (c *Conversation) describeACK(s *Segment) Phrase {
	theirs := c.Sent(Other(s.From))
	p := Phrase{End: s.From}
	switch {
	case s.Is(KeepAlive):
		p.Kind = SaysKeepAlive
		if s.shut {
			p.Kind = SaysWindowProbe
		}
	case s.AcksUnsent:
		p.Kind, p.Last = SaysACKUnsent, s.RelAck-1
	case s.DuplicateACK > 0:
		p.Kind, p.N, p.First = SaysDuplicateACK, s.DuplicateACK, s.RelAck
	case c.challenged(s) != 0:
		p.Kind, p.Frame = SaysChallengeACK, c.challenged(s)
	case s.Is(KeepAliveACK):
		p.Kind = SaysKeepAliveAnswer
	case s.Is(WindowUpdate):
		p.Kind, p.Bytes = SaysWindowUpdate, s.ScaledWindow
	case s.Is(DupACK) || s.RelAck <= 1:
		p.Kind = SaysNothingNew
	default:
		p.Kind, p.Last = SaysACK, s.RelAck-1
		if theirs.finAt != 0 {
			p.Last = min(p.Last, theirs.finAt-1)
		}
		if p.Last == 0 || c.saidBefore(s) {
			p.Kind = SaysNothingNew
		}
	}
	return p
}

// saidBefore says whether the segment before from the same end acknowledged as much.
func (c *Conversation) saidBefore(s *Segment) bool {
	if s.nth == 0 {
		return false
	}
	last := c.Sent(s.From).segments[s.nth-1]
	return last.Flags.Has(ACK) && last.RelAck >= s.RelAck
}

// challenged yields the frame that a challenge ACK answers (RFC 5961), 0 where the segment is none: the
// one just before it from the other end did not fit and changed nothing.
func (c *Conversation) challenged(s *Segment) int {
	if s.index == 0 || c.Segments[s.index-1].From == s.From {
		return 0
	}
	last := c.Segments[s.index-1]
	before := c.before(last).Of(s.From)
	unfit := last.OutsideWindow || last.Flags.Has(SYN) && before.Synchronized() || last.Ignored
	if unfit && last.Arrived() {
		return last.Frame
	}
	return 0
}

// Comment is [Analysis.Comment] for a segment of the conversation.
func (c *Conversation) Comment(s *Segment) string { return English().Say(c.describe(s)...) }
