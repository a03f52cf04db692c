package conversation

import (
	"bytes"
	"cmp"
	"slices"
)

// maxPending bounds how much can wait behind a gap, in pieces, so that a capture made to be slow is not: no
// receiver holds as many segments, for the kernel accounts 768 bytes for the smallest and 6 MiB for a socket.
var maxPending = 1 << 13

// piece is data that came first in one segment: it begins at a position and is frame's.
type piece struct {
	from, to int64
	data     []byte // shorter than to-from where the capture cut it
	frame    int
}

// reassembly keeps one direction's data, each byte as it was first seen. It holds the packets' own bytes,
// not copies.
type reassembly struct {
	pieces []piece // in rising order, not overlapping
	cut    bool
	again  map[int64]int // how often what begins here was sent again
}

// add takes the data of a segment at a position. It returns how many bytes were new, the frame that first
// carried its first byte where that was seen before, and whether repeated bytes differ.
func (r *reassembly) add(from int64, length int, data []byte, frame int) (fresh int, first int, conflict bool) {
	to := from + int64(length)
	at := len(r.pieces)
	if at > 0 && r.pieces[at-1].to > from {
		at, _ = slices.BinarySearchFunc(r.pieces, from+1, func(p piece, at int64) int { return cmp.Compare(p.to, at) })
	}
	pos := from
	var parts []piece
	fill := func(until int64) {
		if until > pos {
			parts = append(parts, piece{pos, until, slice(data, pos-from, until-from), frame})
			fresh += int(until - pos)
		}
	}
	end := at
	for end < len(r.pieces) && r.pieces[end].from < to {
		old := r.pieces[end]
		if old.from <= from && from < old.to {
			first = old.frame
		}
		fill(old.from)
		low, high := max(old.from, from), min(old.to, to)
		if !same(slice(old.data, low-old.from, high-old.from), slice(data, low-from, high-from)) {
			conflict = true
		}
		parts = append(parts, old)
		pos = max(pos, old.to)
		end++
	}
	fill(to)
	if fresh > 0 && len(r.pieces)-end > maxPending {
		r.cut = true
		return 0, first, conflict
	}
	if fresh > 0 {
		r.cut = r.cut || len(data) < length
		r.pieces = slices.Replace(r.pieces, at, end, parts...)
	}
	return fresh, first, conflict
}

// attempt counts what is sent again from a position.
func (r *reassembly) attempt(at int64) int {
	if r.again == nil {
		r.again = map[int64]int{}
	}
	r.again[at]++
	return r.again[at]
}

// length is the number of bytes from position 1 to the first gap.
func (r *reassembly) length() int64 {
	next := int64(1)
	for _, p := range r.pieces {
		if p.to <= next {
			continue
		}
		if p.from > next {
			break
		}
		next = p.to
	}
	return next - 1
}

// bytes are those from position 1 to the first gap or the first byte that the capture did not keep.
func (r *reassembly) bytes() []byte {
	var stream []byte
	for _, p := range r.pieces {
		next := int64(len(stream)) + 1
		if p.to <= next {
			continue
		}
		if p.from > next {
			break
		}
		stream = append(stream, slice(p.data, next-p.from, p.to-p.from)...)
		if int64(len(stream)) < p.to-1 {
			break
		}
	}
	return stream
}

// slice is data[from:to] as far as there is any.
func slice(data []byte, from, to int64) []byte {
	n := int64(len(data))
	from, to = min(max(from, 0), n), min(max(to, 0), n)
	if from >= to {
		return nil
	}
	return data[from:to]
}

// same compares two copies of the same bytes, as far as both were kept.
func same(a, b []byte) bool {
	n := min(len(a), len(b))
	return bytes.Equal(a[:n], b[:n])
}
