package wire

import (
	"bytes"
	"fmt"
	"strings"
)

// Selector chooses packets by what they are. It is a value and may be used in any number of faults and
// wires; what it counts, it counts in each of them anew. Where several selectors are given, all must hold.
type Selector interface {
	// String completes "each packet that is …".
	String() string
	// arm yields the selector at its beginning. It is to be asked about every packet, in order.
	arm() func(*Packet) bool
}

// Kind is a selector for a kind of packet.
type Kind int

// The kinds.
const (
	Anything   Kind = iota
	Data            // a TCP segment with payload
	BareACK         // a TCP segment that does nothing but acknowledge or update the window
	Datagram        // a UDP datagram
	Retransmit      // a TCP segment with a SYN, a FIN or data, all of which was sent before
)

func (k Kind) String() string {
	return [...]string{"anything", "data", "bare ACK", "datagram", "retransmission"}[k]
}

func (k Kind) arm() func(*Packet) bool {
	return func(p *Packet) bool {
		switch k {
		case Data:
			return p.IsTCP() && len(p.Payload) > 0
		case BareACK:
			return p.IsTCP() && len(p.Payload) == 0 && p.Flags&(SYN|FIN|RST|ACK) == ACK
		case Datagram:
			return p.IsUDP()
		case Retransmit:
			return p.Repeats
		}
		return true
	}
}

// From selects what an end sent.
func From(end string) Selector {
	return Where("from the "+end, func(p *Packet) bool { return p.From == end })
}

// Where selects what f says, which is asked about each packet once, keeps no state, and must not call the
// wire. The name is for people.
func Where(name string, f func(*Packet) bool) Selector { return where{name, f} }

type where struct {
	name string
	f    func(*Packet) bool
}

func (s where) String() string          { return s.name }
func (s where) arm() func(*Packet) bool { return s.f }

// DataAt selects each segment of an end that carries the byte at that place in its stream, from 0. It finds
// the retransmissions of that byte as well as the first one.
func DataAt(end string, offset int64) Selector {
	return Where(fmt.Sprintf("byte %d of the %s's stream", offset, end), func(p *Packet) bool {
		return p.From == end && p.IsTCP() && p.Offset >= 0 && p.Offset <= offset && offset < p.Offset+int64(len(p.Payload))
	})
}

// Containing selects segments and datagrams with that text in their payload.
func Containing(text string) Selector {
	return Where(fmt.Sprintf("payload with %q", text), func(p *Packet) bool { return bytes.Contains(p.Payload, []byte(text)) })
}

// All selects what every one of them selects.
func All(selectors ...Selector) Selector { return all(selectors) }

type all []Selector

func (s all) String() string {
	if len(s) == 0 {
		return Anything.String()
	}
	names := make([]string, len(s))
	for i := range s {
		names[i] = s[i].String()
	}
	return strings.Join(names, ", ")
}

func (s all) arm() func(*Packet) bool {
	parts := make([]func(*Packet) bool, len(s))
	for i := range s {
		parts[i] = s[i].arm()
	}
	return func(p *Packet) bool {
		yes := true
		for _, part := range parts { // each is asked, for each may count
			yes = part(p) && yes
		}
		return yes
	}
}

// Except selects what the selector does not.
func Except(s Selector) Selector { return except{s} }

type except struct{ of Selector }

func (s except) String() string { return "not " + s.of.String() }

func (s except) arm() func(*Packet) bool {
	of := s.of.arm()
	return func(p *Packet) bool { return !of(p) }
}

// Nth selects the n-th packet, from 1, of those that the selectors pick.
func Nth(n int, selectors ...Selector) Selector { return nth{n, n, all(selectors)} }

// UpTo selects the first n packets of those that the selectors pick.
func UpTo(n int, selectors ...Selector) Selector { return nth{1, n, all(selectors)} }

// First selects the first packet that the selectors pick.
func First(selectors ...Selector) Selector { return Nth(1, selectors...) }

// FirstData selects the first data segment of an end, and not its retransmission.
func FirstData(end string) Selector { return First(Data, From(end)) }

// NthData selects the n-th data segment of an end, from 1.
func NthData(n int, end string) Selector { return Nth(n, Data, From(end)) }

type nth struct {
	from, to int
	of       all
}

func (s nth) String() string {
	if s.from != s.to {
		return fmt.Sprintf("the first %d of [%s]", s.to, s.of)
	}
	return fmt.Sprintf("number %d of [%s]", s.from, s.of)
}

func (s nth) arm() func(*Packet) bool {
	of, seen := s.of.arm(), 0
	return func(p *Packet) bool {
		if !of(p) {
			return false
		}
		seen++
		return s.from <= seen && seen <= s.to
	}
}
