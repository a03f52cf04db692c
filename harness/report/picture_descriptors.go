package report

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

const (
	livesWidth  = 1240.0
	livesLeft   = 190.0
	livesRight  = livesWidth - 30
	lifeHeight  = 34.0
	mostColumns = 70  // calls beyond are not drawn one by one
	mostTracks  = 120 // descriptors that are drawn
	mostLives   = 400 // lives of all of them that are drawn
)

// lifeTrack is the row of one descriptor number of one process, with all lives it had.
type lifeTrack struct {
	at    lane
	pid   int
	fd    int
	lives []*life
}

// descriptorsSVG is the life of the descriptors in each process: from the call that opened one to the call
// that closed it, in the colour of its connection, with the calls made on it.
func (s *story) descriptorsSVG(options PictureOptions) string {
	tracks := s.lifeTracks()
	if len(tracks) == 0 {
		return ""
	}
	g := &livesPicture{canvas: canvas{options: options}, story: s}
	g.gatherColumns(tracks)
	y := 20.0
	var last process
	names := s.processNames()
	for i, t := range tracks {
		if here := (process{t.at, t.pid}); i == 0 || here != last {
			last = here
			y += 14
			g.label(14, y+12, 14, "", "", processTitle(t.at, names[here]))
			g.line(14, y+20, livesRight, y+20, `stroke="var(--rail)"`)
			y += 30
		}
		g.track(t, y)
		y += lifeHeight + 8
	}
	y = g.legendLine(livesLeft, y+22, livesRight, []legendItem{
		{Text{"listens", "监听"}, func(x, y float64) { g.rect(x, y-13, 24, 18, `fill="var(--ink)" rx="3"`) }},
		{Text{"connected, in the colour of its connection", "已连接（颜色表示所属连接）"}, func(x, y float64) { g.rect(x, y-13, 24, 18, `fill="var(--h1)" rx="3"`) }},
		{Text{"neither", "两者都不是"}, func(x, y float64) {
			g.rect(x+1, y-12, 22, 16, `fill="var(--bg)" stroke="var(--soft)" stroke-width="1.5" rx="3"`)
		}},
		{Text{"closed", "已关闭"}, func(x, y float64) { g.rect(x+10, y-15, 5, 22, `fill="var(--ink)"`) }},
		{Text{"closed again", "重复关闭"}, func(x, y float64) { g.cross(x+12, y-5, 6, `stroke="var(--bad)"`) }},
		{Text{"still open at the end", "结束时仍打开"}, func(x, y float64) { g.tip(x, y-4, x+20, y-4, `fill="var(--bad)"`) }},
	})
	return g.picture("descriptors", livesWidth, y, Text{"The life of the descriptors", "文件描述符的生命周期"})
}

func processTitle(at lane, name string) Text {
	t := Text{"client", "客户端"}
	if at == right {
		t = Text{"server", "服务器"}
	}
	if name != "" {
		t.En, t.Zh = t.En+", process "+name, t.Zh+"，进程 "+name
	}
	return t
}

// lifeTracks puts the lives of the same number of the same process into one row.
func (s *story) lifeTracks() []lifeTrack {
	var tracks []lifeTrack
	for _, l := range s.lives[:min(len(s.lives), mostLives)] {
		i := slices.IndexFunc(tracks, func(t lifeTrack) bool { return t.at == l.end && t.pid == l.pid && t.fd == l.fd })
		if i < 0 {
			if len(tracks) == mostTracks {
				continue
			}
			i = len(tracks)
			tracks = append(tracks, lifeTrack{at: l.end, pid: l.pid, fd: l.fd})
		}
		tracks[i].lives = append(tracks[i].lives, l)
	}
	order := map[process]int{}
	for _, t := range tracks {
		if _, seen := order[process{t.at, t.pid}]; !seen {
			order[process{t.at, t.pid}] = len(order)
		}
	}
	slices.SortStableFunc(tracks, func(a, b lifeTrack) int {
		if a.at != b.at {
			return int(a.at) - int(b.at)
		}
		if a.pid != b.pid {
			return order[process{a.at, a.pid}] - order[process{b.at, b.pid}]
		}
		return a.fd - b.fd
	})
	return tracks
}

type livesPicture struct {
	canvas
	story   *story
	columns []evidence.Time // moments that have a column, in order
	step    float64
}

// gatherColumns gives every call that opens, closes or uses a socket a column, as long as there is room.
func (g *livesPicture) gatherColumns(tracks []lifeTrack) {
	var vital, others []evidence.Time
	for _, t := range tracks {
		for _, l := range t.lives {
			vital = append(vital, l.from)
			if l.to != 0 {
				vital = append(vital, l.to)
			}
		}
	}
	for i := range g.story.run.Calls {
		c := &g.story.run.Calls[i]
		if g.story.behind[c.N] != nil && c.Failed() && c.Op == evidence.OpClose {
			vital = append(vital, c.Entry) // a close of what was closed before
		}
		if g.story.behind[c.N] != nil && c.Op != evidence.OpClose {
			others = append(others, c.Entry)
		}
	}
	slices.Sort(vital)
	vital = slices.Compact(vital)
	room := max(0, mostColumns-len(vital))
	if len(others) > room {
		others = others[:room]
	}
	g.columns = append(vital, others...)
	slices.Sort(g.columns)
	g.columns = slices.Compact(g.columns)
	g.step = (livesRight - livesLeft - 40) / float64(max(1, len(g.columns)))
}

// place is the column of a moment, or of the last one before it.
func (g *livesPicture) place(t evidence.Time) float64 {
	i, found := slices.BinarySearch(g.columns, t)
	if !found {
		i--
	}
	return livesLeft + (float64(max(0, i))+0.5)*g.step
}

func (g *livesPicture) track(t lifeTrack, y float64) {
	g.label(livesLeft-14, y+lifeHeight/2+5, 14, "end", "", Text{fmt.Sprintf("descriptor %d", t.fd), fmt.Sprintf("描述符 %d", t.fd)})
	for _, l := range t.lives {
		g.life(l, y)
	}
}

func (g *livesPicture) life(l *life, y float64) {
	from, to := g.place(l.from), livesRight-22
	if l.to != 0 {
		to = g.place(l.to)
	}
	to = max(to, from+6)
	text, style := "var(--ink)", `fill="var(--bg)" stroke="var(--soft)" stroke-width="1.5"`
	switch {
	case l.socket.listening:
		style, text = `fill="var(--ink)"`, "var(--bg)"
	case l.socket.hue() > 0:
		style, text = fill(l.socket.hue()), "var(--bg)"
	}
	if l.inherited {
		style += ` opacity="0.75"`
	}
	g.rect(from, y+3, to-from, lifeHeight-6, style+` rx="3"`)
	if l.to == 0 {
		g.tip(to, y+lifeHeight/2, to+18, y+lifeHeight/2, `fill="var(--bad)"`)
	} else {
		g.rect(to-2.5, y-1, 5, lifeHeight+2, `fill="var(--ink)"`)
	}
	var labels placer
	labels.room(from, y, 4, lifeHeight)
	for i := range g.story.run.Calls {
		c := &g.story.run.Calls[i]
		if laneOf(c.End) != l.end || c.PID != l.pid {
			continue
		}
		switch {
		case c.N == l.opened:
			g.callMark(c, from, to, y, text, &labels)
		case c.FD == l.fd && c.Op != evidence.OpClose && c.Entry >= l.from && (l.to == 0 || c.Entry <= l.to):
			at := g.place(c.Entry)
			g.line(at, y+lifeHeight-10, at, y+lifeHeight-3, fmt.Sprintf(`stroke="%s" stroke-width="2"`, text))
			g.callMark(c, at, to, y, text, &labels)
		case c.N == l.closed && c.FD == l.fd:
			g.closeMark(c, to, y)
		case c.N == l.closedTwice:
			g.hitCall(c.N, c.String())
			g.cross(max(g.place(c.Entry), to+84), y+lifeHeight/2, 7, `stroke="var(--bad)"`)
			g.add("</g>")
		}
	}
}

// callMark is a call on a descriptor: its number and name where there is room before the bar ends.
func (g *livesPicture) callMark(c *evidence.Call, x, end, y float64, colour string, labels *placer) {
	g.hitCall(c.N, c.String())
	for _, text := range []string{fmt.Sprintf("%d %s", c.N, c.Name), fmt.Sprint(c.N)} {
		w := monoColumns(text) * monoWidth * (smallSize - 1.5)
		if x+w+8 < end && labels.room(x+4, y+4, w+5, lifeHeight-8) {
			g.add(`<text x="%s" y="%s" class="m" font-size="%s" style="fill:%s" textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`,
				number(x+5), number(y+lifeHeight/2+3), number(smallSize-1.5), colour, number(w), escape(text))
			break
		}
	}
	g.add("</g>")
}

// closeMark names the close behind its bar.
func (g *livesPicture) closeMark(c *evidence.Call, x, y float64) {
	g.hitCall(c.N, c.String())
	g.mono(x+6, y+lifeHeight/2+4, smallSize-1.5, "", "soft halo", fmt.Sprintf("%d %s", c.N, c.Name))
	g.add("</g>")
}
