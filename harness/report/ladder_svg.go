package report

import (
	"fmt"
	"slices"
)

// The measures of the ladder as a picture, in its own units. The widths are those that a call and a
// packet's label need in their font.
const (
	timeWidth  = 66.0
	callWidth  = 366.0
	stateWidth = 132.0
	wireWidth  = 392.0
	edge       = 14.0
	callSize   = 15.0
	arrowSize  = 14.0
	smallSize  = 12.5
	barWidth   = 7.0
	barStep    = 11.0
)

// column positions, from left to right
const (
	xTime      = edge
	xCall      = xTime + timeWidth
	xState     = xCall + callWidth
	xWire      = xState + stateWidth
	xWireEnd   = xWire + wireWidth
	xStateEnd  = xWireEnd + stateWidth
	xCallEnd   = xStateEnd + callWidth
	ladderEdge = xCallEnd + edge
)

// svgLadder draws a ladder.
type svgLadder struct {
	*Ladder
	canvas
	tops    []float64
	heights []float64
	bottom  float64
}

// SVG draws the ladder as a picture that stands alone.
func (l *Ladder) SVG(options PictureOptions) string {
	s := &svgLadder{Ladder: l, canvas: canvas{options: options}}
	top := s.head()
	s.measure(top)
	s.bands()
	s.rails(top)
	s.bars()
	for i := range l.rows {
		s.row(i)
	}
	for _, a := range l.arrows {
		s.arrow(a)
	}
	height := s.legend(s.bottom + 10)
	return s.picture("ladder", ladderEdge, height, Text{"What happened, call by call and packet by packet: " + l.Scenario, "逐次调用、逐个分组的经过：" + l.Scenario})
}

// head writes the title and what the columns are, and yields where the rows begin.
func (s *svgLadder) head() float64 {
	y := 30.0
	if !s.options.embedded {
		s.label(xCall, y, 20, "", "", both(clip(oneLine(titleOf(s.Ladder)), 110)))
		y += 34
	}
	s.label(xCall, y, smallSize+1, "", "soft", clientCalls)
	s.label(xState+stateWidth/2, y, smallSize+1, "middle", "soft", Text{"client's state", "客户端状态"})
	s.label((xWire+xWireEnd)/2, y, smallSize+1, "middle", "soft", packetWord)
	s.label(xWireEnd+stateWidth/2, y, smallSize+1, "middle", "soft", Text{"server's state", "服务器状态"})
	s.label(xStateEnd+s.slotRoom(right), y, smallSize+1, "", "soft", serverCalls)
	s.label(xCall-12, y, smallSize+1, "end", "soft", both("ms"))
	s.line(xTime, y+10, xCallEnd, y+10, `stroke="var(--rail)" stroke-width="1"`)
	return y + 18
}

func titleOf(l *Ladder) string {
	if l.Title != "" {
		return l.Title
	}
	return l.Scenario
}

func (s *svgLadder) slotRoom(at lane) float64 {
	if s.slots[at] == 0 {
		return 4
	}
	return float64(s.slots[at])*barStep + 4
}

// measure gives each row its place.
func (s *svgLadder) measure(top float64) {
	y := top
	for i := range s.rows {
		r := &s.rows[i]
		h := 29.0
		switch r.kind {
		case rowGap, rowLeftOut:
			h = 34
		case rowDeparture, rowArrival:
			h = 42
			if r.arrow.remark != (Text{}) && (r.kind == rowDeparture || r.arrow.out == nil) {
				h = 58
			}
		}
		s.tops, s.heights = append(s.tops, y), append(s.heights, h)
		y += h
	}
	s.bottom = y
}

// bands tint the rows that a verdict cites. In a page every row has one, which the page lights: several
// verdicts can rest on the same scenario.
func (s *svgLadder) bands() {
	for i := range s.rows {
		r := &s.rows[i]
		y, h := s.tops[i], s.heights[i]
		if s.options.embedded {
			s.embeddedBand(r, y, h)
			continue
		}
		if !r.marked || i > 0 && s.rows[i-1].marked {
			continue
		}
		for j := i + 1; j < len(s.rows) && s.rows[j].marked; j++ { // one band, without seams
			h += s.heights[j]
		}
		tint, edge := `fill="var(--cite)"`, `fill="var(--citeink)"`
		if s.options.Marks.Broken {
			tint, edge = `fill="var(--badbg)"`, `fill="var(--bad)"`
		}
		s.rect(0, y, ladderEdge, h, tint)
		s.rect(0, y, 5, h, edge)
		s.rect(ladderEdge-5, y, 5, h, edge)
	}
}

func (s *svgLadder) embeddedBand(r *row, y, h float64) {
	numbers := ""
	switch {
	case r.kind == rowLeftOut || r.kind == rowGap:
		return
	case r.calls[0] != 0:
		numbers = fmt.Sprintf(`data-call="%d" data-last="%d"`, r.calls[0], r.calls[1])
	case r.frames[0] != 0:
		numbers = fmt.Sprintf(`data-frame="%d" data-last="%d"`, r.frames[0], r.frames[1])
	default:
		return
	}
	s.rect(0, y, ladderEdge, h, `class="band" `+numbers)
	s.rect(0, y, 5, h, `class="edge" `+numbers)
	s.rect(ladderEdge-5, y, 5, h, `class="edge" `+numbers)
}

func (s *svgLadder) rails(top float64) {
	for _, x := range []float64{xWire, xWireEnd} {
		s.line(x, top, x, s.bottom, `stroke="var(--rail)" stroke-width="2"`)
	}
}

func (s *svgLadder) row(i int) {
	r := &s.rows[i]
	y, h := s.tops[i], s.heights[i]
	for _, at := range []lane{left, right} {
		s.states(r, at, y, i)
	}
	switch r.kind {
	case rowGap, rowLeftOut:
		s.fold(r, y, h)
		return
	case rowDeparture, rowArrival:
		s.clock(r, y+h/2+4)
		return
	}
	s.clock(r, y+20)
	s.callCell(r, y+20)
}

// clock is the time of a row in ms since the beginning.
func (s *svgLadder) clock(r *row, y float64) {
	text := fmt.Sprintf("%.2f", float64(r.at)/1e6)
	if r.at >= 1e11 {
		text = fmt.Sprintf("%.0f", float64(r.at)/1e6)
	}
	s.mono(xCall-12, y, smallSize-1, "end", "soft", text)
}

// bars draws each waiting call as one bar, from the row of its entry to that of its return.
func (s *svgLadder) bars() {
	type span struct {
		bar
		at       lane
		from, to float64
	}
	var spans []*span
	open := map[int]*span{}
	for i := range s.rows {
		for _, at := range []lane{left, right} {
			for _, b := range s.rows[i].bars[at] {
				if b.slot >= maxSlots {
					continue
				}
				y, h := s.tops[i], s.heights[i]
				if open[b.call] == nil {
					open[b.call] = &span{bar: b, at: at, from: y}
					if b.shape == barBegins {
						open[b.call].from = y + 9
					}
					spans = append(spans, open[b.call])
				}
				open[b.call].to = y + h
				if b.shape == barEnds {
					open[b.call].to = y + 20
				}
			}
		}
	}
	for _, w := range spans {
		x := xStateEnd + 2 + float64(w.slot)*barStep
		if w.at == left {
			x = xState - 2 - barWidth - float64(w.slot)*barStep
		}
		s.rect(x, w.from, barWidth, w.to-w.from, fill(w.hue)+` opacity="0.65"`)
	}
}

// states writes what state an end enters, and a line as long as it stays there.
func (s *svgLadder) states(r *row, at lane, y float64, i int) {
	x := xState + stateWidth/2
	if at == right {
		x = xWireEnd + stateWidth/2
	}
	if len(r.states[at]) == 0 {
		return
	}
	change := r.states[at][len(r.states[at])-1]
	hue := change.conn.hue()
	name := change.state
	if s.labels && change.conn != nil {
		name = change.conn.letter() + " " + name
	}
	middle := y + s.heights[i]/2
	if r.kind == rowDeparture && !s.labels && r.arrow.stop == i && r.arrow.start == i {
		// The sender changes where the arrow leaves, the receiver where it arrives.
		if at == r.lane {
			middle = y + 17
		} else {
			middle = y + 29
		}
	}
	w := float64(len(name))*monoWidth*smallSize + 14
	s.rect(x-w/2, middle-10, w, 20, `rx="10" fill="var(--bg)" `+stroke(hue)+` stroke-width="1.5"`)
	s.add(`<text x="%s" y="%s" class="m" font-size="%s" text-anchor="middle" style="%s" textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`,
		number(x), number(middle+4.5), number(smallSize), fmt.Sprintf("fill:var(--h%d)", hue), number(float64(len(name))*monoWidth*smallSize), escape(name))
	if end := s.nextState(i, at); !s.labels && end > middle+22 {
		s.line(x, middle+12, x, end-12, stroke(hue)+` stroke-width="2" opacity="0.45"`)
	}
}

// nextState is where the state of an end changes next, or where the ladder ends.
func (s *svgLadder) nextState(i int, at lane) float64 {
	for j := i + 1; j < len(s.rows); j++ {
		if len(s.rows[j].states[at]) > 0 {
			return s.tops[j] + s.heights[j]/2
		}
	}
	return s.bottom
}

// fold is a row that stands for time or for other rows.
func (s *svgLadder) fold(r *row, y, h float64) {
	middle := y + h/2
	text := r.label
	if r.kind == rowLeftOut {
		text = Text{r.label.En + " not shown", "未显示：" + r.label.In(Chinese)}
	}
	room := s.labelRoom(text, smallSize+1) + 24
	centre := (xWire + xWireEnd) / 2
	dash := `stroke="var(--soft)" stroke-width="1.5" stroke-dasharray="2 5"`
	s.line(xCall, middle, centre-room/2, middle, dash)
	s.line(centre+room/2, middle, xCallEnd, middle, dash)
	s.label(centre, middle+5, smallSize+1, "middle", "soft", text)
}

// callCell writes a call, a mark or an end into the lane of its end.
func (s *svgLadder) callCell(r *row, y float64) {
	x := xCall
	width := callWidth - s.slotRoom(left) - 4
	if r.lane == right {
		x, width = xStateEnd+s.slotRoom(right), callWidth-s.slotRoom(right)
	}
	s.open(r)
	defer s.add("</g>")
	if r.calls[0] != 0 {
		text := fmt.Sprint(r.calls[0])
		if r.calls[1] != r.calls[0] {
			text += fmt.Sprintf("–%d", r.calls[1])
		}
		s.mono(x, y, smallSize, "", "soft", text)
		step := monoColumns(text)*monoWidth*smallSize + 7
		x, width = x+step, width-step
	}
	if r.process != "" {
		s.mono(x, y, smallSize, "", "soft", r.process)
		step := monoColumns(r.process)*monoWidth*smallSize + 7
		x, width = x+step, width-step
	}
	if r.forms == nil {
		class := "soft"
		if r.failed {
			class = "bad"
		}
		columns := int(width / (callSize * 0.6))
		s.label(x, y, callSize-1, "", class, Text{clip(r.label.En, columns), clip(r.label.Zh, columns)})
		return
	}
	s.parts(x, y, width, r)
	if r.marked && s.options.Marks.Broken {
		s.cross(x-3+width, y-5, 6, `stroke="var(--bad)"`)
	}
}

// open begins the group of a row, which a page can find by its numbers.
func (s *svgLadder) open(r *row) {
	if !s.options.embedded || r.calls[0] == 0 {
		s.add("<g>")
		return
	}
	s.add(`<g class="hit" data-call="%d" data-last="%d" tabindex="0" role="button"><title>%d: %s</title>`,
		r.calls[0], r.calls[1], r.calls[0], escape(r.full))
}

// parts writes the pieces of a call, descriptors as chips.
func (s *svgLadder) parts(x, y, width float64, r *row) {
	columns := int((width - 14) / (callSize * monoWidth))
	form := fitting(r.forms, columns-2, s.options.Language)
	room := columns - 2
	for _, p := range form {
		text := Text{clip(p.text, room), clip(p.zh, room)}
		took := max(columnsOf(text.En), columnsOf(text.Zh))
		if !s.options.embedded {
			took = columnsOf(text.In(s.options.Language))
		}
		room -= took
		if p.chip {
			s.chip(x, y, callSize, text.En, p.hue, p.listening)
			x += chipWidth(text.En, callSize)
			continue
		}
		class := ""
		if p.bad || r.failed && r.kind == rowEnd {
			class = "bad"
		}
		s.monoLabel(x, y, callSize, class, text)
		x += float64(took) * monoWidth * callSize
	}
}

// shown says whether a listening descriptor and a waiting call are in the ladder.
func (s *svgLadder) shown() (listens, waits bool) {
	for i := range s.rows {
		r := &s.rows[i]
		waits = waits || len(r.bars[left])+len(r.bars[right]) > 0
		for _, form := range r.forms {
			listens = listens || slices.ContainsFunc(form, func(p part) bool { return p.chip && p.listening })
		}
	}
	return listens, waits
}

// legend says what the colours and shapes mean, and yields the height of the picture.
func (s *svgLadder) legend(y float64) float64 {
	s.line(xTime, y, xCallEnd, y, `stroke="var(--rail)" stroke-width="1"`)
	y += 24
	x := xCall
	item := func(width float64, draw func(x float64)) {
		if x+width > xCallEnd {
			x, y = xCall, y+26
		}
		draw(x)
		x += width + 26
	}
	for i, c := range s.connections {
		if i == 12 {
			break
		}
		text := c.String()
		if s.labels {
			text = c.letter() + "  " + text
		}
		item(30+monoColumns(text)*monoWidth*smallSize, func(x float64) {
			s.rect(x, y-12, 22, 16, `rx="4" `+fill(c.hue()))
			s.mono(x+30, y, smallSize, "", "", text)
		})
	}
	type word struct {
		text Text
		draw func(x float64)
	}
	var words []word
	listens, waits := s.shown()
	if listens {
		words = append(words, word{Text{"listens", "监听套接字"}, func(x float64) { s.chip(x, y, smallSize, "3", 0, true) }})
	}
	if waits {
		words = append(words, word{Text{"waits in the call", "阻塞在调用中"}, func(x float64) {
			s.rect(x+8, y-14, barWidth, 20, `fill="var(--h0)" opacity="0.65"`)
		}})
	}
	for _, w := range words {
		item(30+s.labelRoom(w.text, smallSize), func(x float64) {
			w.draw(x)
			s.label(x+30, y, smallSize, "", "soft", w.text)
		})
	}
	for _, why := range s.missing {
		x, y = xCall, y+26
		s.label(x, y, smallSize, "", "bad", Text{notSeen.En + " " + clip(oneLine(why), 120), notSeen.Zh + clip(oneLine(why), 120)})
	}
	return y + 20
}
