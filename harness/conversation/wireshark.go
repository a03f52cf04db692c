package conversation

import (
	"slices"
	"time"

	"tcpwitness/harness/evidence"
)

// Name is a name that Wireshark's analysis of TCP gives a segment, as its packet list spells it. They
// follow the definitions in the Wireshark User's Guide, "TCP Analysis". Some of them rest on time, so no
// verdict should rest on them: the other fields of a [Segment] do not.
type Name string

// Wireshark's names.
const (
	Retransmission         Name = "TCP Retransmission"
	FastRetransmission     Name = "TCP Fast Retransmission"
	SpuriousRetransmission Name = "TCP Spurious Retransmission"
	OutOfOrder             Name = "TCP Out-Of-Order"
	PreviousNotCaptured    Name = "TCP Previous segment not captured"
	ACKedUnseen            Name = "TCP ACKed unseen segment"
	WindowUpdate           Name = "TCP Window Update"
	WindowFull             Name = "TCP Window Full"
	KeepAlive              Name = "TCP Keep-Alive"
	KeepAliveACK           Name = "TCP Keep-Alive ACK"
	DupACK                 Name = "TCP Dup ACK"
	ZeroWindowProbe        Name = "TCP ZeroWindowProbe"
	ZeroWindow             Name = "TCP ZeroWindow"
	ZeroWindowProbeACK     Name = "TCP ZeroWindowProbeAck"
	PortReused             Name = "TCP Port numbers reused"
)

// fields are the names of Wireshark's filter fields.
func fields() map[Name]string {
	return map[Name]string{
		Retransmission: "retransmission", FastRetransmission: "fast_retransmission",
		SpuriousRetransmission: "spurious_retransmission", OutOfOrder: "out_of_order",
		PreviousNotCaptured: "lost_segment", ACKedUnseen: "ack_lost_segment", WindowUpdate: "window_update",
		WindowFull: "window_full", KeepAlive: "keep_alive", KeepAliveACK: "keep_alive_ack", DupACK: "duplicate_ack",
		ZeroWindowProbe: "zero_window_probe", ZeroWindow: "zero_window", ZeroWindowProbeACK: "zero_window_probe_ack",
		PortReused: "reused_ports",
	}
}

// Field is the display filter for segments with that name, such as "tcp.analysis.retransmission".
func (n Name) Field() string { return "tcp.analysis." + fields()[n] }

// Names are all of Wireshark's names that a segment can have here.
func Names() []Name {
	var names []Name
	for n := range fields() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Is says whether Wireshark gives the segment that name.
func (s *Segment) Is(name Name) bool { return slices.Contains(s.Wireshark, name) }

// The times that Wireshark's definitions name.
const (
	fastWithin       = 20 * time.Millisecond // since the last acknowledgement
	reorderedWithin  = 3 * time.Millisecond  // since the highest segment, where no round trip was measured
	shiftUnknown     = -1
	shiftUnsupported = -2
)

// sharkStream is what Wireshark keeps of a pair of ports; a SYN with a new number starts it anew.
type sharkStream struct {
	low, high sharkFlow
	synAt     evidence.Time
	firstRTT  time.Duration
}

// sharkFlow is one direction of it.
type sharkFlow struct {
	based, started     bool // any segment; one that takes sequence space
	base               uint32
	next               uint32
	nextAt             evidence.Time
	highest            uint32 // up to where the other may acknowledge
	bounded            bool
	ack                uint32
	acked              bool // ack was seen
	ackAt              evidence.Time
	window             int
	shift              int
	unscaled           bool // the last window stood in a SYN-ACK
	dupACKs            int
	ackFrame           int // that first had this acknowledgement
	wasProbe, wasAlive bool
}

// shark names a segment as Wireshark does.
func (w *analyser) shark(key pair, s *Segment) {
	stream := w.wireshark[key]
	if stream == nil {
		stream = newSharkStream()
		w.wireshark[key] = stream
	}
	fwd, rev := stream.flows(key, s)
	if fwd.based && s.Seq != fwd.base && s.Flags.Has(SYN) {
		s.Wireshark = append(s.Wireshark, PortReused)
		if !s.Flags.Has(ACK) {
			*stream = *newSharkStream()
		}
	}
	stream.begin(s, fwd, rev)
	stream.name(s, fwd, rev)
	stream.remember(s, fwd)
}

func newSharkStream() *sharkStream {
	return &sharkStream{low: sharkFlow{shift: shiftUnknown}, high: sharkFlow{shift: shiftUnknown}}
}

func (t *sharkStream) flows(key pair, s *Segment) (fwd, rev *sharkFlow) {
	if s.Source == key.low {
		return &t.low, &t.high
	}
	return &t.high, &t.low
}

// begin notes base numbers, window scaling and the time of the handshake.
func (t *sharkStream) begin(s *Segment, fwd, rev *sharkFlow) {
	if !fwd.based {
		fwd.based, fwd.base = true, s.Seq
	}
	if !rev.based && s.Flags.Has(ACK) {
		rev.based, rev.base = true, s.Ack-1
	}
	if s.Flags.Has(SYN) {
		fwd.shift = s.Options.WindowScale
		if fwd.shift < 0 {
			fwd.shift = shiftUnsupported
		}
		if s.Flags.Has(ACK) {
			if fwd.shift == shiftUnsupported || rev.shift == shiftUnsupported {
				fwd.shift, rev.shift = shiftUnsupported, shiftUnsupported
			}
		} else {
			t.synAt = s.Time
		}
	} else if t.firstRTT == 0 && t.synAt != 0 && s.Flags.Has(ACK) {
		t.firstRTT = s.Time.Sub(t.synAt)
	}
}

func (t *sharkStream) name(s *Segment, fwd, rev *sharkFlow) {
	say := func(n Name) { s.Wireshark = append(s.Wireshark, n) }
	control := s.Flags.HasAny(SYN | FIN | RST)
	ends := s.Seq + uint32(s.Length)

	if s.Length == 1 && fwd.started && s.Seq == fwd.next && rev.acked && rev.window == 0 {
		say(ZeroWindowProbe)
	} else {
		t.nameWindow(s, fwd, rev, say, control, ends)
	}
	if s.Ack != fwd.ack || !fwd.acked {
		fwd.ackFrame, fwd.dupACKs = s.Frame, 0
	}
	if rev.bounded && s.Flags.Has(ACK) && after(s.Ack, rev.highest) {
		say(ACKedUnseen)
		rev.highest = rev.next
	}
	if (s.Length > 0 || s.Flags.HasAny(SYN|FIN)) && !s.Is(KeepAlive) {
		t.nameRepeat(s, fwd, rev, say, ends)
	}
}

// nameWindow finds what concerns windows, keep-alives and duplicate acknowledgements.
func (t *sharkStream) nameWindow(s *Segment, fwd, rev *sharkFlow, say func(Name), control bool, ends uint32) {
	same := s.Length == 0 && fwd.acked && fwd.started && s.Seq == fwd.next && !control
	if s.Window == 0 && !control {
		say(ZeroWindow)
	}
	if fwd.started && after(s.Seq, fwd.next) && !s.Flags.Has(RST) {
		say(PreviousNotCaptured)
	}
	if s.Length <= 1 && fwd.started && s.Seq == fwd.next-1 && !control {
		say(KeepAlive)
	}
	if same && s.Window != 0 && s.Window != fwd.window && s.Ack == fwd.ack {
		say(WindowUpdate)
	}
	if s.Length > 0 && rev.shift != shiftUnknown && !control && ends == rev.ack+uint32(rev.announced()) {
		say(WindowFull)
	}
	switch {
	case !same || s.Window != fwd.window:
	case s.Window != 0 && s.Ack == fwd.ack && rev.wasAlive:
		say(KeepAliveACK)
	case s.Window == 0 && s.Ack == fwd.ack && rev.wasProbe:
		say(ZeroWindowProbeACK)
	case s.Window != 0 && s.Ack == fwd.ack:
		fwd.dupACKs++
		say(DupACK)
		s.DuplicateOf = fwd.ackFrame
	}
}

// nameRepeat finds retransmissions and what came out of order.
func (t *sharkStream) nameRepeat(s *Segment, fwd, rev *sharkFlow, say func(Name), ends uint32) {
	back := fwd.started && after(fwd.next, s.Seq)
	if s.Length > 1 && s.Seq == fwd.next-1 { // adds to a byte that was a probe
		back = false
	}
	reordered := reorderedWithin
	if t.firstRTT > 0 {
		reordered = t.firstRTT
	}
	switch {
	case s.Length > 0 && rev.ack != 0 && !after(ends, rev.ack):
		say(SpuriousRetransmission)
	case !back:
	case rev.dupACKs >= 2 && rev.ack == s.Seq && s.Time.Sub(rev.ackAt) < fastWithin:
		say(FastRetransmission)
	case s.Time.Sub(fwd.nextAt) < reordered && fwd.next != s.takes():
		say(OutOfOrder)
	default:
		say(Retransmission)
	}
}

// takes is the sequence number after the segment.
func (s *Segment) takes() uint32 {
	next := s.Seq + uint32(s.Length)
	if s.Flags.HasAny(SYN | FIN) {
		next++
	}
	return next
}

func (t *sharkStream) remember(s *Segment, fwd *sharkFlow) {
	probe := s.Is(ZeroWindowProbe)
	if next := s.takes(); !probe && (!fwd.started || after(next, fwd.next)) {
		fwd.next, fwd.nextAt = next, s.Time
		fwd.started = true
	}
	if !probe && (!fwd.bounded || s.Seq == fwd.highest) {
		fwd.highest, fwd.bounded = fwd.next, true
	}
	fwd.window, fwd.unscaled = s.Window, s.Flags.Has(SYN|ACK)
	fwd.ack, fwd.acked, fwd.ackAt = s.Ack, true, s.Time
	fwd.wasProbe, fwd.wasAlive = probe, s.Is(KeepAlive)
}

// announced is the window in bytes.
func (f *sharkFlow) announced() int64 {
	if f.unscaled || f.shift < 0 {
		return int64(f.window)
	}
	return int64(f.window) << f.shift
}

// after compares sequence numbers, which wrap.
func after(a, b uint32) bool { return int32(a-b) > 0 }
