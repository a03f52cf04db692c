package conversation

import (
	"cmp"
	"slices"
)

// span is a half-open range of positions in a direction.
type span struct{ from, to int64 }

// ranges is a set of positions: spans in rising order that neither overlap nor touch.
type ranges struct{ spans []span }

// add puts [from, to) into the set and returns how many positions were not in it.
func (r *ranges) add(from, to int64) (fresh int64) {
	if to <= from {
		return 0
	}
	// The first span that touches or comes after from. Nearly always that is the last one.
	at := len(r.spans)
	if at > 0 && r.spans[at-1].to >= from {
		at, _ = slices.BinarySearchFunc(r.spans, from, func(s span, from int64) int { return cmp.Compare(s.to, from) })
	}
	end := at
	merged := span{from, to}
	fresh = to - from
	for end < len(r.spans) && r.spans[end].from <= to {
		s := r.spans[end]
		fresh -= max(0, min(s.to, to)-max(s.from, from))
		merged.from, merged.to = min(merged.from, s.from), max(merged.to, s.to)
		end++
	}
	if end == at+1 { // the common case: one span grows
		r.spans[at] = merged
		return fresh
	}
	if len(r.spans)-end > maxPending {
		return 0
	}
	r.spans = slices.Replace(r.spans, at, end, merged)
	return fresh
}

// holds says whether a position is in the set.
func (r *ranges) holds(at int64) bool {
	i, _ := slices.BinarySearchFunc(r.spans, at, func(s span, at int64) int { return cmp.Compare(s.to, at+1) })
	return i < len(r.spans) && r.spans[i].from <= at
}

// contiguous is the first position from start on that is not in the set.
func (r *ranges) contiguous(start int64) int64 {
	i, _ := slices.BinarySearchFunc(r.spans, start, func(s span, at int64) int { return cmp.Compare(s.to, at+1) })
	if i < len(r.spans) && r.spans[i].from <= start {
		return r.spans[i].to
	}
	return start
}
