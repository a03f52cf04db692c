package conversation

import "github.com/google/btree"

// span is a half-open range of positions in a direction.
type span struct{ from, to int64 }

// ranges is a set of positions.
type ranges struct {
	spans *btree.BTreeG[span] // in rising order; they neither overlap nor touch; nil before the first
}

// add puts [from, to) into the set and returns how many positions were not in it.
func (r *ranges) add(from, to int64) (fresh int64) {
	if to <= from {
		return 0
	}
	if r.spans == nil {
		r.spans = btree.NewG(treeDegree, func(a, b span) bool { return a.from < b.from })
	}
	merged := span{from, to}
	if last, some := r.spans.Max(); some && last.from <= from && from <= last.to { // nearly always
		r.spans.ReplaceOrInsert(span{last.from, max(last.to, to)})
		return max(0, to-last.to)
	}
	var met []span
	if before := r.upTo(from); before.to >= from && before.from < from {
		met = append(met, before)
	}
	r.spans.AscendRange(span{from: from}, span{from: to + 1}, func(s span) bool {
		met = append(met, s)
		return true
	})
	fresh = to - from
	for _, s := range met {
		fresh -= max(0, min(s.to, to)-max(s.from, from))
		merged.from, merged.to = min(merged.from, s.from), max(merged.to, s.to)
		r.spans.Delete(s)
	}
	r.spans.ReplaceOrInsert(merged)
	return fresh
}

// upTo is the last span that begins at a position or before it; an empty one where there is none.
func (r *ranges) upTo(at int64) (found span) {
	found = span{at, at - 1}
	if r.spans != nil {
		r.spans.DescendLessOrEqual(span{from: at}, func(s span) bool {
			found = s
			return false
		})
	}
	return found
}

// holds says whether a position is in the set.
func (r *ranges) holds(at int64) bool { return r.upTo(at).to > at }

// contiguous is the first position from start on that is not in the set.
func (r *ranges) contiguous(start int64) int64 { return max(start, r.upTo(start).to) }
