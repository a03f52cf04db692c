package report

import (
	"fmt"
	"math"
	"slices"

	"tcpwitness/harness/conversation"
)

// stateNode is a state's place in the picture.
type stateNode struct{ x, y float64 }

const (
	machineWidth  = 1180.0
	machineHeight = 800.0
	nodeWidth     = 146.0
	nodeHeight    = 38.0
)

// stateNodes are laid out as in RFC 9293, figure 5: the opening above, the active closer left, the passive
// one right.
var stateNodes = map[conversation.State]stateNode{
	conversation.Closed:      {590, 50},
	conversation.Listen:      {280, 150},
	conversation.SynSent:     {900, 150},
	conversation.SynReceived: {280, 290},
	conversation.Established: {590, 380},
	conversation.FinWait1:    {280, 490},
	conversation.CloseWait:   {900, 490},
	conversation.FinWait2:    {150, 680},
	conversation.Closing:     {430, 600},
	conversation.TimeWait:    {590, 720},
	conversation.LastAck:     {900, 620},
	finalClosed:              {900, 740},
}

// finalClosed is the second place of CLOSED, at the foot of the picture.
const finalClosed conversation.State = "CLOSED "

// stateEdge is a transition of RFC 9293, figure 5.
type stateEdge struct {
	from, to conversation.State
	label    string  // what causes it / what is sent
	shift    float64 // where on the line the label stands, from 0 to 1
	dx, dy   float64 // and how far beside it
	anchor   string
}

var stateEdges = []stateEdge{
	{conversation.Closed, conversation.Listen, "listen()", .5, -10, -8, "end"},
	{conversation.Closed, conversation.SynSent, "connect() / SYN", .5, 10, -8, "start"},
	{conversation.Listen, conversation.SynSent, "send / SYN", .25, 0, -8, "middle"},
	{conversation.Listen, conversation.SynReceived, "SYN / SYN,ACK", .5, -10, 4, "end"},
	{conversation.SynSent, conversation.SynReceived, "SYN / SYN,ACK", .5, -20, -10, "end"},
	{conversation.SynSent, conversation.Established, "SYN,ACK / ACK", .5, 14, 6, "start"},
	{conversation.SynReceived, conversation.Established, "ACK of SYN", .5, 8, -10, "start"},
	{conversation.SynReceived, conversation.FinWait1, "close() / FIN", .5, -10, 4, "end"},
	{conversation.Established, conversation.FinWait1, "close() / FIN", .5, 8, 18, "start"},
	{conversation.Established, conversation.CloseWait, "FIN / ACK", .5, 12, -6, "start"},
	{conversation.FinWait1, conversation.FinWait2, "ACK of FIN", .5, -12, 0, "end"},
	{conversation.FinWait1, conversation.Closing, "FIN / ACK", .5, 12, -4, "start"},
	{conversation.FinWait1, conversation.TimeWait, "", .5, 0, 0, "middle"},
	{conversation.FinWait2, conversation.TimeWait, "FIN / ACK", .5, 0, 22, "middle"},
	{conversation.Closing, conversation.TimeWait, "ACK of FIN", .5, 14, 0, "start"},
	{conversation.CloseWait, conversation.LastAck, "close() / FIN", .5, 12, 4, "start"},
	{conversation.LastAck, finalClosed, "ACK of FIN", .5, 12, 4, "start"},
	{conversation.TimeWait, finalClosed, "2 MSL", .5, 0, 20, "middle"},
}

// step is one transition that an end went through.
type step struct {
	from, to conversation.State
	frame    int
}

// stepsOf are the transitions of an end, with the frames that caused them.
func stepsOf(view *conversation.Conversation, at lane) []step {
	var steps []step
	now := view.States(at.end())[0]
	for _, seg := range view.Segments {
		if next := seg.After.Of(at.end()); next != now {
			steps = append(steps, step{now, next, seg.Frame})
			now = next
		}
	}
	return steps
}

// statesSVG is the state machine of RFC 9293 with the path of each end lit.
func (s *story) statesSVG(c *connection, options PictureOptions) string {
	g := &machine{canvas: canvas{options: options}, visited: map[conversation.State][2]bool{}}
	for _, at := range []lane{left, right} {
		if view := c.view(at); view != nil {
			g.steps[at] = stepsOf(view, at)
		}
	}
	if len(g.steps[left])+len(g.steps[right]) == 0 {
		return ""
	}
	for _, at := range []lane{left, right} {
		if steps := g.steps[at]; len(steps) > 0 && steps[0].from == conversation.Listen {
			g.steps[at] = slices.Insert(steps, 0, step{conversation.Closed, conversation.Listen, 0})
		}
		for _, st := range g.steps[at] {
			g.visit(st.from, at)
			g.visit(st.to, at)
		}
		g.redirect(at)
	}
	g.edges()
	g.strays()
	g.nodes()
	g.pathLabels()
	y := g.legendLine(30, machineHeight-6, machineWidth-20, []legendItem{
		{Text{"the client's path, with frame numbers", "客户端的路径（数字为帧号）"}, g.sample(left)},
		{Text{"the server's path", "服务器的路径"}, g.sample(right)},
		{Text{"a reset", "复位"}, func(x, y float64) {
			g.line(x, y-4, x+24, y-4, `stroke="var(--bad)" stroke-width="3" stroke-dasharray="7 4"`)
		}},
	})
	return g.picture("states", machineWidth, y+6, Text{"The states of RFC 9293 with the path of each end", "RFC 9293 状态机与两端经过的路径"})
}

type machine struct {
	canvas
	steps   [2][]step
	visited map[conversation.State][2]bool
	tags    placer
}

// pathColour is that of an end's path.
func pathColour(at lane) string {
	if at == left {
		return "var(--h1)"
	}
	return "var(--h2)"
}

func (g *machine) visit(state conversation.State, at lane) {
	v := g.visited[state]
	v[at] = true
	g.visited[state] = v
}

// redirect lets the last step into CLOSED end at the foot of the picture.
func (g *machine) redirect(at lane) {
	for i := range g.steps[at] {
		st := &g.steps[at][i]
		if st.to == conversation.Closed && (st.from == conversation.LastAck || st.from == conversation.TimeWait) {
			st.to = finalClosed
			g.visit(finalClosed, at)
		}
	}
}

func (g *machine) sample(at lane) func(x, y float64) {
	return func(x, y float64) {
		g.line(x, y-4, x+24, y-4, fmt.Sprintf(`stroke="%s" stroke-width="5"`, pathColour(at)))
	}
}

// ends are the points where the line between two states leaves the one and meets the other.
func ends(from, to conversation.State) (x1, y1, x2, y2 float64) {
	a, b := stateNodes[from], stateNodes[to]
	x1, y1 = border(a, b)
	x2, y2 = border(b, a)
	return x1, y1, x2, y2
}

// border is where the line from a to b crosses a's box.
func border(a, b stateNode) (float64, float64) {
	dx, dy := b.x-a.x, b.y-a.y
	scale := math.Inf(1)
	if dx != 0 {
		scale = min(scale, (nodeWidth/2+3)/math.Abs(dx))
	}
	if dy != 0 {
		scale = min(scale, (nodeHeight/2+3)/math.Abs(dy))
	}
	return a.x + dx*scale, a.y + dy*scale
}

func (g *machine) edges() {
	for _, e := range stateEdges {
		x1, y1, x2, y2 := ends(e.from, e.to)
		if e.label == "" && !g.took(e, left) && !g.took(e, right) {
			continue
		}
		g.line(x1, y1, x2, y2, `stroke="var(--rail)" stroke-width="1.5"`)
		g.tip(x1, y1, x2, y2, `fill="var(--rail)"`)
		if e.label != "" {
			g.mono(x1+(x2-x1)*e.shift+e.dx, y1+(y2-y1)*e.shift+e.dy, smallSize-.5, e.anchor, "soft halo", e.label)
		}
	}
}

func (g *machine) took(e stateEdge, at lane) bool {
	return slices.ContainsFunc(g.steps[at], func(st step) bool { return st.from == e.from && st.to == e.to })
}

// known says whether the transition is one of the figure's.
func known(st step) bool {
	return slices.ContainsFunc(stateEdges, func(e stateEdge) bool { return e.from == st.from && e.to == st.to })
}

// path draws one transition of an end, beside that of the other end where both take it.
func (g *machine) path(st step, at lane, dash string) (x, y float64) {
	x1, y1, x2, y2 := ends(st.from, st.to)
	dx, dy := unit(x2-x1, y2-y1)
	side := 4.0
	if at == right {
		side = -4
	}
	x1, y1, x2, y2 = x1-dy*side, y1+dx*side, x2-dy*side, y2+dx*side
	colour := pathColour(at)
	if dash != "" {
		colour = "var(--bad)"
	}
	g.line(x1, y1, x2, y2, fmt.Sprintf(`stroke="%s" stroke-width="4.5"%s`, colour, dash))
	g.tip(x1, y1, x2, y2, fmt.Sprintf(`fill="%[1]s" stroke="%[1]s" stroke-width="3"`, colour))
	return x1 + (x2-x1)*.3, y1 + (y2-y1)*.3
}

// strays are the transitions that the figure does not have: resets, and what was not seen whole.
func (g *machine) strays() {
	for _, at := range []lane{left, right} {
		for _, st := range g.steps[at] {
			if _, drawn := stateNodes[st.from]; drawn && !known(st) && st.from != st.to {
				g.path(st, at, ` stroke-dasharray="7 4"`)
			}
		}
	}
	for _, at := range []lane{left, right} {
		for _, st := range g.steps[at] {
			if known(st) {
				g.path(st, at, "")
			}
		}
	}
}

func (g *machine) nodes() {
	for _, state := range nodeOrder {
		n := stateNodes[state]
		style := `fill="var(--bg)" stroke="var(--rail)" stroke-width="1.5"`
		v := g.visited[state]
		if v[left] || v[right] {
			style = `fill="var(--band)" stroke="var(--ink)" stroke-width="2"`
		}
		g.rect(n.x-nodeWidth/2, n.y-nodeHeight/2, nodeWidth, nodeHeight, `rx="9" `+style)
		if v[left] {
			g.rect(n.x-nodeWidth/2+6, n.y-nodeHeight/2+6, 6, nodeHeight-12, `rx="3" style="fill:`+pathColour(left)+`"`)
		}
		if v[right] {
			g.rect(n.x+nodeWidth/2-12, n.y-nodeHeight/2+6, 6, nodeHeight-12, `rx="3" style="fill:`+pathColour(right)+`"`)
		}
		class := "soft"
		if v[left] || v[right] {
			class = ""
		}
		name := string(state)
		if state == finalClosed {
			name = string(conversation.Closed)
		}
		g.mono(n.x, n.y+5, 14, "middle", class, name)
	}
}

// nodeOrder keeps the picture the same from one drawing to the next.
var nodeOrder = []conversation.State{
	conversation.Closed, conversation.Listen, conversation.SynSent, conversation.SynReceived, conversation.Established,
	conversation.FinWait1, conversation.FinWait2, conversation.Closing, conversation.TimeWait, conversation.CloseWait,
	conversation.LastAck, finalClosed,
}

// pathLabels are the frame numbers of the transitions.
func (g *machine) pathLabels() {
	for _, at := range []lane{left, right} {
		for _, st := range g.steps[at] {
			if _, drawn := stateNodes[st.from]; !drawn || st.frame == 0 || st.from == st.to {
				continue
			}
			g.tag(st, at)
		}
	}
}

// tag writes a frame number onto a path, at the first place along it that is free.
func (g *machine) tag(st step, at lane) {
	x1, y1, x2, y2 := ends(st.from, st.to)
	text := fmt.Sprint(st.frame)
	w := monoColumns(text)*monoWidth*smallSize + 10
	for _, part := range []float64{.32, .68, .2, .8, .44, .56} {
		x, y := x1+(x2-x1)*part, y1+(y2-y1)*part
		if part < .75 && !g.tags.room(x-w/2, y-9, w, 18) {
			continue
		}
		g.hit(st.frame, fmt.Sprintf("frame %d: %s → %s", st.frame, st.from, st.to))
		g.rect(x-w/2, y-9, w, 18, `rx="9" style="fill:`+pathColour(at)+`"`)
		g.add(`<text x="%s" y="%s" class="m" font-size="%s" text-anchor="middle" style="fill:var(--bg)" font-weight="700">%s</text>`,
			number(x), number(y+4.5), number(smallSize), escape(text))
		g.add("</g>")
		return
	}
}
