package report

import (
	"fmt"
	"strings"

	"tcpwitness/harness/conversation"
)

// Text draws the ladder for a terminal. What a verdict cites has a mark before it: "✗" where it
// broke the rule, "•" where it shows that it holds.
func (l *Ladder) Text(style Style, marks Marks) string {
	t := &textLadder{Ladder: l, style: style, broken: marks.Broken}
	t.measure()
	var b strings.Builder
	b.WriteString(t.heading())
	b.WriteByte('\n')
	for i := range l.rows {
		b.WriteString(strings.TrimRight(t.line(i), " "))
		b.WriteByte('\n')
	}
	for _, why := range l.missing {
		fmt.Fprintf(&b, "  %s %s\n", notSeen.In(style.Language), oneLine(why))
	}
	if l.labels {
		for i, c := range l.connections {
			if i == namedConnections {
				fmt.Fprintf(&b, "  …\n")
				break
			}
			fmt.Fprintf(&b, "  %s = %s\n", style.paint(ansiHue(c.hue()), c.letter()), c)
		}
	}
	return b.String()
}

// namedConnections is how many connections the text gives the addresses of.
const namedConnections = 8

// The words of the ladder.
var (
	clientCalls = Text{"client's calls", "客户端的调用"}
	serverCalls = Text{"server's calls", "服务器的调用"}
	stateWord   = Text{"state", "状态"}
	packetWord  = Text{"packets", "分组"}
	notSeen     = Text{"not seen:", "未能观察："}
)

type textLadder struct {
	*Ladder
	style             Style
	broken, narrow    bool
	lane, state, wire int // widths in columns
	slots             [2]int
}

// measure divides the width: two columns for the mark, the rest for five columns and the rails.
func (t *textLadder) measure() {
	t.slots = t.Ladder.slots
	t.state = 10
	if t.style.columns() < 96 {
		t.state, t.narrow = 8, true
	}
	if t.labels {
		t.state += 2
	}
	rest := t.style.columns() - 2 - 2*t.state - 6
	t.wire = min(44, max(20, rest/3))
	t.lane = (rest - t.wire) / 2
}

// markSign stands before what a verdict cites.
func (t *textLadder) markSign() string {
	if t.broken {
		return "✗ "
	}
	return "• "
}

func (t *textLadder) heading() string {
	in := func(w Text, columns int) string { return padRight(clip(w.In(t.style.Language), columns), columns) }
	line := "  " + in(clientCalls, t.lane) + " " + in(stateWord, t.state) + " " +
		centre(clip(packetWord.In(t.style.Language), t.wire), t.wire+2) + " " + in(stateWord, t.state) + " " + in(serverCalls, t.lane)
	return t.style.paint(dim, strings.TrimRight(line, " "))
}

func centre(text string, columns int) string {
	before := (columns - columnsOf(text)) / 2
	return padRight(strings.Repeat(" ", max(0, before))+text, columns)
}

func (t *textLadder) line(i int) string {
	r := &t.rows[i]
	mark := "  "
	if r.marked && (r.lane == left || r.arrow != nil) {
		mark = t.style.paint(red, t.markSign())
	}
	rail := t.style.paint(dim, "│")
	return mark + t.call(r, left) + " " + t.stateOf(r, left) + " " + rail + t.middle(r, i) + rail + " " +
		t.stateOf(r, right) + " " + t.call(r, right)
}

// call is the cell of one end's calls, its bars on the side of the rails.
func (t *textLadder) call(r *row, at lane) string {
	width := t.lane - t.slots[at]
	if at == right && t.slots[at] > 0 {
		width--
	}
	said, painted := "", ""
	if r.kind == rowDeparture && r.lane == at || r.kind == rowArrival && r.arrow.out == nil && r.lane == at {
		// The cell beside a packet is free for what is odd about it.
		said = clip(r.arrow.remark.In(t.style.Language), width)
		painted = t.style.paint(yellow, said)
	}
	if r.lane == at && r.kind != rowDeparture && r.kind != rowArrival && r.kind != rowGap && r.kind != rowLeftOut {
		said, painted = t.callText(r, width)
	}
	fill := strings.Repeat(" ", max(0, width-columnsOf(said)))
	bars := t.barsOf(r, at)
	if at == left {
		return painted + fill + bars
	}
	if bars != "" {
		bars += " "
	}
	return bars + painted + fill
}

func (t *textLadder) callText(r *row, width int) (plainText, painted string) {
	head := ""
	if r.marked && r.lane == right {
		head = t.markSign()
	}
	if r.calls[0] != 0 {
		head += fmt.Sprint(r.calls[0])
		if r.calls[1] != r.calls[0] {
			head += fmt.Sprintf("–%d", r.calls[1])
		}
		head += " "
	}
	if r.process != "" {
		head += r.process + " "
	}
	if r.forms == nil {
		said := clip(head+r.label.In(t.style.Language), width)
		if r.failed {
			return said, t.style.paint(red, said)
		}
		return said, said
	}
	form := fitting(r.forms, width-columnsOf(head), t.style.Language)
	plainText = clip(head+textOf(form, t.style.Language), width)
	if !t.style.Colour || plainText != head+textOf(form, t.style.Language) {
		return plainText, plainText
	}
	painted = t.style.paint(dim, head)
	for _, p := range form {
		switch {
		case p.chip && p.hue > 0:
			painted += t.style.paint(ansiHue(p.hue), p.text)
		case p.chip:
			painted += t.style.paint(bold, p.text)
		case p.bad:
			painted += t.style.paint(red, p.in(t.style.Language))
		default:
			painted += p.in(t.style.Language)
		}
	}
	return plainText, painted
}

func ansiHue(hue int) colour {
	return []colour{plain, blue, green, magenta, cyan, yellow, red}[min(hue, hues)]
}

func (t *textLadder) barsOf(r *row, at lane) string {
	cells := make([]string, t.slots[at])
	for i := range cells {
		cells[i] = " "
	}
	for _, b := range r.bars[at] {
		place := b.slot
		if at == left {
			place = t.slots[at] - 1 - b.slot
		}
		if place < 0 || place >= len(cells) {
			continue
		}
		shape := map[barShape]string{barPasses: "┃", barBegins: "╻", barEnds: "╹"}[b.shape]
		cells[place] = t.style.paint(ansiHue(b.hue), shape)
	}
	return strings.Join(cells, "")
}

// shortStates are the names of states that fit into ten columns.
var shortStates = map[conversation.State]string{
	conversation.Established: "ESTAB",
	conversation.SynReceived: "SYN-RECV",
}

// narrowStates are those that fit into eight.
var narrowStates = map[conversation.State]string{
	conversation.FinWait1: "FIN-W-1", conversation.FinWait2: "FIN-W-2",
	conversation.CloseWait: "CLOSE-W", conversation.TimeWait: "TIME-W",
}

func (t *textLadder) stateOf(r *row, at lane) string {
	if len(r.states[at]) == 0 {
		return strings.Repeat(" ", t.state)
	}
	change := r.states[at][len(r.states[at])-1]
	name := change.state
	if short, ok := shortStates[conversation.State(name)]; ok {
		name = short
	}
	if short, ok := narrowStates[conversation.State(name)]; ok && t.narrow {
		name = short
	}
	if t.labels && change.conn != nil {
		name = change.conn.letter() + " " + name
	}
	name = clip(name, t.state)
	return t.style.paint(ansiHue(change.conn.hue()), name) + strings.Repeat(" ", t.state-columnsOf(name))
}

// middle is the cell between the rails.
func (t *textLadder) middle(r *row, i int) string {
	switch r.kind {
	case rowGap, rowLeftOut:
		return t.style.paint(dim, centre(clip(t.foldText(r), t.wire), t.wire))
	case rowDeparture, rowArrival:
		cell := t.arrowText(r, i)
		c := ansiHue(r.arrow.conn.hue())
		if r.marked && t.broken {
			c = red
		}
		return t.style.paint(c, cell)
	}
	return strings.Repeat(" ", t.wire)
}

func (t *textLadder) foldText(r *row) string {
	if r.kind == rowLeftOut {
		return "⋮ " + r.label.In(t.style.Language) + " ⋮"
	}
	return "· " + r.label.In(t.style.Language) + " ·"
}

// arrowText is a packet: a line from the end that sent it to the other, or as far as it came.
func (t *textLadder) arrowText(r *row, i int) string {
	a := r.arrow
	width := t.wire
	tail, head := "─", "▶"
	switch {
	case r.kind == rowArrival:
		tail = "┄"
	case a.lost():
		head = "✗"
	case a.stop != i:
		head = "┄" // it arrives further down
	case a.out == nil:
		tail = "┄"
	}
	label := " " + t.arrowLabel(a, width-6) + " "
	line := strings.Repeat("─", max(0, width-columnsOf(label)-3))
	if a.from == left {
		return tail + "─" + label + line + head
	}
	if head == "▶" {
		head = "◀"
	}
	return head + line + label + "─" + tail
}

// arrowLabel is the longest label that fits.
func (t *textLadder) arrowLabel(a *arrow, width int) string {
	for _, label := range a.labels {
		if columnsOf(label) <= width {
			return label
		}
	}
	return clip(a.labels[len(a.labels)-1], width)
}
