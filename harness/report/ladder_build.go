package report

import (
	"fmt"
	"slices"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// builder turns events into rows.
type builder struct {
	*story
	ladder    *Ladder
	marks     Marks
	processes map[process]string
	now       [2]map[*connection]string // the state that was shown last
	arrows    map[*flight]*arrow
}

func (b *builder) build() {
	b.now = [2]map[*connection]string{{}, {}}
	b.arrows = map[*flight]*arrow{}
	events := b.events()
	split := splitCalls(events)
	for i := range events {
		e := &events[i]
		switch {
		case e.call != nil:
			b.callRow(e, split[e.call.N])
		case e.fly != nil:
			b.packetRow(e)
		case e.mark != nil:
			b.add(row{
				kind: rowMark, lane: laneOf(e.mark.End), at: b.since(e.at), label: markText(e.mark.Name), weight: 40,
			})
		case e.ended != nil:
			b.add(row{
				kind: rowEnd, lane: laneOf(e.ended.End), at: b.since(e.at), label: endingOf(e.ended),
				process: b.processes[process{laneOf(e.ended.End), e.ended.PID}], weight: 50,
				failed: !e.ended.ExitedZero() && !e.ended.Stopped,
			})
		}
	}
	b.stillOpen()
}

// stillOpen says at the end which descriptors the processes that were never seen to end have open.
func (b *builder) stillOpen() {
	for _, at := range []lane{left, right} {
		if b.run.EndKind(at.end()) == "in-process" || len(b.run.Calls) == 0 {
			continue
		}
		form := []part{{text: "still open:", zh: "仍打开："}}
		for _, l := range b.lives {
			if l.end == at && l.to == 0 {
				form = join(form, words(" "), []part{b.descriptor(l.fd, l.socket)})
			}
		}
		if len(form) > 1 {
			b.add(row{kind: rowEnd, lane: at, at: b.since(b.run.Ended), forms: [][]part{form}, weight: 50})
		}
	}
}

func (b *builder) add(r row) { b.ladder.rows = append(b.ladder.rows, r) }

// since is the time since the run began.
func (b *builder) since(at evidence.Time) time.Duration { return max(0, at.Sub(b.start)) }

// splitCalls says which calls are shown by two rows: those that wait, with something in between.
func splitCalls(events []event) map[int]bool {
	split := map[int]bool{}
	entered := map[int]int{}
	for i := range events {
		c := events[i].call
		if c == nil {
			continue
		}
		if !events[i].second {
			entered[c.N] = i
			if !c.Returned() && c.Op != evidence.OpExit {
				split[c.N] = true
			}
			continue
		}
		waits := c.Blocked || c.Errno != "EAGAIN" && slices.Contains([]evidence.Op{
			evidence.OpConnect, evidence.OpAccept, evidence.OpRecv, evidence.OpWait,
		}, c.Op)
		split[c.N] = waits && i > entered[c.N]+1
	}
	return split
}

func (b *builder) callRow(e *event, split bool) {
	c := e.call
	if e.second && !split {
		return
	}
	r := row{
		kind: rowCall, lane: laneOf(c.End), at: b.since(e.at), calls: [2]int{c.N, c.N}, op: c.Op,
		process: b.processes[process{laneOf(c.End), c.PID}], full: c.String(), weight: callWeight(c),
		marked: slices.Contains(b.marks.Calls, c.N), failed: isFailure(c),
	}
	phase := wholeCall
	switch {
	case split && e.second:
		r.kind, phase = rowReturn, callReturn
	case split:
		r.kind, phase, r.failed = rowEntry, callEntry, false
	}
	if c.Op == evidence.OpExit {
		r.kind = rowEnd
	}
	r.forms = b.forms(c, phase)
	if c.Op == evidence.OpListen && c.Succeeded() && phase != callEntry {
		r.states[r.lane] = []stateChange{{state: string(conversation.Listen)}}
	}
	if r.marked {
		r.weight = 1000
	}
	b.add(r)
}

// isFailure says whether a call failed in a way worth a colour: what a nonblocking call says is none.
func isFailure(c *evidence.Call) bool {
	return c.Failed() && !slices.Contains([]string{"EAGAIN", "EINPROGRESS", "EINTR"}, c.Errno)
}

// callWeight says how much a call matters when rows have to be left out.
func callWeight(c *evidence.Call) int {
	switch {
	case isFailure(c):
		return 55
	case c.Op == evidence.OpRecv && c.Succeeded() && c.Result == 0 && c.Length > 0:
		return 50
	case c.Op == evidence.OpExit:
		return 50
	case slices.Contains([]evidence.Op{
		evidence.OpSocket, evidence.OpBind, evidence.OpListen, evidence.OpAccept, evidence.OpConnect, evidence.OpClose, evidence.OpShutdown,
	}, c.Op):
		return 45
	case c.Op == evidence.OpSend || c.Op == evidence.OpRecv:
		return plainWeight
	}
	return 15
}

func (b *builder) packetRow(e *event) {
	f := e.fly
	a := b.arrows[f]
	if a == nil {
		a = &arrow{flight: f, labels: f.labels(b.ladder.labels), remark: f.remark(), start: -1, stop: -1}
		for _, n := range f.frames() {
			a.marked = a.marked || slices.Contains(b.marks.Frames, n)
		}
		b.arrows[f] = a
		b.ladder.arrows = append(b.ladder.arrows, a)
	}
	frames := f.frames()
	r := row{
		kind: rowDeparture, lane: f.from, at: b.since(e.at), frames: [2]int{frames[0], frames[len(frames)-1]},
		arrow: a, marked: a.marked, weight: packetWeight(f),
	}
	if f.seg != nil {
		r.full = f.first().seg.String()
	}
	if e.second {
		r.kind, r.lane = rowArrival, f.from.other()
	}
	if r.marked {
		r.weight = 1000
	}
	b.packetStates(&r, e)
	b.add(r)
}

// packetWeight says how much a packet matters when rows have to be left out.
func packetWeight(f *flight) int {
	switch {
	case f.seg == nil:
		return 40
	case f.remark() != (Text{}):
		return 65
	case f.seg.Flags.HasAny(conversation.SYN | conversation.FIN | conversation.RST):
		return 60
	}
	return plainWeight
}

// plainWeight is that of data and acknowledgements, and of the calls that move data: of a long transfer the
// beginning is kept as a whole, and not every other row.
const plainWeight = 32

// packetStates notes what a packet changes: its sender when it leaves, its receiver when it arrives.
func (b *builder) packetStates(r *row, e *event) {
	f := e.fly
	if f.conn == nil {
		return
	}
	sides := []lane{left, right}
	if !f.same() {
		sides = []lane{f.from}
		if e.second {
			sides = []lane{f.from.other()}
		}
	}
	for _, at := range sides {
		seen := f.out
		if at != f.from && f.in != nil {
			seen = f.in
		}
		if seen == nil || seen.seg == nil {
			continue
		}
		state := seen.seg.After.Of(at.end())
		if state == conversation.Unknown || string(state) == b.now[at][f.conn] {
			continue
		}
		fresh := b.now[at][f.conn] == ""
		b.now[at][f.conn] = string(state)
		if fresh && (state == conversation.Closed && f.seg.Flags.Has(conversation.SYN) && at != f.from || state == conversation.Listen) {
			continue // it was so before, and nothing changed
		}
		r.states[at] = append(r.states[at], stateChange{f.conn, string(state)})
	}
}

// markText is a mark; those that the stage makes are known in Chinese.
func markText(name string) Text {
	switch name {
	case evidence.MarkFed:
		return Text{name, "向客户端送入一行"}
	case evidence.MarkSceneEnd:
		return Text{name, "场景结束"}
	case evidence.MarkTimeUp:
		return Text{name, "时间用尽"}
	}
	return both(oneLine(name))
}

// endingOf says how a process ended.
func endingOf(o *evidence.Outcome) Text {
	zh := fmt.Sprintf("以状态 %d 退出", o.ExitCode)
	switch {
	case o.StartError != "":
		zh = "无法启动：" + oneLine(o.StartError)
	case o.Stopped:
		zh = "被测试工具终止"
	case o.Signal != "":
		zh = "被信号 " + oneLine(o.Signal) + " 杀死"
	}
	switch {
	case o.InWords != "":
		return Text{oneLine(o.InWords), zh}
	case o.Signal != "":
		return Text{"killed by " + oneLine(o.Signal), zh}
	}
	return Text{"ended", zh}
}

// layBars gives each waiting call a column from the row of its entry to that of its return.
func (l *Ladder) layBars() {
	type waiting struct{ bar }
	var open [2][]waiting
	for i := range l.rows {
		r := &l.rows[i]
		for at := range open {
			for _, w := range open[at] {
				r.bars[at] = append(r.bars[at], w.bar)
			}
		}
		switch r.kind {
		case rowEntry:
			slot := 0
			for slices.ContainsFunc(open[r.lane], func(w waiting) bool { return w.slot == slot }) {
				slot++
			}
			w := waiting{bar{slot: slot, call: r.calls[0], hue: hueOf(r.forms), marked: r.marked}}
			open[r.lane] = append(open[r.lane], w)
			begun := w.bar
			begun.shape = barBegins
			r.bars[r.lane] = append(r.bars[r.lane], begun)
			l.slots[r.lane] = min(maxSlots, max(l.slots[r.lane], slot+1))
		case rowReturn:
			for k := range r.bars[r.lane] {
				if r.bars[r.lane][k].call == r.calls[0] {
					r.bars[r.lane][k].shape = barEnds
				}
			}
			open[r.lane] = slices.DeleteFunc(open[r.lane], func(w waiting) bool { return w.call == r.calls[0] })
		}
	}
}

// maxSlots is how many waiting calls of an end are drawn beside each other; what waits beyond has no bar.
const maxSlots = 4

// hueOf is the colour of the first descriptor of a call.
func hueOf(forms [][]part) int {
	for _, p := range forms[0] {
		if p.chip {
			return p.hue
		}
	}
	return 0
}
