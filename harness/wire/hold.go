package wire

import (
	"fmt"
	"strings"

	"tcpwitness/harness/evidence"
)

// Held is a fault that keeps packets back, see [Hold].
type Held struct {
	selectors all
	until     all
	hasUntil  bool
}

// Hold keeps back each packet that the selectors pick, until [Wire.Release] lets them go and the hold is
// over. See [Held.Until].
func Hold(selectors ...Selector) Held { return Held{selectors: selectors} }

// Until lets the held packets go right after a packet that these selectors pick was delivered, whichever end
// sent it, and then the hold is over. They are asked about the packets that are sent from the first held one
// on, that one not included.
func (h Held) Until(passed ...Selector) Held {
	h.until, h.hasUntil = passed, true
	return h
}

// Reorder delivers each packet that the selectors pick after the next data segment or datagram of the same
// end that is not a retransmission.
func Reorder(selectors ...Selector) Fault { return reorder{selectors} }

type reorder struct{ selectors all }

func (r reorder) String() string { return "reorder " + r.selectors.String() }

func (r reorder) arm() armed {
	return &holding{fault: r, picks: r.selectors.arm(), until: func() func(*Packet, string) bool {
		return func(p *Packet, end string) bool { return p.From == end && len(p.Payload) > 0 && !p.Repeats }
	}, what: "the next one of the same end", goesOn: true}
}

func (h Held) String() string {
	if !h.hasUntil {
		return "hold " + h.selectors.String()
	}
	return fmt.Sprintf("hold %s until [%s] has passed", h.selectors, h.until)
}

func (h Held) arm() armed {
	armed := &holding{fault: h, picks: h.selectors.arm()}
	if h.hasUntil {
		armed.what = "[" + h.until.String() + "]"
		armed.until = func() func(*Packet, string) bool {
			passed := h.until.arm()
			return func(p *Packet, _ string) bool { return passed(p) }
		}
	}
	return armed
}

// holding is a hold at work.
type holding struct {
	fault Fault
	picks func(*Packet) bool
	// until makes the condition anew each time that a first packet is held; it is told the end of that one.
	until  func() func(p *Packet, end string) bool
	what   string // is awaited, in words
	passed func(p *Packet, end string) bool
	goesOn bool // after it let packets go it holds the next ones
	ended  bool
	kept   []keptPacket
	ripe   bool // the packet that was just seen is the awaited one
	count  int
}

type keptPacket struct {
	from   int
	packet Packet
	data   []byte
	fate   evidence.Fate // what was done to it before it was held
	note   string
}

// maxHeld bounds the packets that one hold keeps.
const maxHeld = 1 << 10

func (h *holding) see(p *Packet, t *treatment) {
	h.ripe = len(h.kept) > 0 && h.passed != nil && h.passed(p, h.kept[0].packet.From)
	if !h.picks(p) || t.taken() || h.ripe || h.ended {
		return
	}
	h.count++
	t.hold = h
	t.changed, t.change = t.fate, strings.Join(t.notes, "; ")
	note := "held on the wire"
	if h.what != "" {
		note += " until " + h.what + " has passed"
	}
	t.mark(evidence.Held, note)
}

func (h *holding) keep(from int, p *Packet, t *treatment) error {
	if len(h.kept) == maxHeld {
		return fmt.Errorf("%s: more than %d packets", h.fault, maxHeld)
	}
	if len(h.kept) == 0 && h.until != nil {
		h.passed = h.until()
	}
	k := keptPacket{from, *p, append([]byte(nil), t.data...), t.changed, t.change}
	k.packet.Payload = nil
	if p.payload > 0 {
		k.packet.Payload = k.data[p.payload : p.payload+len(p.Payload)]
	}
	h.kept = append(h.kept, k)
	return nil
}

// due says whether the packet that was just delivered lets the held ones go.
func (h *holding) due() bool { return h.ripe && len(h.kept) > 0 }

func (h *holding) release() []keptPacket {
	kept := h.kept
	h.kept, h.passed, h.ripe, h.ended = nil, nil, false, !h.goesOn
	return kept
}

func (h *holding) holder() *holding { return h }

func (h *holding) shortfall() string {
	switch {
	case h.count == 0:
		return fmt.Sprintf("the fault %q never matched a packet", h.fault)
	case len(h.kept) > 0:
		return fmt.Sprintf("the fault %q kept %d packets to the end", h.fault, len(h.kept))
	}
	return ""
}
