package report

import (
	"fmt"
	"math"
)

// arrow draws a packet.
func (s *svgLadder) arrow(a *arrow) {
	hue := a.conn.hue()
	from, to := xWire, xWireEnd
	if a.from == right {
		from, to = to, from
	}
	x1, y1, x2, y2 := s.ends(a, from, to)
	line := stroke(hue) + ` stroke-width="2"`
	head := fill(hue)
	if a.marked && s.options.Marks.Broken || a.lost() || a.spoilt() {
		line, head = `stroke="var(--bad)" stroke-width="2.5"`, `fill="var(--bad)"`
	}
	if a.conn == nil {
		line += ` stroke-dasharray="7 4"`
	}
	s.openArrow(a)
	defer s.add("</g>")
	s.line(x1, y1, x2, y2, line)
	if a.lost() {
		s.cross(x2, y2, 7, `stroke="var(--bad)"`)
	} else {
		s.tip(x1, y1, x2, y2, head)
	}
	if a.out == nil {
		s.add(`<circle cx="%s" cy="%s" r="5" %s/>`, number(x1), number(y1), head)
	}
	s.arrowLabels(a, x1, y1)
}

// ends are the two points of an arrow.
func (s *svgLadder) ends(a *arrow, from, to float64) (x1, y1, x2, y2 float64) {
	direction := math.Copysign(1, to-from)
	x1, x2 = from+2*direction, to-2*direction
	switch {
	case a.start >= 0 && a.start == a.stop:
		return x1, s.tops[a.start] + 22, x2, s.tops[a.start] + 34
	case a.start >= 0 && a.stop >= 0:
		return x1, s.tops[a.start] + 24, x2, s.tops[a.stop] + 14
	case a.start >= 0: // lost
		return x1, s.tops[a.start] + 22, from + direction*wireWidth*0.66, s.tops[a.start] + 31
	}
	return from + direction*wireWidth*0.34, s.tops[a.stop] + 24, x2, s.tops[a.stop] + 34
}

func (s *svgLadder) openArrow(a *arrow) {
	if !s.options.embedded {
		s.add("<g>")
		return
	}
	frames := a.frames()
	s.add(`<g class="hit" data-frame="%d" data-last="%d" tabindex="0" role="button"><title>%s</title>`,
		frames[0], frames[len(frames)-1], escape(a.labels[0]))
}

// arrowLabels writes what the packet is above its line and what is odd about it below.
func (s *svgLadder) arrowLabels(a *arrow, x1, y1 float64) {
	columns := int(math.Floor((wireWidth - 20) / (arrowSize * monoWidth)))
	label := ""
	for _, label = range a.labels {
		if columnsOf(label) <= columns {
			break
		}
	}
	halo := s.haloOf(a)
	class := halo
	if a.marked && s.options.Marks.Broken {
		class += " bad"
	}
	centre := (xWire + xWireEnd) / 2
	row := a.start
	if row < 0 {
		row = a.stop
	}
	y := s.tops[row] + 16
	s.mono(centre, y, arrowSize, "middle", class, label)
	if a.remark != (Text{}) {
		class := halo
		if a.lost() || a.spoilt() {
			class += " bad"
		}
		s.label(centre, s.tops[row]+50, smallSize, "middle", class, a.remark)
	}
	if a.start >= 0 && a.stop >= 0 && a.start != a.stop {
		side, anchor := xWireEnd-10, "end"
		if a.from == right {
			side, anchor = xWire+10, "start"
		}
		s.mono(side, s.tops[a.stop]+36, smallSize, anchor, halo, fmt.Sprintf("%d", a.in.frame))
	}
}

// haloOf is the class of text on an arrow, so that its halo has the colour of what it stands on. In a page the
// bands are lit later.
func (s *svgLadder) haloOf(a *arrow) string {
	switch {
	case !a.marked || s.options.embedded:
		return "halo"
	case s.options.Marks.Broken:
		return "halo onbad"
	}
	return "halo oncite"
}
