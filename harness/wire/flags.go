package wire

import (
	"strings"

	"github.com/google/gopacket/layers"
)

// Flags are control bits of a TCP segment (RFC 9293 §3.1).
//
// As a selector, Flags picks the segments that bear them all, whatever else they bear; only that SYN and
// SYN|ACK are told apart. In [ReceiveSegment] they are taken exactly, with the exception of PSH and URG.
type Flags uint8

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
)

var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// String joins the names: "SYN|ACK"; "no flags" for none.
func (f Flags) String() string {
	var names []string
	for _, i := range []int{1, 0, 2, 3, 4, 5, 6, 7} { // SYN first, as one says it
		if f&(1<<i) != 0 {
			names = append(names, flagNames[i])
		}
	}
	if len(names) == 0 {
		return "no flags"
	}
	return strings.Join(names, "|")
}

func (f Flags) has(all Flags) bool { return f&all == all }

// picks is what Flags means as a selector.
func (f Flags) picks(p *Packet) bool {
	if !p.IsTCP() || !p.Flags.has(f) {
		return false
	}
	return !f.has(SYN) || f.has(ACK) == p.Flags.has(ACK)
}

func (f Flags) arm() func(*Packet) bool { return f.picks }

func flagsOf(t *layers.TCP) Flags {
	var f Flags
	for i, set := range []bool{t.FIN, t.SYN, t.RST, t.PSH, t.ACK, t.URG, t.ECE, t.CWR} {
		if set {
			f |= 1 << i
		}
	}
	return f
}
