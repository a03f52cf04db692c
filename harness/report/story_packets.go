package report

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// flight is one packet on its way: where and when it left, and where and when it arrived. On a loopback
// both are the same frame; a lost packet has no arrival, and one made by the wire no departure.
type flight struct {
	from    lane
	conn    *connection // nil for what is not TCP
	out, in *sighting
	seg     *conversation.Segment // nil for what is not TCP
	what    string                // for what is not TCP: "UDP", "ICMP: port unreachable"…
	length  int                   // bytes of data
	window  Text                  // what it has to do with a window of zero, empty for nothing
}

// sighting is one frame.
type sighting struct {
	frame int
	time  evidence.Time
	fate  evidence.Fate
	seg   *conversation.Segment
}

func (f *flight) first() *sighting {
	if f.out != nil {
		return f.out
	}
	return f.in
}

// same says whether leaving and arriving are one frame.
func (f *flight) same() bool { return f.out != nil && f.in != nil && f.out.frame == f.in.frame }

// lost says that it left and never arrived.
func (f *flight) lost() bool { return f.in == nil }

// spoilt says that it did not arrive as it left, or could not be used.
func (f *flight) spoilt() bool {
	s := f.in
	if s == nil {
		s = f.out
	}
	return s.fate == evidence.Corrupted || s.seg != nil && (s.seg.Checksum == conversation.ChecksumBad || s.seg.IPChecksum == conversation.ChecksumBad)
}

// frames are the numbers of its frames.
func (f *flight) frames() []int {
	switch {
	case f.out == nil:
		return []int{f.in.frame}
	case f.in == nil || f.same():
		return []int{f.out.frame}
	}
	return []int{f.out.frame, f.in.frame}
}

// pairPackets finds for each packet that left one side of a wire the one that arrived at the other.
func (s *story) pairPackets() {
	for _, c := range s.connections {
		s.pairConnection(c)
	}
	s.addDatagrams()
	for _, m := range s.analysis.ICMP {
		s.flights = append(s.flights, &flight{
			from: s.sideOf(m.Source.String(), right), what: messageName(m),
			out: &sighting{frame: m.Frame, time: m.Time}, in: &sighting{frame: m.Frame, time: m.Time},
		})
	}
	sort.SliceStable(s.flights, func(i, j int) bool {
		return s.flights[i].first().frame < s.flights[j].first().frame
	})
	s.noteWindows()
}

func (s *story) pairConnection(c *connection) {
	client, server := c.views[left], c.views[right]
	if client == nil && server == nil {
		return // known from its calls alone
	}
	if client == server {
		for _, seg := range client.Segments {
			at := &sighting{frame: seg.Frame, time: seg.Time, fate: seg.Fate, seg: seg}
			f := &flight{from: laneOf(seg.From), conn: c, seg: seg, out: at, in: at, length: seg.Length}
			if seg.Fate == evidence.Lost {
				f.in = nil
			}
			s.flights = append(s.flights, f)
		}
		return
	}
	for _, from := range []lane{left, right} {
		s.pairDirection(c, from)
	}
}

// noteWindows says which segments ask about a window of zero, and which open it again.
func (s *story) noteWindows() {
	shut := map[*connection]*[2]bool{} // the window that an end has announced last is zero
	for _, f := range s.flights {
		if f.seg == nil {
			continue
		}
		if shut[f.conn] == nil {
			shut[f.conn] = &[2]bool{}
		}
		mine, theirs := &shut[f.conn][f.from], shut[f.conn][f.from.other()]
		switch {
		case f.seg.Flags.HasAny(conversation.RST | conversation.SYN):
		case theirs && (f.seg.Is(conversation.KeepAlive) || f.seg.Is(conversation.ZeroWindowProbe)):
			f.window = Text{"window probe", "窗口探测"}
		case *mine && f.seg.ScaledWindow > 0:
			f.window = Text{"window opens again", "窗口重新打开"}
		}
		*mine = f.seg.ScaledWindow == 0 && !f.seg.Flags.HasAny(conversation.RST|conversation.SYN)
	}
}

// farthest is how many arrivals are looked at for one departure: no wire lets more packets pass another.
const farthest = 4096

// pairDirection pairs what one end sent: a departure with the first arrival of an equal segment that is
// not taken yet. Copies arrive after what they are copies of.
func (s *story) pairDirection(c *connection, from lane) {
	arrivals := sentBy(c.views[from.other()], from)
	taken := make([]bool, len(arrivals))
	next := 0
	for _, seg := range sentBy(c.views[from], from) {
		f := &flight{from: from, conn: c, seg: seg, length: seg.Length}
		f.out = &sighting{frame: seg.Frame, time: seg.Time, fate: seg.Fate, seg: seg}
		if seg.Fate == evidence.Lost {
			s.flights = append(s.flights, f)
			continue
		}
		for next < len(taken) && taken[next] {
			next++
		}
		for i := next; i < min(len(arrivals), next+farthest); i++ {
			if !taken[i] && arrivals[i].Fate != evidence.Duplicated && equalSegments(seg, arrivals[i]) {
				taken[i] = true
				f.in = &sighting{frame: arrivals[i].Frame, time: arrivals[i].Time, fate: arrivals[i].Fate, seg: arrivals[i]}
				break
			}
		}
		s.flights = append(s.flights, f)
	}
	for i, seg := range arrivals {
		if !taken[i] {
			s.flights = append(s.flights, &flight{
				from: from, conn: c, seg: seg, length: seg.Length,
				in: &sighting{frame: seg.Frame, time: seg.Time, fate: seg.Fate, seg: seg},
			})
		}
	}
}

func sentBy(view *conversation.Conversation, from lane) []*conversation.Segment {
	if view == nil {
		return nil
	}
	return view.Sent(from.end()).Segments()
}

// equalSegments says whether one can be the other after its way. What a wire changes (a bit of the data, a
// window) is not compared.
func equalSegments(a, b *conversation.Segment) bool {
	return a.Seq == b.Seq && a.Ack == b.Ack && a.Flags == b.Flags && a.Length == b.Length &&
		a.Options.TSVal == b.Options.TSVal && a.Options.TSEcr == b.Options.TSEcr
}

// addDatagrams pairs each datagram with its arrival on the other side of a wire.
func (s *story) addDatagrams() {
	var onTheWay [2][]*flight // by sender
	for _, d := range s.analysis.UDP {
		at := &sighting{frame: d.Frame, time: d.Time, fate: d.Fate}
		from := s.datagramFrom(d)
		f := &flight{from: from, what: "UDP", length: d.Length}
		side := s.sideOfInterface(d.Interface)
		switch {
		case side == "":
			f.out = at
			if d.Fate != evidence.Lost {
				f.in = at
			}
		case laneOf(side) == from:
			f.out = at
			if d.Fate != evidence.Lost {
				onTheWay[from] = append(onTheWay[from], f)
			}
		default:
			i := slices.IndexFunc(onTheWay[from], func(sent *flight) bool { return s.sameData(sent.out.frame, d.Frame) })
			if i >= 0 {
				onTheWay[from][i].in = at
				onTheWay[from] = slices.Delete(onTheWay[from], i, i+1)
				continue
			}
			f.in = at
		}
		s.flights = append(s.flights, f)
	}
}

// sameData says whether two frames are the same packet.
func (s *story) sameData(a, b int) bool {
	x, y := s.packets[a], s.packets[b]
	return x != nil && y != nil && bytes.Equal(x.Data, y.Data)
}

// datagramFrom is the end that sent a datagram: the one whose address it bears, else the server where it
// comes from the port that the scenario serves on.
func (s *story) datagramFrom(d *conversation.Datagram) lane {
	if s.run.Address.IsValid() && s.run.Address.Port() != 0 {
		switch s.run.Address.Port() {
		case d.Source.Port():
			return right
		case d.Destination.Port():
			return left
		}
	}
	return s.sideOf(d.Source.Addr().String(), left)
}

// sideOf is the end that has an address, otherwise unless one has.
func (s *story) sideOf(address string, otherwise lane) lane {
	for _, e := range s.run.Ends {
		for _, a := range e.Addresses {
			if a.String() == address {
				return laneOf(e.Name)
			}
		}
	}
	return otherwise
}

func (s *story) sideOfInterface(index int) string {
	if index >= 0 && index < len(s.run.Interfaces) {
		return s.run.Interfaces[index].End
	}
	return ""
}

func messageName(m *conversation.Message) string {
	switch {
	case m.PortUnreachable():
		return "ICMP: port unreachable"
	case m.Unreachable():
		return "ICMP: unreachable"
	}
	return fmt.Sprintf("ICMP type %d", m.Type)
}

// flags are the control bits as people write them on arrows.
func flagsOf(seg *conversation.Segment) string {
	return strings.ReplaceAll(seg.Flags.String(), ", ", ",")
}

// labels are what is written on a packet's arrow, from the longest to the shortest.
func (f *flight) labels(letters bool) []string {
	var number []string
	for _, n := range f.frames() {
		number = append(number, fmt.Sprint(n))
	}
	head := strings.Join(number, "→")
	if letters && f.conn != nil {
		head = f.conn.letter() + " " + head
	}
	if f.seg == nil {
		long := head + " " + f.what
		if f.what == "UDP" {
			long += fmt.Sprintf(" len %d", f.length)
		}
		return []string{long, head + " " + f.what, head}
	}
	seg := f.seg
	flags := flagsOf(seg)
	acks := seg.Flags.Has(conversation.ACK)
	full := fmt.Sprintf("%s %s seq %d", head, flags, seg.RelSeq)
	if acks {
		full += fmt.Sprintf(" ack %d", seg.RelAck)
	}
	if seg.Length > 0 {
		full += fmt.Sprintf(" len %d", seg.Length)
	}
	medium := full
	if seg.IsPureACK() {
		medium = fmt.Sprintf("%s %s ack %d", head, flags, seg.RelAck)
	} else if seg.Length > 0 {
		medium = fmt.Sprintf("%s %s %d:%d", head, flags, seg.RelSeq, seg.RelSeq+int64(seg.Length))
		if acks {
			medium += fmt.Sprintf(" ack %d", seg.RelAck)
		}
	}
	if !seg.Flags.Has(conversation.RST) {
		full += fmt.Sprintf(" win %d", seg.ScaledWindow)
	}
	short := fmt.Sprintf("%s %s", head, flags)
	if seg.Length > 0 {
		short += fmt.Sprintf(" len %d", seg.Length)
	}
	return []string{full, medium, short, fmt.Sprintf("%s %s", head, flags), head}
}

// remark says what is odd about a packet, empty for nothing.
func (f *flight) remark() Text {
	switch {
	case f.out != nil && f.out.fate == evidence.Lost:
		return Text{"lost", "丢失"}
	case f.spoilt():
		return Text{"corrupted", "损坏"}
	case f.out == nil && f.in.fate == evidence.Duplicated:
		return Text{"copy made by the wire", "线路产生的副本"}
	case f.first().fate == evidence.Held:
		return Text{"held back", "被滞留"}
	case f.first().fate == evidence.Rewritten:
		return Text{"rewritten on the wire", "被线路改写"}
	}
	if f.seg == nil {
		return Text{}
	}
	switch {
	case f.seg.RetransmissionOf != 0 && f.seg.Fast:
		return Text{fmt.Sprintf("fast retransmission of %d", f.seg.RetransmissionOf), fmt.Sprintf("快速重传第 %d 帧", f.seg.RetransmissionOf)}
	case f.seg.RetransmissionOf != 0:
		return Text{fmt.Sprintf("retransmission of %d", f.seg.RetransmissionOf), fmt.Sprintf("重传第 %d 帧", f.seg.RetransmissionOf)}
	case f.seg.OutsideWindow:
		return Text{"outside the window", "在窗口之外"}
	case f.seg.ScaledWindow == 0 && !f.seg.Flags.HasAny(conversation.RST|conversation.SYN):
		return Text{"window is zero", "零窗口"}
	case f.window != (Text{}):
		return f.window
	case f.seg.DuplicateACK > 0:
		return Text{fmt.Sprintf("duplicate ACK %d", f.seg.DuplicateACK), fmt.Sprintf("重复确认 %d", f.seg.DuplicateACK)}
	}
	return Text{}
}
