// Package conversation says what packets mean: which conversations there were and who began them, the
// handshake, the bytes of both streams, acknowledgements, retransmissions, how each end closed, and the
// RFC 9293 state of each end after each packet, as far as the wire shows it.
//
// It is pure: it takes an evidence.Run and returns values, and opens no socket. Packets are untrusted;
// whatever they hold, nothing here panics, and memory grows with the packets and not with the numbers in
// them. Nothing depends on when a packet came, only on the order; the one exception are the names that
// Wireshark gives (see [Segment.Wireshark]), some of which Wireshark itself decides by time.
//
// A capture with several interfaces is analysed for each interface by itself: the same connection seen on
// the client's and on the server's side of a wire is two conversations.
package conversation

import (
	"maps"
	"net/netip"
	"slices"

	"tcpwitness/harness/evidence"
)

// Analysis is what the packets of one run mean.
type Analysis struct {
	Interfaces []evidence.Interface
	// TCP are the conversations in the order of their first packets.
	TCP []*Conversation
	// UDP are the datagrams in the order of the capture.
	UDP []*Datagram
	// ICMP are the ICMP and ICMPv6 messages.
	ICMP []*Message
	// Other are the frames that are none of these, or could not be understood.
	Other []*Frame

	frames map[int]item // by frame number
}

// item is what one frame is: exactly one field is set.
type item struct {
	conversation *Conversation
	segment      *Segment
	datagram     *Datagram
	message      *Message
	other        *Frame
}

// Conversation is one TCP connection, or one attempt at one, as seen on one interface. A second connection
// between the same two ports is a conversation of its own.
type Conversation struct {
	N         int // number in the analysis, from 1
	Interface int // index in Run.Interfaces
	// Client sent the first SYN. Where no SYN was seen, it sent the first segment; see Midstream.
	Client, Server netip.AddrPort
	// Midstream says that the beginning was not seen, so that it is not known who began.
	Midstream bool
	// SimultaneousOpen says that both ends sent a SYN before they saw the other's (RFC 9293 §3.5).
	SimultaneousOpen bool

	Segments  []*Segment
	Handshake Handshake

	client, server Direction
	ends           tracking
	strays         []*Segment // SYNs of one number that seem not to belong here
}

// Handshake is the three segments that open a connection (RFC 9293 §3.5); nil for one that was not seen.
type Handshake struct {
	SYN    *Segment // the client's first
	SYNACK *Segment // the server's first
	ACK    *Segment // the client's first that acknowledges the server's SYN and was neither lost nor corrupted
}

// Complete says whether all three segments were seen.
func (h Handshake) Complete() bool { return h.SYN != nil && h.SYNACK != nil && h.ACK != nil }

// Frames are the frame numbers of the segments that were seen.
func (h Handshake) Frames() []int { return Frames(h.SYN, h.SYNACK, h.ACK) }

// Direction is what one end sent. Positions in it are relative to the initial sequence number: the SYN is
// at 0, the first byte of data at 1.
type Direction struct {
	End     string // evidence.Client or evidence.Server
	Address netip.AddrPort

	// ISN is the initial sequence number. Where Started is false no SYN was seen, and ISN is a guess that
	// makes the first segment begin at 1.
	ISN     uint32
	Started bool

	SYN *Segment // the first segment with SYN
	FIN *Segment // the first segment with FIN
	// RSTs are the segments with RST, but for those that came when both ends had closed and acknowledged that.
	RSTs []*Segment
	// FINAck is the other end's first segment that acknowledges the FIN.
	FINAck *Segment
	// Acked is the position up to which the other end has acknowledged (its highest acknowledgement number).
	Acked int64

	segments []*Segment
	seen     reassembly
	based    bool  // ISN is set
	next     int64 // where the highest segment so far ended
	finAt    int64 // position of the FIN, 0 for none
	edge     int64 // right edge of the window that the other end gave, 0 for not known
	scale    int   // shift of the windows that this end announces; -1 for not known
	lastAck  int64 // the acknowledgement number that this end sent last
	lastWin  int64
	acking   bool // this end has sent an acknowledgement
	dupACKs  int  // duplicate acknowledgements that this end has sent in a row
}

// Sent is what an end (evidence.Client or evidence.Server) sent.
func (c *Conversation) Sent(end string) *Direction {
	if end == evidence.Server {
		return &c.server
	}
	return &c.client
}

// Address is that of an end.
func (c *Conversation) Address(end string) netip.AddrPort { return c.Sent(end).Address }

// Other is the opposite end.
func Other(end string) string {
	if end == evidence.Server {
		return evidence.Client
	}
	return evidence.Server
}

// Segments are those that the end sent, in the order of the capture.
func (d *Direction) Segments() []*Segment { return d.segments }

// Stream is the data that the end sent, each byte once and in order, up to the first gap or the first byte
// that the capture did not keep (see Cut). Segments with a wrong checksum are left out.
func (d *Direction) Stream() []byte { return d.seen.bytes() }

// Length is the number of bytes that the end sent, up to the first gap; bytes that the capture did not keep
// count too.
func (d *Direction) Length() int64 { return d.seen.length() }

// Cut says whether the capture did not keep all bytes of the stream.
func (d *Direction) Cut() bool { return d.seen.cut }

// Conflicting are the segments that repeat bytes of the stream with other contents than before.
func (d *Direction) Conflicting() []*Segment {
	var found []*Segment
	for _, s := range d.segments {
		if s.Conflict {
			found = append(found, s)
		}
	}
	return found
}

// Data are the segments that carry data, retransmissions included.
func (d *Direction) Data() []*Segment {
	var found []*Segment
	for _, s := range d.segments {
		if s.Length > 0 {
			found = append(found, s)
		}
	}
	return found
}

// Retransmissions are the segments that carry something that was sent before: data, the SYN or the FIN.
func (d *Direction) Retransmissions() []*Segment {
	var found []*Segment
	for _, s := range d.segments {
		if s.RetransmissionOf != 0 {
			found = append(found, s)
		}
	}
	return found
}

// Stream is the data that an end sent; see [Direction.Stream].
func (c *Conversation) Stream(end string) []byte { return c.Sent(end).Stream() }

// Segment is the one in that frame, or nil.
func (c *Conversation) Segment(frame int) *Segment {
	for _, s := range c.Segments {
		if s.Frame == frame {
			return s
		}
	}
	return nil
}

// FINs are the first FIN of each end, in the order of the capture.
func (c *Conversation) FINs() []*Segment {
	var found []*Segment
	for _, s := range c.Segments {
		if s == c.client.FIN || s == c.server.FIN {
			found = append(found, s)
		}
	}
	return found
}

// RSTs are those of both ends, in the order of the capture.
func (c *Conversation) RSTs() []*Segment {
	found := slices.Concat(c.client.RSTs, c.server.RSTs)
	slices.SortFunc(found, func(a, b *Segment) int { return a.Frame - b.Frame })
	return found
}

// Refused says whether the server answered the client's SYN with a reset that the client takes, and never
// with a SYN (RFC 9293 §3.10.7.1).
func (c *Conversation) Refused() bool {
	taken := func(s *Segment) bool { return !s.Ignored }
	return c.client.Started && !c.server.Started && slices.ContainsFunc(c.server.RSTs, taken)
}

// Frames are the frame numbers of segments; nil ones are left out.
func Frames(segments ...*Segment) []int {
	var frames []int
	for _, s := range segments {
		if s != nil {
			frames = append(frames, s.Frame)
		}
	}
	return frames
}

// On yields the TCP conversations of one interface.
func (a *Analysis) On(iface int) []*Conversation {
	var found []*Conversation
	for _, c := range a.TCP {
		if c.Interface == iface {
			found = append(found, c)
		}
	}
	return found
}

// SeenBy yields the TCP conversations as seen at one end: on the interfaces of that end's side, or on all
// that belong to no side, such as a loopback.
func (a *Analysis) SeenBy(end string) []*Conversation {
	var found []*Conversation
	for _, c := range a.TCP {
		if side := a.side(c.Interface); side == "" || side == end {
			found = append(found, c)
		}
	}
	return found
}

// With yields the TCP conversations that have that port or address and port at either end. An address
// without a valid IP matches by its port alone.
func (a *Analysis) With(address netip.AddrPort) []*Conversation {
	var found []*Conversation
	for _, c := range a.TCP {
		if matches(c.Client, address) || matches(c.Server, address) {
			found = append(found, c)
		}
	}
	return found
}

func matches(have, want netip.AddrPort) bool {
	if have.Port() != want.Port() {
		return false
	}
	return !want.Addr().IsValid() || have.Addr().Unmap() == want.Addr().Unmap()
}

// side is the end whose side the interface is, or "".
func (a *Analysis) side(iface int) string {
	if iface >= 0 && iface < len(a.Interfaces) {
		return a.Interfaces[iface].End
	}
	return ""
}

// Of yields the conversation and the segment in a frame, nil where the frame is no TCP segment.
func (a *Analysis) Of(frame int) (*Conversation, *Segment) {
	found := a.frames[frame]
	return found.conversation, found.segment
}

// Frames are the numbers of all frames in the analysis, in rising order.
func (a *Analysis) Frames() []int { return slices.Sorted(maps.Keys(a.frames)) }
