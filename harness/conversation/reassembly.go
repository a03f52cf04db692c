package conversation

import (
	"bytes"

	"github.com/google/btree"
)

// treeDegree is the degree of the trees that keep what came in order of its position: captures can be made in
// which each packet belongs in front of all others.
const treeDegree = 16

// piece is data that came first in one segment: it begins at a position and is frame's.
type piece struct {
	from, to int64
	data     []byte // shorter than to-from where the capture cut it
	frame    int
}

// reassembly keeps one direction's data, each byte as it was first seen. It holds the packets' own bytes,
// not copies.
type reassembly struct {
	pieces *btree.BTreeG[piece] // in rising order, not overlapping; nil before the first
	cut    bool
	again  map[int64]int // how often what begins here was sent again
}

// add takes the data of a segment at a position. It returns how many bytes were new, the frame that first
// carried its first byte where that was seen before, and whether repeated bytes differ.
func (r *reassembly) add(from int64, length int, data []byte, frame int) (fresh int, first int, conflict bool) {
	to := from + int64(length)
	if r.pieces == nil {
		r.pieces = btree.NewG(treeDegree, func(a, b piece) bool { return a.from < b.from })
	}
	if last, some := r.pieces.Max(); !some || last.to <= from { // nearly always
		if length > 0 {
			r.pieces.ReplaceOrInsert(piece{from, to, slice(data, 0, int64(length)), frame})
			r.cut = r.cut || len(data) < length
		}
		return length, 0, false
	}
	start := from
	r.pieces.DescendLessOrEqual(piece{from: from}, func(p piece) bool {
		if p.to > from {
			start, first = p.from, p.frame
		}
		return false
	})
	pos := from
	var parts []piece
	fill := func(until int64) {
		if until > pos {
			parts = append(parts, piece{pos, until, slice(data, pos-from, until-from), frame})
			fresh += int(until - pos)
		}
	}
	r.pieces.AscendRange(piece{from: start}, piece{from: to}, func(old piece) bool {
		fill(old.from)
		low, high := max(old.from, from), min(old.to, to)
		if !same(slice(old.data, low-old.from, high-old.from), slice(data, low-from, high-from)) {
			conflict = true
		}
		pos = max(pos, old.to)
		return true
	})
	fill(to)
	for _, p := range parts {
		r.pieces.ReplaceOrInsert(p)
		r.cut = r.cut || len(data) < length
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

func (r *reassembly) ascend(see func(piece) bool) {
	if r.pieces != nil {
		r.pieces.Ascend(see)
	}
}

// length is the number of bytes from position 1 to the first gap.
func (r *reassembly) length() int64 {
	next := int64(1)
	r.ascend(func(p piece) bool {
		if p.from <= next {
			next = max(next, p.to)
		}
		return p.from <= next
	})
	return next - 1
}

// bytes are those from position 1 to the first gap or the first byte that the capture did not keep.
func (r *reassembly) bytes() []byte {
	var stream []byte
	r.ascend(func(p piece) bool {
		next := int64(len(stream)) + 1
		if p.to <= next {
			return true
		}
		if p.from > next {
			return false
		}
		stream = append(stream, slice(p.data, next-p.from, p.to-p.from)...)
		return int64(len(stream)) == p.to-1
	})
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
