package report

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

// piece is a stretch of a stream that one call or one segment dealt with, as places from 0.
type piece struct {
	from, to int64
	n        int // call or frame number
	full     string
	again    bool // a retransmission
	lost     bool
}

// msgPeek is MSG_PEEK as Linux numbers it: what it returns is returned once more.
const msgPeek = 2

// boundariesSVG is the boundary strip of a connection: for each direction what each send gave, how segments
// cut it, and what each recv returned.
func (s *story) boundariesSVG(c *connection, options PictureOptions) string {
	g := &strip{canvas: canvas{options: options}}
	y := 16.0
	for _, from := range []lane{left, right} {
		rows := s.stripRows(c, from)
		if len(rows[0])+len(rows[1])+len(rows[2])+len(rows[3]) > 0 {
			y = g.panel(directionTitle(from), rows, c.hue(), y)
		}
	}
	if y == 16 {
		return ""
	}
	return g.picture("boundaries", stripWidth, y, Text{"What each send gave, each segment carried and each recv returned", "每次 send 给出、每个报文段承载、每次 recv 返回的字节"})
}

// stripRows are the sends, the segments, those sent again, and the receives of one direction.
func (s *story) stripRows(c *connection, from lane) [4][]piece {
	var rows [4][]piece
	var given, taken int64
	for i := range s.run.Calls {
		call := &s.run.Calls[i]
		k := s.behind[call.N]
		if k == nil || k.conn != c || !call.Succeeded() || call.Result <= 0 {
			continue
		}
		p := piece{n: call.N, full: call.String()}
		switch {
		case call.Op == evidence.OpSend && k.role == from:
			p.from, p.to = given, given+int64(call.Result)
			given = p.to
			rows[0] = append(rows[0], p)
		case call.Op == evidence.OpRecv && k.role == from.other() && call.Flags&msgPeek == 0:
			p.from, p.to = taken, taken+int64(call.Result)
			taken = p.to
			rows[3] = append(rows[3], p)
		}
	}
	view := c.view(from)
	if view == nil {
		return rows
	}
	for _, seg := range view.Sent(from.end()).Data() {
		if seg.OutsideWindow || seg.RelSeq < 0 {
			continue
		}
		p := piece{from: seg.First() - 1, to: seg.Last(), n: seg.Frame, full: seg.String(), lost: seg.Fate == evidence.Lost || seg.Fate == evidence.Corrupted}
		if p.from < 0 {
			continue
		}
		if seg.RetransmissionOf != 0 {
			p.again = true
			rows[2] = append(rows[2], p)
			continue
		}
		rows[1] = append(rows[1], p)
	}
	return rows
}

const (
	stripWidth  = 1200.0
	stripLeft   = 150.0
	stripRight  = stripWidth - 20
	stripHeight = 34.0
	// mostIntervals is how finely the strip can be cut; what comes behind is left out and said.
	mostIntervals = 120
)

type strip struct{ canvas }

func (g *strip) panel(title Text, rows [4][]piece, hue int, top float64) float64 {
	scale := newByteScale(rows[:])
	g.label(stripLeft, top+16, 15, "", "", title)
	legend := Text{"number of the call or frame: bytes", "调用号或帧号：字节数"}
	if scale.cut {
		legend = Text{fmt.Sprintf("the first %d bytes; %s", scale.end(), legend.En), fmt.Sprintf("前 %d 个字节；%s", scale.end(), legend.Zh)}
	}
	g.label(stripRight, top+16, smallSize, "end", "soft", legend)
	y := top + 30
	names := []Text{{"send", "send"}, {"segments", "报文段"}, {"sent again", "重传"}, {"recv", "recv"}}
	styles := []string{fill(hue) + ` fill-opacity="0.22" ` + stroke(hue), `fill="var(--band)" stroke="var(--soft)"`,
		`fill="var(--band)" stroke="var(--h4)" stroke-dasharray="5 3"`, fill(hue) + ` fill-opacity="0.22" ` + stroke(hue)}
	bottom := y
	for i, row := range rows {
		if i != 2 || len(row) > 0 {
			bottom += stripHeight + 12
		}
	}
	for _, p := range rows[0] {
		if at, ok := scale.place(p.to); ok {
			g.cut(at, y, bottom)
		}
	}
	for i, row := range rows {
		if i == 2 && len(row) == 0 {
			continue
		}
		g.label(stripLeft-14, y+stripHeight/2+5, 14, "end", "", names[i])
		for _, p := range row {
			g.box(p, scale, y, styles[i], i == 1 || i == 2)
		}
		y += stripHeight + 12
	}
	g.ruler(scale, y)
	return y + 34
}

// cut shows in every row where a send ended, and spares the middle of the rows, where numbers stand.
func (g *strip) cut(at, top, bottom float64) {
	const spared = 8
	from := top - 2
	for y := top; y < bottom; y += stripHeight + 12 {
		g.line(at, from, at, y+spared, `stroke="var(--soft)" stroke-width="1" stroke-dasharray="2 3"`)
		from = y + stripHeight - spared
	}
	g.line(at, from, at, bottom-8, `stroke="var(--soft)" stroke-width="1" stroke-dasharray="2 3"`)
}

// box is one piece: its number and its length, as far as there is room.
func (g *strip) box(p piece, scale *byteScale, y float64, style string, isFrame bool) {
	from, ok := scale.place(p.from)
	if !ok || from >= stripRight-0.5 {
		return
	}
	to, ok := scale.place(p.to)
	if !ok {
		to = stripRight
	}
	if isFrame {
		g.hit(p.n, p.full)
	} else {
		g.hitCall(p.n, p.full)
	}
	if p.lost {
		style = `fill="var(--badbg)" stroke="var(--bad)"`
	}
	g.rect(from+1.5, y, to-from-3, stripHeight, style+` rx="3" stroke-width="1.5"`)
	for _, text := range []string{fmt.Sprintf("%d: %d B", p.n, p.to-p.from), fmt.Sprintf("%d: %d", p.n, p.to-p.from), fmt.Sprint(p.n)} {
		if monoColumns(text)*monoWidth*13+8 <= to-from {
			g.mono((from+to)/2, y+stripHeight/2+5, 13, "middle", "", text)
			break
		}
	}
	g.add("</g>")
}

// hitCall begins the group of a call, which a page can find by its number.
func (c *canvas) hitCall(call int, full string) {
	if !c.options.embedded {
		c.add("<g>")
		return
	}
	c.add(`<g class="hit" data-call="%d" data-last="%d" tabindex="0" role="button"><title>%s</title>`, call, call, escape(full))
}

func (g *strip) ruler(scale *byteScale, y float64) {
	var labels placer
	g.label(stripLeft-14, y+8, smallSize, "end", "soft", Text{"bytes", "字节"})
	for i, b := range scale.bounds {
		text := fmt.Sprint(b)
		w := monoColumns(text) * monoWidth * (smallSize - 1)
		if labels.room(scale.at[i]-w/2-3, y, w+6, 10) {
			g.mono(scale.at[i], y+8, smallSize-1, "middle", "soft", text)
		}
	}
}

// byteScale lays out the places of a stream so that every piece can be seen, however short it is.
type byteScale struct {
	bounds []int64 // in rising order
	at     []float64
	cut    bool
}

func newByteScale(rows [][]piece) *byteScale {
	bounds := []int64{0}
	for _, row := range rows {
		for _, p := range row {
			bounds = append(bounds, p.from, p.to)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	s := &byteScale{bounds: bounds}
	if len(bounds) > mostIntervals+1 {
		s.bounds, s.cut = bounds[:mostIntervals+1], true
	}
	n := len(s.bounds) - 1
	if n == 0 {
		s.at = []float64{stripLeft}
		return s
	}
	least := min(40, (stripRight-stripLeft)*0.7/float64(n))
	rest := stripRight - stripLeft - least*float64(n)
	x := stripLeft
	s.at = append(s.at, x)
	for i := range n {
		x += least + rest*float64(s.bounds[i+1]-s.bounds[i])/float64(s.end())
		s.at = append(s.at, x)
	}
	return s
}

func (s *byteScale) end() int64 { return s.bounds[len(s.bounds)-1] }

// place is where a place of the stream lies, false where it is beyond what is shown.
func (s *byteScale) place(b int64) (float64, bool) {
	i, found := slices.BinarySearch(s.bounds, b)
	if !found {
		return 0, false
	}
	return s.at[i], true
}
