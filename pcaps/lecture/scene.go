package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
	"tcpwitness/harness/wire"
)

// scene is one piece of the set: what is played stands in scripts.
type scene struct {
	name  string // of the scenario and of its files
	title report.Text
	rules []string // of the catalogue, which the scene shows
	// faults say that the two programs are on two hosts, and what the wire between them does.
	onWire bool
	faults []wire.Fault
	// pictures are drawn beside the ladder, by their kind in package report.
	pictures []string
	points   []point
	claims   []claim
	// says is what to point at, with the names of points in braces.
	says  report.Text
	looks []look
}

// look is a display filter of Wireshark, and the points that it selects, no more and no fewer.
type look struct {
	filter string
	points []string
}

// view is a record as the pages look at it.
type view struct {
	run      *evidence.Run
	analysis *conversation.Analysis
	numbers  map[string]int // of the points, by name
}

// seen is the n-th TCP conversation, from 1, as it is seen at an end; nil where there is none.
func seen(a *conversation.Analysis, end string, n int) *conversation.Conversation {
	if all := a.SeenBy(end); len(all) >= n {
		return all[n-1]
	}
	return nil
}

// point is a frame or a call that a page names: how it is called there, and how it is found.
type point struct {
	name  string
	call  bool
	means string // in words, for a record in which it is not there
	find  func(v *view) (number int, found bool)
}

// path picks segments: those that an end sends in one conversation, as seen on one side.
type path struct {
	from, side string
	n          int // conversation, from 1
}

// The paths of the first conversation. On a wire each is seen on the sender's side.
var (
	fromClient = path{evidence.Client, evidence.Client, 1}
	fromServer = path{evidence.Server, evidence.Server, 1}
)

// in is the same of another conversation.
func (p path) in(n int) path { p.n = n; return p }

// arriving is the same as seen by the receiver.
func (p path) arriving() path { p.side = conversation.Other(p.from); return p }

// trait is something that a segment is.
type trait struct {
	what  string
	holds func(s *conversation.Segment) bool
}

// flags are exactly those of the segment, PSH aside.
func flags(wanted conversation.Flags) trait {
	return trait{"with the flags " + wanted.String(), func(s *conversation.Segment) bool { return s.Flags&^conversation.PSH == wanted }}
}

// The traits.
var (
	syn    = flags(conversation.SYN)
	synACK = flags(conversation.SYN | conversation.ACK)
	fin    = flags(conversation.FIN | conversation.ACK)
	reset  = trait{"with RST", func(s *conversation.Segment) bool { return s.Flags.Has(conversation.RST) }}
	bare   = trait{"that only acknowledges", (*conversation.Segment).IsPureACK}
	data   = trait{"with data", func(s *conversation.Segment) bool { return s.Length > 0 && !s.Is(conversation.KeepAlive) }}
	again  = trait{"that was sent before", func(s *conversation.Segment) bool { return s.RetransmissionOf != 0 }}
	lost   = trait{"that is lost", func(s *conversation.Segment) bool { return s.Fate == evidence.Lost }}
	sound  = trait{"with a right checksum", func(s *conversation.Segment) bool { return s.Checksum == conversation.ChecksumGood }}
	broke  = trait{"with a wrong checksum", func(s *conversation.Segment) bool { return s.Checksum == conversation.ChecksumBad }}
	closed = trait{"with a window of zero", func(s *conversation.Segment) bool { return s.Window == 0 && s.IsPureACK() }}
	opened = trait{"that opens the window", func(s *conversation.Segment) bool { return s.Is(conversation.WindowUpdate) }}
	probe  = trait{"that probes the window", func(s *conversation.Segment) bool {
		return s.Is(conversation.KeepAlive) || s.Is(conversation.ZeroWindowProbe)
	}}
)

// carrying is data of that length.
func carrying(n int) trait {
	return trait{fmt.Sprintf("with %d bytes", n), func(s *conversation.Segment) bool { return s.Length == n }}
}

// longer is data of more bytes than that, starting data from that byte of the stream on, ending data up to it.
func longer(n int) trait {
	return trait{fmt.Sprintf("with more than %d bytes", n), func(s *conversation.Segment) bool { return s.Length > n }}
}

func starting(n int64) trait {
	return trait{fmt.Sprintf("from byte %d on", n), func(s *conversation.Segment) bool { return s.Length > 0 && s.First() == n }}
}

func ending(n int64) trait {
	return trait{fmt.Sprintf("up to byte %d", n), func(s *conversation.Segment) bool { return s.Length > 0 && s.Last() == n }}
}

// announces is a SYN with that MSS.
func announces(mss int) trait {
	return trait{fmt.Sprintf("that announces an MSS of %d", mss), func(s *conversation.Segment) bool { return s.Options.MSS == mss }}
}

// acks acknowledges that many bytes of data, and a FIN where it counts one more.
func acks(n int) trait {
	return trait{fmt.Sprintf("with the acknowledgement number %d", n+1), func(s *conversation.Segment) bool {
		return s.Flags.Has(conversation.ACK) && s.RelAck == int64(n+1)
	}}
}

// matching are the frames of the segments with all traits.
func (p path) matching(a *conversation.Analysis, traits []trait) (frames []int) {
	c := seen(a, p.side, p.n)
	if c == nil {
		return nil
	}
	for _, s := range c.Sent(p.from).Segments() {
		if !slices.ContainsFunc(traits, func(t trait) bool { return !t.holds(s) }) {
			frames = append(frames, s.Frame)
		}
	}
	return frames
}

func (p path) words(traits []trait) string {
	words := []string{fmt.Sprintf("segment of the %s in conversation %d", p.from, p.n)}
	for _, t := range traits {
		words = append(words, t.what)
	}
	return strings.Join(words, " ")
}

// nth is the n-th segment, from 1, with these traits; n counts from the last one where it is negative.
func (p path) nth(n int, name string, traits ...trait) point {
	return point{name: name, means: fmt.Sprintf("number %d of each %s", n, p.words(traits)), find: func(v *view) (int, bool) {
		frames := p.matching(v.analysis, traits)
		at := n - 1
		if n < 0 {
			at = len(frames) + n
		}
		if at < 0 || at >= len(frames) {
			return 0, false
		}
		return frames[at], true
	}}
}

func (p path) first(name string, traits ...trait) point { return p.nth(1, name, traits...) }
func (p path) last(name string, traits ...trait) point  { return p.nth(-1, name, traits...) }

// after is the first segment with these traits in a later frame than another point, which stands before it.
func (p path) after(other, name string, traits ...trait) point {
	return point{name: name, means: "first after " + other + ": " + p.words(traits), find: func(v *view) (int, bool) {
		for _, frame := range p.matching(v.analysis, traits) {
			if frame > v.numbers[other] {
				return frame, true
			}
		}
		return 0, false
	}}
}

// lastBefore is the last segment with these traits in an earlier frame than a point that stands after it.
func (p path) lastBefore(other point, name string, traits ...trait) point {
	return point{name: name, means: "last before " + other.name + ": " + p.words(traits), find: func(v *view) (last int, found bool) {
		bound, found := other.find(v)
		for _, frame := range p.matching(v.analysis, traits) {
			if frame < bound {
				last = frame
			}
		}
		return last, found && last > 0
	}}
}

// datagram is the n-th UDP datagram, from 1.
func datagram(n int, name string) point {
	return point{name: name, means: fmt.Sprintf("datagram %d", n), find: func(v *view) (int, bool) {
		if len(v.analysis.UDP) < n {
			return 0, false
		}
		return v.analysis.UDP[n-1].Frame, true
	}}
}

// answeredProbe is the answer to the first probe of a zero window, nil where there is none.
func answeredProbe(c *conversation.Conversation) *conversation.Segment {
	probed := false
	for _, s := range c.Segments {
		switch {
		case s.From == evidence.Client && probe.holds(s):
			probed = true
		case probed && s.From == evidence.Server && closed.holds(s):
			return s
		}
	}
	return nil
}

// calls picks calls of an end.
type calls struct{ end string }

var (
	clientCalls = calls{evidence.Client}
	serverCalls = calls{evidence.Server}
)

// nth is the n-th call, from 1, of its kind, and what it returned: a number, or the name of an error.
func (k calls) nth(n int, name string, op evidence.Op, returned string) point {
	means := fmt.Sprintf("%s number %d of the %s, which returns %s", op, n, k.end, returned)
	return point{name: name, call: true, means: means, find: func(v *view) (int, bool) {
		left := n
		for _, c := range v.run.CallsOf(k.end) {
			if c.Op != op {
				continue
			}
			if left--; left == 0 {
				return c.N, result(c) == returned || returned == anything
			}
		}
		return 0, false
	}}
}

func (k calls) first(name string, op evidence.Op, returned string) point {
	return k.nth(1, name, op, returned)
}

// anything is for a call whose result is a descriptor, or does not matter.
const anything = "anything"

func result(c evidence.Call) string {
	switch {
	case !c.Returned():
		return "not yet"
	case c.Failed():
		return c.Errno
	}
	return strconv.Itoa(c.Result)
}

// locate looks up every point. Those that are frames must be in rising order.
func (s *scene) locate(run *evidence.Run) (*view, error) {
	v := &view{run: run, analysis: conversation.Analyse(run), numbers: map[string]int{}}
	last, lastName := 0, ""
	for _, p := range s.points {
		n, found := p.find(v)
		if !found {
			return nil, fmt.Errorf("%s: there is no {%s}: %s", s.name, p.name, p.means)
		}
		if _, twice := v.numbers[p.name]; twice {
			return nil, fmt.Errorf("%s: {%s} is there twice", s.name, p.name)
		}
		v.numbers[p.name] = n
		if p.call {
			continue
		}
		if n <= last {
			return nil, fmt.Errorf("%s: {%s} is frame %d, and {%s} before it frame %d", s.name, p.name, n, lastName, last)
		}
		last, lastName = n, p.name
	}
	for _, c := range s.claims {
		if !c.holds(v) {
			return nil, fmt.Errorf("%s: it does not hold that %s", s.name, c.what)
		}
	}
	return v, nil
}
