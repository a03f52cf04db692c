package wire

import (
	"fmt"

	"tcpwitness/harness/evidence"
)

// Keep says how much of a packet is recorded.
type Keep int

// How much is kept. Headers are the IP and the TCP or UDP header; of other packets they are 120 bytes.
const (
	Whole Keep = iota
	Headers
	Nothing // the packets are only counted
)

// headersMax bounds the headers of a packet: IPv4 and TCP with all options, 60 bytes each.
const headersMax = 120

// defaultLimit is how many bytes a record takes at most where the options name no limit.
const defaultLimit = 64 << 20

// packetCost is roughly what a packet takes in memory besides its data, in bytes.
const packetCost = 160

// recorder collects what was seen on both sides, in one order.
type recorder struct {
	keep    Keep
	limit   int
	size    int
	packets []evidence.Packet
	counts  [2]int // by the side on which they were seen, those not kept included
	unkept  int    // for want of room
	// The packet that is being carried is kept once where both sides show the same bytes.
	raw, kept []byte
}

func newRecorder(o Options) recorder {
	limit := o.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	return recorder{keep: o.Keep, limit: limit}
}

// next begins with another packet: the buffer that the last one was in may hold another by now.
func (r *recorder) next() { r.raw, r.kept = nil, nil }

// add notes a packet on a side. raw stays as it is until next is called.
func (r *recorder) add(side int, p *Packet, raw []byte, fate evidence.Fate, note string) {
	r.counts[side]++
	if r.keep == Nothing {
		return
	}
	part := raw
	if r.keep == Headers {
		part = raw[:headersOf(p, raw)]
	}
	shared := len(r.raw) == len(raw) && len(raw) > 0 && &r.raw[0] == &raw[0]
	cost := packetCost + len(note)
	if !shared {
		cost += len(part)
	}
	if r.size+cost > r.limit {
		r.unkept++
		return
	}
	r.size += cost
	if !shared {
		r.raw, r.kept = raw, append([]byte(nil), part...)
	}
	r.packets = append(r.packets, evidence.Packet{
		N: len(r.packets) + 1, Time: evidence.Now(), Interface: side,
		Data: r.kept, Length: len(raw), Fate: fate, Comment: note,
	})
}

func headersOf(p *Packet, raw []byte) int {
	if p.payload > 0 {
		return min(p.payload, len(raw))
	}
	return min(headersMax, len(raw))
}

func (r *recorder) snapLength() int {
	if r.keep == Headers {
		return headersMax
	}
	return maxPacket
}

func (r *recorder) shortfall() string {
	if r.unkept == 0 {
		return ""
	}
	return fmt.Sprintf("the record is full: %d packets are missing in it", r.unkept)
}
