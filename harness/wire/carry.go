package wire

import (
	"fmt"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
)

// treatment is what is to become of one packet. The faults change it one after another.
type treatment struct {
	data   []byte // what is delivered; a fault that changes it makes a copy first
	lost   bool
	hold   *holding // who keeps it, nil for nobody
	copies int      // how many more are delivered
	fate   evidence.Fate
	notes  []string
	// changed and change are fate and notes as they were before it was held.
	changed evidence.Fate
	change  string
}

func (t *treatment) taken() bool { return t.lost || t.hold != nil }

func (t *treatment) mark(fate evidence.Fate, note string) {
	t.fate = fate
	t.notes = append(t.notes, note)
}

// treat lets the faults say what becomes of a packet.
func treat(faults []armed, p *Packet, raw []byte) treatment {
	t := treatment{data: raw}
	for _, f := range faults {
		f.see(p, &t)
	}
	return t
}

// carry takes one packet from a side to the other.
func (w *Wire) carry(from int, raw []byte) {
	p := w.decoder.decode(w.sides[from].end, raw)
	if p.noise {
		w.ignored++
		return
	}
	w.record.next()
	t := treat(w.faults, p, raw)
	w.record.add(from, p, raw, t.fate, strings.Join(t.notes, "; "))
	switch {
	case t.lost:
	case t.hold != nil:
		if err := t.hold.keep(from, p, &t); err != nil {
			w.troubled(err)
			w.deliver(from, p, t.data, evidence.Held, "let go at once: too many are held")
		}
	default:
		fate, note := arrival(t.fate, strings.Join(t.notes, "; "))
		w.deliver(from, p, t.data, fate, note)
		for range t.copies {
			w.deliver(from, p, t.data, evidence.Duplicated, "copy made by the wire")
		}
		for _, f := range w.faults {
			if h := f.holder(); h != nil && h.due() {
				w.letGo(h, "arrives after "+h.what)
			}
		}
	}
	w.watches = slices.DeleteFunc(w.watches, func(x *Watch) bool { return !x.arrival && x.see(p) })
}

// arrival is what the receiving side's record says of a packet: that it is changed. The first of several
// copies arrives as it was sent.
func arrival(sent evidence.Fate, note string) (evidence.Fate, string) {
	if sent == evidence.Duplicated {
		return "", ""
	}
	return sent, note
}

// deliver hands a packet to the side opposite to from.
func (w *Wire) deliver(from int, p *Packet, data []byte, fate evidence.Fate, note string) {
	to := 1 - from
	w.record.add(to, p, data, fate, note)
	if err := w.sides[to].device.write(data); err != nil {
		w.troubled(fmt.Errorf("deliver a packet to the %s: %w", w.sides[to].end, err))
	}
	w.watches = slices.DeleteFunc(w.watches, func(x *Watch) bool { return x.arrival && x.see(p) })
}

// letGo delivers what a hold keeps, in the order in which it was sent.
func (w *Wire) letGo(h *holding, note string) {
	for _, k := range h.release() {
		fate, note := evidence.Held, note
		if changed, change := arrival(k.fate, k.note); changed != "" {
			fate, note = changed, change+"; "+note
		}
		w.deliver(k.from, &k.packet, k.data, fate, note)
	}
}

// Release delivers every packet that a [Hold] keeps.
func (w *Wire) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	for _, f := range w.faults {
		if h := f.holder(); h != nil {
			w.letGo(h, "let go by the test")
		}
	}
}
