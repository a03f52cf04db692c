package wire

import (
	"fmt"
	"math/rand/v2"

	"tcpwitness/harness/evidence"
)

// Fault is something that the wire does to the packets that a selector picks. It is a value and may be used
// in any number of wires. Of several faults that pick the same packet each does its part, in their order;
// once a packet is lost or held the later ones leave it alone.
type Fault interface {
	// String says what it does: "lose number 1 of [data, from the client]".
	String() string
	arm() armed
}

// armed is a fault at work in one wire.
type armed interface {
	// see is told of every packet, in order, and says what becomes of it.
	see(p *Packet, t *treatment)
	// holder is what the fault keeps packets in, nil for most.
	holder() *holding
	// shortfall says what the fault was to do and did not, empty where it did its work.
	shortfall() string
}

// armAll arms faults for a place where no packet can be held back.
func armAll(faults []Fault) ([]armed, error) {
	var list []armed
	for _, f := range faults {
		a := f.arm()
		if a.holder() != nil {
			return nil, fmt.Errorf("a scripted peer cannot have the fault %q: it is told of every packet at once", f)
		}
		list = append(list, a)
	}
	return list, nil
}

// onPick is a fault that does the same to each packet that is picked.
type onPick struct {
	verb      string
	selectors all
	do        func(p *Packet, t *treatment) (done bool)
}

func (f onPick) String() string { return f.verb + " " + f.selectors.String() }

func (f onPick) arm() armed { return &working{fault: f, picks: f.selectors.arm()} }

type working struct {
	fault onPick
	picks func(*Packet) bool
	seen  int // picked
	done  int // and treated
}

func (w *working) see(p *Packet, t *treatment) {
	if !w.picks(p) {
		return
	}
	w.seen++
	if !t.taken() && w.fault.do(p, t) {
		w.done++
	}
}

func (w *working) holder() *holding { return nil }

func (w *working) shortfall() string {
	switch {
	case w.seen == 0:
		return fmt.Sprintf("the fault %q never matched a packet", w.fault)
	case w.done == 0:
		return fmt.Sprintf("the fault %q matched %d packets and could be done to none", w.fault, w.seen)
	}
	return ""
}

// Lose loses each packet that the selectors pick: its sender sent it, nobody receives it.
func Lose(selectors ...Selector) Fault {
	return onPick{"lose", selectors, func(_ *Packet, t *treatment) bool {
		t.lost = true
		t.mark(evidence.Lost, "lost on the wire")
		return true
	}}
}

// Duplicate delivers each packet that the selectors pick twice in a row.
func Duplicate(selectors ...Selector) Fault {
	return onPick{"duplicate", selectors, func(_ *Packet, t *treatment) bool {
		t.copies++
		t.mark(evidence.Duplicated, "duplicated on the wire")
		return true
	}}
}

// Corrupt turns a bit of the payload of each packet that the selectors pick and leaves the checksum as it
// was. Packets without payload are left alone.
func Corrupt(selectors ...Selector) Fault {
	return onPick{"corrupt", selectors, func(p *Packet, t *treatment) bool { return corrupt(p, t, false) }}
}

// Forge corrupts as [Corrupt] does but then makes the checksum right, so that no receiver can notice. It is
// for showing that a check of delivered data can fail.
func Forge(selectors ...Selector) Fault {
	return onPick{"forge", selectors, func(p *Packet, t *treatment) bool { return corrupt(p, t, true) }}
}

func corrupt(p *Packet, t *treatment, repair bool) bool {
	if len(p.Payload) == 0 || p.payload+len(p.Payload) > len(t.data) {
		return false
	}
	at := len(p.Payload) / 2
	t.data = append([]byte(nil), t.data...)
	t.data[p.payload+at] ^= 1
	note := fmt.Sprintf("corrupted on the wire: a bit of payload byte %d turned, the checksum left as it was", at)
	if repair {
		repairChecksum(p, t.data)
		note = fmt.Sprintf("forged on the wire: a bit of payload byte %d turned, the checksum made right", at)
	}
	t.mark(evidence.Corrupted, note)
	return true
}

// ShrinkWindow makes the window that the selected segments offer no larger than that many bytes, with
// regard to the window scale of the connection, and the checksum right.
func ShrinkWindow(bytes int, selectors ...Selector) Fault {
	return onPick{fmt.Sprintf("shrink the window to %d bytes in", bytes), selectors, func(p *Packet, t *treatment) bool {
		if !p.IsTCP() {
			return false
		}
		offered := int(p.Window) << p.scale
		if offered <= bytes {
			return false
		}
		t.data = append([]byte(nil), t.data...)
		setWindow(p, t.data, uint16(bytes>>p.scale))
		repairChecksum(p, t.data)
		t.mark(evidence.Rewritten, fmt.Sprintf("window made smaller on the wire: %d instead of %d bytes", bytes>>p.scale<<p.scale, offered))
		return true
	}}
}

// Rewrite changes the selected packets as change says and makes the TCP or UDP checksum right. change gets
// a copy of the IP packet that it may alter in place, with the place of the transport's header in bytes; it
// keeps the length. The name is for people, as in "rewrite the urgent pointer in data".
func Rewrite(name string, change func(packet []byte, transport int), selectors ...Selector) Fault {
	return onPick{"rewrite " + name + " in", selectors, func(p *Packet, t *treatment) bool {
		if p.payload == 0 {
			return false
		}
		t.data = append([]byte(nil), t.data...)
		change(t.data, p.transport)
		repairChecksum(p, t.data)
		t.mark(evidence.Rewritten, name+" rewritten on the wire")
		return true
	}}
}

// RandomLoss loses packets by chance: that rate of them, between 0 and 1, chosen by the seed. The same
// packets in the same order in a direction suffer the same losses.
func RandomLoss(rate float64, seed uint64) Fault { return randomLoss{rate, seed} }

type randomLoss struct {
	rate float64
	seed uint64
}

func (f randomLoss) String() string {
	return fmt.Sprintf("lose %.4g %% at random, seed %d", f.rate*100, f.seed)
}

func (f randomLoss) arm() armed {
	return &losing{fault: f, chance: map[string]*rand.Rand{
		Client: rand.New(rand.NewPCG(f.seed, 1)),
		Server: rand.New(rand.NewPCG(f.seed, 2)),
	}}
}

type losing struct {
	fault      randomLoss
	chance     map[string]*rand.Rand // by sending end
	seen, lost int
}

func (l *losing) see(p *Packet, t *treatment) {
	l.seen++
	if l.chance[p.From].Float64() >= l.fault.rate || t.taken() {
		return
	}
	l.lost++
	t.lost = true
	t.mark(evidence.Lost, "lost on the wire, by chance")
}

func (l *losing) holder() *holding { return nil }

func (l *losing) shortfall() string {
	if l.lost == 0 {
		return fmt.Sprintf("the fault %q lost none of %d packets", l.fault, l.seen)
	}
	return ""
}
