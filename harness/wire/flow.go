package wire

import (
	"net/netip"

	"github.com/google/gopacket/layers"
)

// flows follows each direction of each connection as far as selectors need it: where its sequence numbers
// began, how far they went, and how its windows are scaled.
type flows struct {
	known map[direction]*flow
	order []direction // oldest first; bounds what is kept
}

type direction struct{ src, dst netip.AddrPort }

func (d direction) reverse() direction { return direction{d.dst, d.src} }

type flow struct {
	iss    uint32 // sequence number of the SYN
	next   uint32 // one past the highest sequence number sent
	offset int64  // the place in the stream that next stands for; -1 before the SYN
	scale  int    // that the SYN offered; -1 for none
}

// maxFlows bounds the directions that are followed at a time.
const maxFlows = 1 << 12

func newFlows() flows { return flows{known: map[direction]*flow{}} }

// follow fills in what is known of the segment from those before it.
func (f *flows) follow(p *Packet, tcp *layers.TCP) {
	d := direction{p.Src, p.Dst}
	now := f.known[d]
	if p.Flags.has(SYN) && (now == nil || now.iss != p.Seq) {
		now = f.begin(d, p.Seq, scaleOffered(tcp))
	}
	if now == nil {
		return
	}
	start := p.Seq
	if p.Flags.has(SYN) {
		start++ // the data, where there is any, stands behind the SYN
	}
	// The distance to what is known is small; the place in the stream may be beyond 32 bits.
	p.Offset = now.offset + int64(int32(start-now.next))
	length := uint32(len(p.Payload))
	for _, counted := range []Flags{SYN, FIN} {
		if p.Flags.has(counted) {
			length++
		}
	}
	end := p.Seq + length
	p.Repeats = length > 0 && !after(end, now.next)
	if after(end, now.next) {
		now.offset += int64(end - now.next)
		now.next = end
	}
	if other := f.known[d.reverse()]; other != nil && !p.Flags.has(SYN) && now.scale >= 0 && other.scale >= 0 {
		p.scale = now.scale
	}
}

func (f *flows) begin(d direction, iss uint32, scale int) *flow {
	if f.known[d] == nil {
		if len(f.order) == maxFlows {
			delete(f.known, f.order[0])
			f.order = append(f.order[:0], f.order[1:]...)
		}
		f.order = append(f.order, d)
	}
	f.known[d] = &flow{iss: iss, next: iss, offset: -1, scale: scale}
	return f.known[d]
}

// after says whether a sequence number is past another one, modulo 2^32 (RFC 9293 §3.4).
func after(a, b uint32) bool { return int32(a-b) > 0 }

// scaleOffered is the window scale option of a SYN, -1 without one (RFC 7323 §2.2: at most 14).
func scaleOffered(tcp *layers.TCP) int {
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindWindowScale && len(o.OptionData) == 1 {
			return min(int(o.OptionData[0]), 14)
		}
	}
	return -1
}
