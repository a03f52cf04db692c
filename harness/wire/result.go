package wire

import (
	"slices"

	"tcpwitness/harness/evidence"
)

// Count is how many packets were seen on each side: those that the end sent, lost ones included, and those
// that it received.
type Count struct{ Client, Server int }

// Count tells how many packets were seen so far, whether they were recorded or not. What is not carried
// (see [Wire.Ignored]) is not counted.
func (w *Wire) Count() Count {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Count{w.record.counts[0], w.record.counts[1]}
}

// Ignored is the number of packets that were not carried because they are not from one host to the other:
// multicast and the like.
func (w *Wire) Ignored() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ignored
}

// Packets yields what was recorded so far, both sides in one order: a packet that crossed is there twice,
// on the sender's side and then on the receiver's.
func (w *Wire) Packets() []evidence.Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.record.packets)
}

// Problems says why a run over this wire cannot be judged: a fault that never matched, a packet that was held
// to the end, a record that is not complete, a failure of the wire. It is asked when the run is over.
func (w *Wire) Problems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	problems := append(slices.Clone(w.trouble), shortfalls(w.faults)...)
	if s := w.record.shortfall(); s != "" {
		problems = append(problems, s)
	}
	return problems
}

// shortfalls are what faults were to do and did not.
func shortfalls(faults []armed) []string {
	var list []string
	for _, f := range faults {
		if s := f.shortfall(); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// Interfaces are the two places where packets are seen. Their indexes are those of the packets' Interface.
func (w *Wire) Interfaces() []evidence.Interface {
	var list []evidence.Interface
	for _, s := range w.sides {
		list = append(list, evidence.Interface{
			Name: s.end, LinkType: evidence.LinkRaw, End: s.end, SnapLength: w.record.snapLength(),
		})
	}
	return list
}

// Fill adds to a run what the wire knows of it: interfaces, packets, the addresses of the ends it lists, and
// problems as faults. The run has no packets yet. Call it when the run is over, best after [Wire.Close].
func (w *Wire) Fill(run *evidence.Run) {
	run.Interfaces = w.Interfaces()
	run.Packets = w.Packets()
	run.Faults = append(run.Faults, w.Problems()...)
	fillAddresses(run, w.Client, w.Server)
}

func fillAddresses(run *evidence.Run, hosts ...*Host) {
	for i := range run.Ends {
		for _, h := range hosts {
			if h != nil && h.End() == run.Ends[i].Name {
				run.Ends[i].Addresses = h.Addresses()
			}
		}
	}
}
