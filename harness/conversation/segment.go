package conversation

import (
	"fmt"
	"net/netip"
	"strings"

	"tcpwitness/harness/evidence"
)

// Flags are the control bits of a TCP header (RFC 9293 §3.1).
type Flags uint16

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE // accurate ECN, once NS
)

// Has says whether all of the given bits are set.
func (f Flags) Has(bits Flags) bool { return f&bits == bits }

// HasAny says whether one of the given bits is set.
func (f Flags) HasAny(bits Flags) bool { return f&bits != 0 }

// String is "SYN, ACK" as Wireshark writes it, "none" for none.
func (f Flags) String() string {
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"} {
		if f.Has(1 << i) {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(set, ", ")
}

// Checksum is what is known about a checksum.
type Checksum int

// What can be known about a checksum.
const (
	ChecksumUnknown Checksum = iota // the capture cut the packet, so it cannot be told
	ChecksumGood
	ChecksumBad
	ChecksumNone // there is none: IPv6's own header, or UDP over IPv4 without one
	// ChecksumPartial is one that the kernel left to hardware to complete: it is that of the pseudo header
	// alone, as a capture on a loopback can hold it.
	ChecksumPartial
)

func (c Checksum) String() string {
	switch c {
	case ChecksumGood:
		return "good"
	case ChecksumBad:
		return "bad"
	case ChecksumNone:
		return "none"
	case ChecksumPartial:
		return "left to hardware"
	}
	return "unknown"
}

// Options are the TCP options of a segment.
type Options struct {
	MSS           int    // maximum segment size in bytes, 0 without the option
	WindowScale   int    // shift count, -1 without the option
	SACKPermitted bool   // may be sent with a SYN only
	SACK          []SACK // blocks that arrived out of order
	Timestamps    bool
	TSVal, TSEcr  uint32
	// Malformed says what is wrong with the options, or is empty.
	Malformed string
}

// SACK is a block of data that was received beyond a gap (RFC 2018), as absolute sequence numbers.
type SACK struct{ Left, Right uint32 }

// Segment is one TCP segment as it was seen on one interface.
type Segment struct {
	Frame     int // evidence.Packet.N
	Time      evidence.Time
	Interface int
	Fate      evidence.Fate

	From                string // the end that sent it: evidence.Client or evidence.Server
	Source, Destination netip.AddrPort
	Flags               Flags
	Seq, Ack            uint32 // as on the wire; Ack means nothing without ACK
	// RelSeq and RelAck count from the initial sequence numbers: the SYN is at 0, the first byte at 1. They
	// do not wrap.
	RelSeq, RelAck int64
	Window         int   // as on the wire
	ScaledWindow   int64 // in bytes, scaled where both SYNs offered scaling
	Urgent         int
	Options        Options
	Length         int    // bytes of data, as the headers say
	Payload        []byte // the data, as far as the capture kept it
	Checksum       Checksum
	IPChecksum     Checksum
	TTL            int // or the hop limit

	// Fresh is how many bytes of data were not seen before in this direction.
	Fresh int
	// RetransmissionOf is the first frame that carried the same data, SYN or FIN, 0 where this is the first.
	RetransmissionOf int
	// Attempt counts the retransmissions of the same thing, from 1; 0 for none.
	Attempt int
	// Fast says that at least three duplicate acknowledgements asked for this retransmission and none had
	// gone on since (RFC 5681 §3.2).
	Fast bool
	// Gap is the number of bytes before it that were not seen yet, beyond all that were seen.
	Gap int64
	// FillsGap says that it carries data, or a SYN or FIN, that was not seen before, from before the end of
	// what was: it came out of order, or an earlier copy was lost before this interface.
	FillsGap bool
	// OutsideWindow says that it begins beyond every window that the other end had given, or is a SYN that does
	// not belong here; its bytes are not counted as sent.
	OutsideWindow bool
	// BeyondWindow is the number of bytes in it that stand beyond every window that the other end had given.
	BeyondWindow int64
	// InFlight is the number of bytes that this end had sent and not seen acknowledged, this segment included.
	InFlight int64
	// Conflict says that it repeats bytes with other contents.
	Conflict bool
	// DuplicateACK counts the acknowledgements that repeat one before, from 1 (RFC 5681 §2, RFC 6675 §2); 0 for
	// none.
	DuplicateACK int
	// AcksUnsent says that it acknowledges what the other end has not sent, as far as was seen.
	AcksUnsent bool
	// Ignored says of an RST that the other end, being alive, does not take it: its sequence number is not
	// the one that is expected (RFC 5961 §3).
	Ignored bool
	// AckBack says that it acknowledges less than its sender had acknowledged before.
	AckBack bool

	// Wireshark are the names that Wireshark's analysis of TCP gives it.
	Wireshark []Name
	// DuplicateOf is the frame of the acknowledgement that Wireshark says is repeated, where it names it so.
	DuplicateOf int

	// After are the states of both ends when it has been sent and, unless it was lost, received.
	After States

	index int  // in the conversation
	nth   int  // of its direction
	shut  bool // the window of the other end was zero
}

// End is the position after the segment: RelSeq plus its data, plus one for a SYN and one for a FIN.
func (s *Segment) End() int64 {
	end := s.RelSeq + int64(s.Length)
	if s.Flags.Has(SYN) {
		end++
	}
	if s.Flags.Has(FIN) {
		end++
	}
	return end
}

// First and Last are the places in the sender's stream of the data it carries, counted from 1; both are
// meaningless where Length is 0.
func (s *Segment) First() int64 {
	if s.Flags.Has(SYN) {
		return s.RelSeq + 1
	}
	return s.RelSeq
}

// Last is the place of its last byte; see First.
func (s *Segment) Last() int64 { return s.First() + int64(s.Length) - 1 }

// IsPureACK says whether it does nothing but acknowledge.
func (s *Segment) IsPureACK() bool {
	return s.Length == 0 && s.Flags.Has(ACK) && !s.Flags.HasAny(SYN|FIN|RST)
}

// Arrived says whether the other end can have taken it: the wire did not lose or corrupt it, and no
// checksum is known to be bad.
func (s *Segment) Arrived() bool {
	return s.Fate != evidence.Lost && s.Fate != evidence.Corrupted && s.intact()
}

func (s *Segment) intact() bool { return s.Checksum != ChecksumBad && s.IPChecksum != ChecksumBad }

// String is one line: frame, direction, flags, relative numbers, length and window.
func (s *Segment) String() string {
	var b strings.Builder
	arrow := "client → server"
	if s.From == evidence.Server {
		arrow = "client ← server"
	}
	fmt.Fprintf(&b, "#%d %s [%s] seq %d", s.Frame, arrow, s.Flags, s.RelSeq)
	if s.Flags.Has(ACK) {
		fmt.Fprintf(&b, " ack %d", s.RelAck)
	}
	fmt.Fprintf(&b, " len %d win %d", s.Length, s.ScaledWindow)
	for _, name := range s.Wireshark {
		fmt.Fprintf(&b, " [%s]", name)
	}
	if s.Checksum == ChecksumBad || s.IPChecksum == ChecksumBad {
		b.WriteString(" [bad checksum]")
	}
	if s.Fate != "" {
		fmt.Fprintf(&b, " [%s]", s.Fate)
	}
	return b.String()
}
