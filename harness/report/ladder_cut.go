package report

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// foldRepeats makes one row of calls that repeat, and of pairs and triples of calls that do: a loop that
// polls a thousand times is one line that says so.
func foldRepeats(rows []row) []row {
	for period := 1; period <= 3; period++ {
		rows = foldPeriod(rows, period)
	}
	return rows
}

// leastRepeats is how often a group of rows stands before it is folded.
const leastRepeats = 4

func foldPeriod(rows []row, period int) []row {
	var out []row
	for i := 0; i < len(rows); {
		times := 1
		for (times+1)*period <= len(rows)-i && equalGroups(rows[i:i+period], rows[i+times*period:i+(times+1)*period]) {
			times++
		}
		if times < leastRepeats || !slices.ContainsFunc(rows[i:i+period], func(r row) bool { return r.kind == rowCall }) {
			out = append(out, rows[i])
			i++
			continue
		}
		group := rows[i : i+times*period]
		out = append(out, repeated(group, period, times))
		i += times * period
	}
	return out
}

// equalGroups says whether two groups of calls are the same but for their numbers and times.
func equalGroups(a, b []row) bool {
	for i := range a {
		if a[i].kind != rowCall || b[i].kind != rowCall || a[i].lane != b[i].lane || a[i].process != b[i].process ||
			a[i].label != b[i].label || textOf(a[i].forms[0], English) != textOf(b[i].forms[0], English) {
			return false
		}
	}
	return true
}

// repeated is the row that stands for a group of rows.
func repeated(group []row, period, times int) row {
	r := group[0]
	r.calls = [2]int{group[0].calls[0], group[len(group)-1].calls[1]}
	r.until = group[len(group)-1].at
	var long, short []part
	for i := range period {
		form, brief := group[i].forms[0], group[i].forms[len(group[i].forms)-1]
		if i > 0 {
			long, short = append(long, part{text: "; "}), append(short, part{text: "; "})
		}
		long, short = append(long, form...), append(short, brief...)
		r.weight = max(r.weight, group[i].weight)
		r.failed = r.failed || group[i].failed
	}
	count := part{text: fmt.Sprintf("%d× ", times)}
	r.forms = [][]part{append([]part{count}, long...), append([]part{count}, short...)}
	for _, g := range group {
		r.marked = r.marked || g.marked
		r.weight = max(r.weight, g.weight)
	}
	r.full = fmt.Sprintf("%d× %s", times, r.full)
	return r
}

// leastGap is the time without any event that is drawn as a fold at least.
const leastGap = 20 * time.Millisecond

// leastFold is the time without any event that is drawn as a fold in this ladder: one that stands out. On a
// slow machine everything takes its time, and folds between all rows would tell nothing.
func (l *Ladder) leastFold() time.Duration {
	if len(l.rows) == 0 {
		return leastGap
	}
	return max(leastGap, (l.rows[len(l.rows)-1].end()-l.rows[0].at)/25)
}

// cut keeps the rows that matter most, so that the ladder has no more than so many, folds and gaps
// included.
func (l *Ladder) cut(most int) {
	order := l.byWeight()
	rows, lost := l.withOnly(order[:min(len(order), most)])
	if len(rows) > most {
		rows, lost = nil, len(order)
		for low, high := 0, most; low < high; {
			keep := (low + high + 1) / 2
			if some, left := l.withOnly(order[:keep]); len(some) <= most {
				rows, lost, low = some, left, keep
			} else {
				high = keep - 1
			}
		}
	}
	l.rows, l.lost = rows, lost
}

// byWeight lists the indexes of rows, those that matter most first: what a verdict cites, what stands near
// it, then the turning points.
func (l *Ladder) byWeight() []int {
	distance := l.distances()
	order := make([]int, len(l.rows))
	weight := make([]int, len(l.rows))
	for i := range l.rows {
		order[i] = i
		weight[i] = l.rows[i].weight + max(0, 40-4*distance[i])
	}
	sort.SliceStable(order, func(a, b int) bool { return weight[order[a]] > weight[order[b]] })
	return order
}

// distances are how many rows it is from each row to the nearest that a verdict cites.
func (l *Ladder) distances() []int {
	const far = 1 << 20
	d := make([]int, len(l.rows))
	near := far
	for i := range l.rows {
		if l.rows[i].marked {
			near = 0
		}
		d[i] = near
		near = min(far, near+1)
	}
	near = far
	for i := len(l.rows) - 1; i >= 0; i-- {
		if l.rows[i].marked {
			near = 0
		}
		d[i] = min(d[i], near)
		near = min(far, near+1)
	}
	return d
}

// withOnly builds the rows again from those with the given indexes, and puts folds and gaps between.
func (l *Ladder) withOnly(kept []int) (rows []row, lost int) {
	wanted := make([]bool, len(l.rows))
	for _, i := range kept {
		wanted[i] = true
	}
	l.keepArrowsWhole(wanted)
	fillHoles(wanted)
	var dropped []row
	last, least := time.Duration(-1), l.leastFold()
	flush := func() {
		if len(dropped) > 0 {
			rows = append(rows, leftOut(dropped))
			last = dropped[len(dropped)-1].end()
			lost += len(dropped)
			dropped = nil
		}
	}
	for i := range l.rows {
		r := l.rows[i]
		if !wanted[i] {
			dropped = append(dropped, r)
			continue
		}
		flush()
		if last >= 0 && r.at-last >= least {
			rows = append(rows, gap(last, r))
		}
		rows = append(rows, r)
		last = r.end()
	}
	flush()
	return rows, lost
}

// end is the time of the last thing that the row stands for.
func (r *row) end() time.Duration { return max(r.at, r.until) }

// fillHoles keeps a single row between two that are kept: a line that says that it was left out takes as
// much room.
func fillHoles(wanted []bool) {
	for i := range wanted {
		if !wanted[i] && (i == 0 || wanted[i-1]) && (i == len(wanted)-1 || wanted[i+1]) {
			wanted[i] = true
		}
	}
}

// keepArrowsWhole sees to it that a packet's arrival is shown where its departure is, and the other way.
func (l *Ladder) keepArrowsWhole(wanted []bool) {
	at := map[*arrow][]int{}
	for i := range l.rows {
		if a := l.rows[i].arrow; a != nil {
			at[a] = append(at[a], i)
		}
	}
	for _, places := range at {
		keep := false
		for _, i := range places {
			keep = keep || wanted[i]
		}
		for _, i := range places {
			wanted[i] = keep
		}
	}
}

// leftOut is the row that stands for rows which are not shown. What they changed is still told.
func leftOut(dropped []row) row {
	first, last := dropped[0], dropped[len(dropped)-1]
	calls, packets := 0, 0
	r := row{kind: rowLeftOut, at: first.at}
	for _, d := range dropped {
		switch {
		case d.arrow != nil && d.kind == rowDeparture:
			packets++
		case d.kind == rowCall || d.kind == rowEntry:
			calls++
		}
		for at := range d.states {
			if n := len(d.states[at]); n > 0 {
				r.states[at] = d.states[at][n-1:]
			}
		}
		r.frames = widen(r.frames, d.frames)
		r.calls = widen(r.calls, d.calls)
	}
	for at := range last.bars {
		for _, b := range last.bars[at] {
			if b.shape != barEnds {
				b.shape = barPasses
				r.bars[at] = append(r.bars[at], b)
			}
		}
	}
	r.label = leftOutLabel(calls, packets, len(dropped))
	return r
}

func leftOutLabel(calls, packets, all int) Text {
	switch {
	case calls > 0 && packets > 0:
		return Text{plural(calls, "call") + ", " + plural(packets, "packet"), fmt.Sprintf("%d 次调用、%d 个分组", calls, packets)}
	case calls > 0:
		return Text{plural(calls, "call"), fmt.Sprintf("%d 次调用", calls)}
	case packets > 0:
		return Text{plural(packets, "packet"), fmt.Sprintf("%d 个分组", packets)}
	}
	return Text{plural(all, "line"), fmt.Sprintf("%d 行", all)}
}

func plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func widen(have, more [2]int) [2]int {
	switch {
	case more[0] == 0:
		return have
	case have[0] == 0:
		return more
	}
	return [2]int{min(have[0], more[0]), max(have[1], more[1])}
}

// gap is the row that stands for time in which nothing happened.
func gap(from time.Duration, next row) row {
	r := row{kind: rowGap, at: from, label: Text{span(next.at-from) + " later", span(next.at-from) + " 之后"}}
	for at := range next.bars {
		for _, b := range next.bars[at] {
			if b.shape != barBegins {
				b.shape = barPasses
				r.bars[at] = append(r.bars[at], b)
			}
		}
	}
	return r
}

// span is a duration with as many digits as a reader needs.
func span(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.0f µs", float64(d)/1e3)
}

// placeArrows finds the rows that each arrow begins and ends in.
func (l *Ladder) placeArrows() {
	shown := map[*arrow]bool{}
	for i := range l.rows {
		r := &l.rows[i]
		if r.arrow == nil {
			continue
		}
		shown[r.arrow] = true
		if r.kind == rowArrival {
			r.arrow.stop = i
			continue
		}
		r.arrow.start = i
		if r.arrow.same() {
			r.arrow.stop = i
		}
	}
	l.arrows = slices.DeleteFunc(l.arrows, func(a *arrow) bool { return !shown[a] })
	l.joinNeighbours()
}

// joinNeighbours makes one row of a departure and the arrival right behind it: nothing happened between.
func (l *Ladder) joinNeighbours() {
	var rows []row
	index := make([]int, len(l.rows))
	for i := range l.rows {
		r := l.rows[i]
		if n := len(rows); n > 0 && r.kind == rowArrival && rows[n-1].arrow == r.arrow {
			for at := range r.states {
				rows[n-1].states[at] = append(rows[n-1].states[at], r.states[at]...)
			}
			index[i] = n - 1
			continue
		}
		index[i] = len(rows)
		rows = append(rows, r)
	}
	l.rows = rows
	for _, a := range l.arrows {
		if a.start >= 0 {
			a.start = index[a.start]
		}
		if a.stop >= 0 {
			a.stop = index[a.stop]
		}
	}
}
