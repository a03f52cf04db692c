package conversation

import (
	"net/netip"

	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
)

// A datagram has at most 64 KiB (RFC 791), and not more than this many are waited for at once.
const (
	maxDatagram   = 1 << 16
	maxUnfinished = 64
)

type fragmentKey struct {
	iface               int
	source, destination netip.Addr
	protocol            layers.IPProtocol
	id                  uint32
}

// fragments are those of one datagram.
type fragments struct {
	got    ranges
	data   []byte
	total  int // 0 while the last one has not come
	frames []int
	cut    bool
	first  *packet
}

// reassemble takes a fragment and returns the whole packet once it is complete, with the frames that
// carried it; nil before.
func (w *analyser) reassemble(raw *evidence.Packet, p *packet) (*packet, []int) {
	key := fragmentKey{raw.Interface, p.source, p.destination, p.protocol, p.id}
	if p.version == 6 {
		key.protocol = 0 // each fragment names the first header of the whole, which need not be the same
	}
	f := w.fragments[key]
	if f == nil {
		if len(w.fragments) >= maxUnfinished {
			w.other(raw, "fragment: too many datagrams are incomplete", false)
			return nil, nil
		}
		f = &fragments{}
		w.fragments[key] = f
	}
	w.other(raw, "fragment of a datagram", false)
	end := p.offset + p.length
	if end > maxDatagram || len(f.frames) > maxDatagram/8 {
		return nil, nil
	}
	f.frames = append(f.frames, raw.N)
	f.cut = f.cut || p.cut()
	if len(f.data) < end {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[p.offset:], p.payload)
	f.got.add(int64(p.offset), int64(end))
	if !p.more {
		f.total = end
	}
	if p.offset == 0 {
		f.first = p
	}
	if f.first == nil || f.total == 0 || f.got.contiguous(0) < int64(f.total) {
		return nil, nil
	}
	delete(w.fragments, key)
	w.dropOther(f.frames)
	whole := *f.first
	whole.fragment, whole.more, whole.length, whole.payload = false, false, f.total, f.data[:f.total]
	if f.cut { // some bytes were not kept: only the beginning is sure
		whole.payload = f.first.payload
	}
	return &whole, f.frames
}

// dropOther takes fragments off the list of other frames when their datagram is complete.
func (w *analyser) dropOther(frames []int) {
	done := map[int]bool{}
	for _, n := range frames {
		done[n] = true
	}
	kept := w.Other[:0]
	for _, f := range w.Other {
		if !done[f.Frame] {
			kept = append(kept, f)
		}
	}
	w.Other = kept
}
