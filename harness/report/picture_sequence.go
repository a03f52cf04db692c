package report

import (
	"fmt"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// sequenceSVG is the time-sequence graph of a connection: for each direction in which data went, the
// segments as bars from their first to their last number, the line of what is acknowledged, and that of the
// window's edge.
func (s *story) sequenceSVG(c *connection, options PictureOptions) string {
	g := &sequenceGraph{canvas: canvas{options: options}, story: s, conn: c}
	y := 16.0
	for _, from := range []lane{left, right} {
		if d := g.direction(from); d != nil && (d.Length() > 0 || len(d.Data()) > 0) {
			y = g.panel(from, y)
		}
	}
	if y == 16 {
		return ""
	}
	y = g.legend(y + 14)
	return g.picture("sequence", sequenceWidth, y, Text{"Sequence numbers over time", "序号随时间的变化"})
}

const (
	sequenceWidth = 1100.0
	panelLeft     = 96.0
	panelRight    = sequenceWidth - 30
	panelHeight   = 300.0
)

type sequenceGraph struct {
	canvas
	story *story
	conn  *connection
}

func (g *sequenceGraph) direction(from lane) *conversation.Direction {
	view := g.conn.view(from)
	if view == nil {
		return nil
	}
	return view.Sent(from.end())
}

// mostMarks is how many segments a panel draws; what is beyond is left out and said.
const mostMarks = 3000

func (g *sequenceGraph) panel(from lane, top float64) float64 {
	view := g.conn.view(from)
	sent, acks := view.Sent(from.end()).Segments(), view.Sent(from.other().end()).Segments()
	left := 0
	if len(sent) > mostMarks {
		sent, left = sent[:mostMarks], len(sent)-mostMarks
	}
	if len(acks) > mostMarks {
		acks = acks[:mostMarks]
	}
	var times []evidence.Time
	highest, edge := int64(1), int64(0)
	for _, seg := range sent {
		times = append(times, seg.Time)
		if seg.RelSeq >= 0 && !seg.OutsideWindow {
			highest = max(highest, seg.End())
		}
	}
	for _, seg := range acks {
		times = append(times, seg.Time)
		if seg.Flags.Has(conversation.ACK) && !seg.Flags.Has(conversation.RST) {
			edge = max(edge, seg.RelAck+seg.ScaledWindow)
		}
	}
	above := edge > 3*highest
	limit := float64(highest) * 1.12
	if !above {
		limit = max(limit, float64(edge)*1.05)
	}
	x := newTimeScale(times, panelLeft+16, panelRight-16)
	base := top + 34 + panelHeight
	y := func(seq int64) float64 {
		return base - 14 - (panelHeight-28)*min(1, max(0, float64(seq)/limit))
	}
	g.label(panelLeft, top+18, 15, "", "", directionTitle(from))
	g.frame(top+34, base, limit, y, x)
	g.windowLine(acks, x, y, above, edge, top+34)
	g.ackLine(acks, x, y)
	g.segments(sent, x, y)
	if left > 0 {
		g.label(panelRight, top+18, smallSize, "end", "soft", Text{fmt.Sprintf("%d more segments are not drawn", left), fmt.Sprintf("另有 %d 个报文段未画出", left)})
	}
	if x.widened && left == 0 {
		g.label(panelRight, top+18, smallSize, "end", "soft", Text{"time runs to the right; short waits are drawn longer", "时间向右；短间隔已放宽"})
	}
	return base + 44
}

func directionTitle(from lane) Text {
	if from == left {
		return Text{"from the client to the server", "客户端 → 服务器"}
	}
	return Text{"from the server to the client", "服务器 → 客户端"}
}

// frame draws the axes with their numbers and the folds of time.
func (g *sequenceGraph) frame(top, base, limit float64, y func(int64) float64, x *timeScale) {
	g.rect(panelLeft, top, panelRight-panelLeft, base-top, `fill="none" stroke="var(--rail)"`)
	step := niceStep(limit, 5)
	for v := 0.0; v <= limit; v += step {
		at := y(int64(v))
		g.line(panelLeft-5, at, panelRight, at, `stroke="var(--rail)" stroke-width="0.7" opacity="0.7"`)
		g.mono(panelLeft-9, at+4, smallSize, "end", "soft", fmt.Sprint(int64(v)))
	}
	var labels placer
	for _, f := range x.folds {
		g.rect(f.from+4, top, f.to-f.from-8, base-top, `fill="var(--band)"`)
		if w := monoColumns(span(f.passed))*monoWidth*(smallSize-1.5) + 6; labels.room((f.from+f.to-w)/2, base, w, 20) {
			g.mono((f.from+f.to)/2, base+16, smallSize-1.5, "middle", "soft", span(f.passed))
		}
	}
	g.label(panelLeft-9, top-6, smallSize, "end", "soft", Text{"number", "序号"})
	last := x.times[len(x.times)-1].Sub(x.times[0])
	if labels.room(panelLeft+10, base, 20, 20) {
		g.mono(panelLeft+16, base+16, smallSize, "start", "soft", "0")
	}
	if w := monoColumns(span(last))*monoWidth*smallSize + 6; labels.room(panelRight-16-w, base, w, 20) {
		g.mono(panelRight-16, base+16, smallSize, "end", "soft", span(last))
	}
}

// windowLine is the right edge of what the receiver lets the sender send.
func (g *sequenceGraph) windowLine(acks []*conversation.Segment, x *timeScale, y func(int64) float64, above bool, edge int64, top float64) {
	if above {
		g.label(panelRight-6, top+16, smallSize, "end", "soft halo", Text{
			fmt.Sprintf("the window's edge is above the picture: up to %d", edge), fmt.Sprintf("窗口右沿在图的上方：至 %d", edge)})
		return
	}
	g.steps(acks, x, func(seg *conversation.Segment) float64 { return y(seg.RelAck + seg.ScaledWindow) },
		`fill="none" stroke="var(--h2)" stroke-width="2" stroke-dasharray="6 4"`)
}

func (g *sequenceGraph) ackLine(acks []*conversation.Segment, x *timeScale, y func(int64) float64) {
	g.steps(acks, x, func(seg *conversation.Segment) float64 { return y(seg.RelAck) },
		`fill="none" stroke="var(--h3)" stroke-width="2"`)
}

// steps is a line that keeps its height until the next acknowledgement.
func (g *sequenceGraph) steps(acks []*conversation.Segment, x *timeScale, height func(*conversation.Segment) float64, style string) {
	path, last := "", 0.0
	for _, seg := range acks {
		if !seg.Flags.Has(conversation.ACK) || seg.Flags.Has(conversation.RST) || !seg.Arrived() && seg.Fate != evidence.Lost {
			continue
		}
		at, h := x.place(seg.Time), height(seg)
		if path == "" {
			path = fmt.Sprintf("M%s %s", number(at), number(h))
		} else if h != last {
			path += fmt.Sprintf("H%sV%s", number(at), number(h))
		}
		last = h
	}
	if path != "" {
		g.add(`<path d="%sH%s" %s/>`, path, number(panelRight-8), style)
	}
}

// segments are the bars, with letters for what is no plain data.
func (g *sequenceGraph) segments(sent []*conversation.Segment, x *timeScale, y func(int64) float64) {
	var labels placer
	for _, seg := range sent {
		high := y(seg.End())
		labels.boxes = append(labels.boxes, [4]float64{x.place(seg.Time) - 6, high - 3, 12, y(seg.RelSeq) - high + 6})
	}
	plain := ""
	for _, seg := range sent {
		at := x.place(seg.Time)
		low, high := y(seg.RelSeq), y(seg.End())
		if len(sent) > mostDetailed && isPlainData(seg) {
			plain += fmt.Sprintf("M%s %sV%s", number(at), number(low), number(high))
			continue
		}
		lost := seg.Fate == evidence.Lost || seg.Fate == evidence.Corrupted
		colour, letter := "var(--h1)", controlName(seg)
		if seg.RetransmissionOf != 0 {
			letter, colour = strings.TrimSpace(letter+" R"), "var(--h4)"
		}
		if lost || seg.Flags.Has(conversation.RST) {
			colour = "var(--bad)"
		}
		g.hit(seg.Frame, seg.String())
		label := low
		if seg.Length > 0 {
			label = high
			g.line(at, low, at, high, fmt.Sprintf(`stroke="%s" stroke-width="4"`, colour))
			g.line(at-5, low, at+5, low, fmt.Sprintf(`stroke="%s" stroke-width="2"`, colour))
			g.line(at-5, high, at+5, high, fmt.Sprintf(`stroke="%s" stroke-width="2"`, colour))
		}
		if probes(seg) && seg.Length == 0 {
			g.add(`<circle cx="%s" cy="%s" r="4" fill="var(--bg)" stroke="%s" stroke-width="2"/>`, number(at), number(low), colour)
		}
		if seg.Flags.HasAny(conversation.SYN | conversation.FIN | conversation.RST) {
			g.add(`<circle cx="%s" cy="%s" r="5" style="fill:%s"/>`, number(at), number(label), colour)
		}
		if lost {
			g.cross(at, (low+high)/2, 6, `stroke="var(--bad)"`)
		}
		text := strings.TrimSpace(fmt.Sprint(seg.Frame) + " " + letter)
		w := monoColumns(text)*monoWidth*(smallSize-1) + 4
		if (seg.Length > 0 || letter != "") && at+8+w < panelRight && labels.room(at+7, label-8, w, 14) {
			g.monoLabel(at+8, label+4, smallSize-1, "halo", Text{text, strings.Replace(text, probeWord, "探测", 1)})
		}
		g.add("</g>")
	}
	if plain != "" {
		g.add(`<path d="%s" stroke="var(--h1)" stroke-width="2"/>`, plain)
	}
}

// mostDetailed is the number of segments up to which each is drawn with all that belongs to it.
const mostDetailed = 300

// isPlainData says whether nothing about the segment needs a mark of its own.
func isPlainData(seg *conversation.Segment) bool {
	return controlName(seg) == "" && seg.RetransmissionOf == 0 && seg.Arrived()
}

// controlName names the control bit that matters most.
func controlName(seg *conversation.Segment) string {
	switch {
	case seg.Flags.Has(conversation.RST):
		return "RST"
	case seg.Flags.Has(conversation.SYN):
		return "SYN"
	case seg.Flags.Has(conversation.FIN):
		return "FIN"
	case probes(seg):
		return probeWord
	}
	return ""
}

const probeWord = "probe"

// probes says whether the segment only asks whether the other end is there or has room.
func probes(seg *conversation.Segment) bool {
	return seg.Is(conversation.KeepAlive) || seg.Is(conversation.ZeroWindowProbe)
}

// hit begins the group of a frame, which a page can find by its number.
func (c *canvas) hit(frame int, full string) {
	if !c.options.embedded {
		c.add("<g>")
		return
	}
	c.add(`<g class="hit" data-frame="%d" data-last="%d" tabindex="0" role="button"><title>%s</title>`, frame, frame, escape(full))
}

func (g *sequenceGraph) legend(y float64) float64 {
	bar := func(colour string) func(x, y float64) {
		return func(x, y float64) {
			g.line(x+12, y-13, x+12, y+3, fmt.Sprintf(`stroke="%s" stroke-width="4"`, colour))
			g.line(x+7, y-13, x+17, y-13, fmt.Sprintf(`stroke="%s" stroke-width="2"`, colour))
			g.line(x+7, y+3, x+17, y+3, fmt.Sprintf(`stroke="%s" stroke-width="2"`, colour))
		}
	}
	return g.legendLine(panelLeft, y, panelRight, []legendItem{
		{Text{"segment with its frame number", "报文段及其帧号"}, bar("var(--h1)")},
		{Text{"sent again (R)", "重传（R）"}, bar("var(--h4)")},
		{Text{"lost or corrupted", "丢失或损坏"}, func(x, y float64) { g.cross(x+12, y-5, 6, `stroke="var(--bad)"`) }},
		{Text{"acknowledged up to here", "已确认到此处"}, func(x, y float64) { g.line(x, y-4, x+24, y-4, `stroke="var(--h3)" stroke-width="2"`) }},
		{Text{"edge of the window", "窗口右沿"}, func(x, y float64) {
			g.line(x, y-4, x+24, y-4, `stroke="var(--h2)" stroke-width="2" stroke-dasharray="6 4"`)
		}},
		{Text{"time folded", "折叠的时间"}, func(x, y float64) { g.rect(x+2, y-13, 20, 16, `fill="var(--band)" stroke="var(--rail)"`) }},
	})
}
