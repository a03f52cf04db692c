package report

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

// queueEvent is a connection that comes into the accept queue or leaves it.
type queueEvent struct {
	at    evidence.Time
	up    bool
	n     int // frame of the handshake's last ACK, or call number of the accept
	full  string
	hue   int
	after int // length of the queue afterwards
}

const (
	queueWidth  = 1100.0
	queueLeft   = 70.0
	queueRight  = queueWidth - 30
	queueHeight = 220.0
	mostInQueue = 60 // events that are drawn
)

// queueSVG is the length of the accept queue: up when a handshake is complete, down when accept returns,
// with the backlog as a line. It is empty where no packets were seen or nobody listened.
func (s *story) queueSVG(options PictureOptions) string {
	listener := slices.IndexFunc(s.sockets, func(k *openSocket) bool { return k.listening })
	if listener < 0 {
		return ""
	}
	events := s.queueEvents(s.sockets[listener])
	if len(events) == 0 {
		return ""
	}
	cut := len(events) > mostInQueue
	if cut {
		events = events[:mostInQueue]
	}
	g := canvas{options: options}
	backlog, highest := s.sockets[listener].backlog, 1
	for _, e := range events {
		highest = max(highest, e.after)
	}
	showBacklog := backlog >= 0 && backlog <= max(12, 3*highest)
	top := highest + 1
	if showBacklog {
		top = max(top, backlog+1)
	}
	base := 50 + queueHeight
	y := func(n int) float64 { return base - queueHeight*float64(n)/float64(top) }
	g.label(queueLeft, 24, 15, "", "", Text{"connections that are made and wait for accept", "已建立、等待 accept 取走的连接"})
	if cut {
		g.label(queueRight, 24, smallSize, "end", "soft", Text{fmt.Sprintf("the first %d changes", mostInQueue), fmt.Sprintf("前 %d 次变化", mostInQueue)})
	}
	g.rect(queueLeft, 50, queueRight-queueLeft, queueHeight, `fill="none" stroke="var(--rail)"`)
	for n, step := 0, int(max(1, niceStep(float64(top), 6))); n <= top; n += step {
		g.line(queueLeft-5, y(n), queueRight, y(n), `stroke="var(--rail)" stroke-width="0.7"`)
		g.mono(queueLeft-9, y(n)+4, smallSize, "end", "soft", fmt.Sprint(n))
	}
	if showBacklog {
		g.line(queueLeft, y(backlog), queueRight, y(backlog), `stroke="var(--bad)" stroke-width="2" stroke-dasharray="8 5"`)
		g.mono(queueRight-6, y(backlog)-6, smallSize, "end", "bad halo", fmt.Sprintf("backlog %d", backlog))
	} else {
		g.mono(queueRight-6, 66, smallSize, "end", "soft halo", fmt.Sprintf("backlog %d", backlog))
	}
	g.queueSteps(events, y, base)
	height := g.legendLine(queueLeft, base+58, queueRight, []legendItem{
		{Text{"handshake complete (frame)", "握手完成（帧号）"}, func(x, y float64) { g.tip(x+12, y+8, x+12, y-12, `fill="var(--h1)"`) }},
		{Text{"accept returns (call)", "accept 返回（调用号）"}, func(x, y float64) { g.tip(x+12, y-12, x+12, y+6, `fill="var(--h1)"`) }},
	})
	return g.picture("queue", queueWidth, height, Text{"Length of the accept queue", "已完成连接队列的长度"})
}

// queueSteps draws the line and names what moves it.
func (c *canvas) queueSteps(events []queueEvent, y func(int) float64, base float64) {
	step := (queueRight - queueLeft) / float64(len(events)+1)
	path := fmt.Sprintf("M%s %s", number(queueLeft), number(y(0)))
	var labels placer
	for i, e := range events {
		x := queueLeft + float64(i+1)*step
		path += fmt.Sprintf("H%sV%s", number(x), number(y(e.after)))
	}
	c.add(`<path d="%sH%s" fill="none" stroke="var(--ink)" stroke-width="2.5"/>`, path, number(queueRight))
	before := 0
	for i, e := range events {
		x := queueLeft + float64(i+1)*step
		text := fmt.Sprint(e.n)
		if e.up {
			c.hit(e.n, e.full)
		} else {
			c.hitCall(e.n, e.full)
		}
		c.tip(x, y(before), x, y(e.after), fill(max(1, e.hue)))
		w := monoColumns(text)*monoWidth*(smallSize-1) + 6
		at := base + 17
		if !e.up {
			at = base + 33
		}
		if labels.room(x-w/2, at-10, w, 12) {
			c.mono(x, at, smallSize-1, "middle", "", text)
		}
		c.add("</g>")
		before = e.after
	}
	c.label(queueLeft-9, base+17, smallSize-1, "end", "soft", Text{"frame", "帧"})
	c.label(queueLeft-9, base+33, smallSize-1, "end", "soft", Text{"call", "调用"})
}

// queueEvents are the changes of a listener's accept queue, in the order of time.
func (s *story) queueEvents(listener *openSocket) []queueEvent {
	var events []queueEvent
	for _, c := range s.connections {
		view := c.view(right)
		if view == nil || !view.Handshake.Complete() || listener.local.IsValid() && c.server.Port() != listener.local.Port() {
			continue
		}
		last := view.Handshake.ACK
		events = append(events, queueEvent{at: last.Time, up: true, n: last.Frame, full: last.String(), hue: c.hue()})
	}
	if len(events) == 0 {
		return nil
	}
	for i := range s.run.Calls {
		call := &s.run.Calls[i]
		if call.Op == evidence.OpAccept && call.Succeeded() && s.behind[call.N] == listener {
			events = append(events, queueEvent{at: call.Exit, n: call.N, full: call.String(), hue: s.made[call.N].hue()})
		}
	}
	slices.SortStableFunc(events, func(a, b queueEvent) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		case a.up && !b.up:
			return -1
		}
		return 0
	})
	length := 0
	for i := range events {
		if events[i].up {
			length++
		} else {
			length = max(0, length-1)
		}
		events[i].after = length
	}
	return events
}
