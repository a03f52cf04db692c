package report

import (
	"slices"
	"sort"
	"time"

	"tcpwitness/harness/evidence"
)

// Picture is one drawing of a scenario.
type Picture struct {
	Name  string // part of a file's name: "ladder", "sequence-A"…
	Title Text
	SVG   string
}

// Pictures draws all there is to draw of a run: the ladder, and for what it has of connections, data,
// descriptors and accept queues a picture each.
func Pictures(run *evidence.Run, options PictureOptions) []Picture {
	return tell(run).pictures(options)
}

func (s *story) pictures(options PictureOptions) []Picture {
	var all []Picture
	if l := s.ladder(DrawOptions{Marks: options.Marks}); !l.Empty() {
		all = append(all, Picture{"ladder", Text{"Ladder", "时序梯图"}, l.SVG(options)})
	}
	for i, c := range s.connections {
		if i == drawnConnections {
			break
		}
		name, suffix := "", ""
		if len(s.connections) > 1 {
			name, suffix = " "+c.letter(), "-"+c.letter()
		}
		add := func(kind string, title Text, svg string) {
			if svg != "" {
				all = append(all, Picture{kind + suffix, Text{title.En + name, title.Zh + name}, svg})
			}
		}
		add("sequence", Text{"Time and sequence numbers", "时间—序号图"}, s.sequenceSVG(c, options))
		add("boundaries", Text{"Message boundaries", "报文边界"}, s.boundariesSVG(c, options))
		add("states", Text{"State machine", "状态机"}, s.statesSVG(c, options))
	}
	if svg := s.descriptorsSVG(options); svg != "" {
		all = append(all, Picture{"descriptors", Text{"Life of the descriptors", "文件描述符的生命周期"}, svg})
	}
	if svg := s.queueSVG(options); svg != "" {
		all = append(all, Picture{"queue", Text{"Accept queue", "已完成连接队列"}, svg})
	}
	return all
}

// drawnConnections is how many connections get pictures of their own.
const drawnConnections = 4

// timeScale lays moments out on a line. Times in which nothing happens are folded.
type timeScale struct {
	times []evidence.Time // in rising order
	at    []float64       // places, beside times
	folds []timeFold
	// widened says that the times are too few for a line to scale: short ones are drawn longer than they are.
	widened bool
}

// timeFold is a piece of the line that stands for a long time.
type timeFold struct {
	from, to float64
	passed   time.Duration
}

// foldRoom is the width of a fold.
const foldRoom = 44.0

// widestStep is the room that a short time has at least, where there are few times.
const widestStep = 60.0

func newTimeScale(times []evidence.Time, from, to float64) *timeScale {
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	s := &timeScale{times: slices.Compact(sorted)}
	if len(s.times) == 0 {
		return s
	}
	var together time.Duration
	folds, least := 0, s.leastFold()
	for i := 1; i < len(s.times); i++ {
		if d := s.times[i].Sub(s.times[i-1]); d >= least {
			folds++
		} else {
			together += d
		}
	}
	fold := min(foldRoom, (to-from)/2/float64(max(1, folds)))
	room := to - from - float64(folds)*fold
	x := from
	if together == 0 && folds == 0 {
		x = (from + to) / 2
	}
	steps := len(s.times) - 1 - folds
	step := min(widestStep, room/2/float64(max(1, steps)))
	if s.widened = step >= 8; !s.widened {
		step = 0
	}
	room -= float64(steps) * step
	s.at = append(s.at, x)
	for i := 1; i < len(s.times); i++ {
		d := s.times[i].Sub(s.times[i-1])
		if d >= least {
			s.folds = append(s.folds, timeFold{x, x + fold, d})
			x += fold
		} else if together > 0 {
			x += step + room*float64(d)/float64(together)
		}
		s.at = append(s.at, x)
	}
	return s
}

// mostFolds is how many folds a line has at most.
const mostFolds = 8

// leastFold is how long nothing must happen for the time to be folded: a gap that stands out from the others.
func (s *timeScale) leastFold() time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(s.times); i++ {
		gaps = append(gaps, s.times[i].Sub(s.times[i-1]))
	}
	if len(gaps) <= mostFolds {
		return leastGap
	}
	slices.Sort(gaps)
	return max(leastGap, 3*gaps[len(gaps)-1-mostFolds])
}

// place is where a moment lies; it must be one of those the scale was made of.
func (s *timeScale) place(t evidence.Time) float64 {
	i := sort.Search(len(s.times), func(i int) bool { return s.times[i] >= t })
	if i == len(s.times) {
		i--
	}
	return s.at[i]
}

// placer keeps small labels from standing on each other: what has no room is left out.
type placer struct{ boxes [][4]float64 }

// room says whether a box is free, and takes it.
func (p *placer) room(x, y, w, h float64) bool {
	for i := len(p.boxes) - 1; i >= 0 && i >= len(p.boxes)-400; i-- {
		b := p.boxes[i]
		if x < b[0]+b[2] && b[0] < x+w && y < b[1]+b[3] && b[1] < y+h {
			return false
		}
	}
	p.boxes = append(p.boxes, [4]float64{x, y, w, h})
	return true
}

// legendItem is a shape and what it means.
type legendItem struct {
	text Text
	draw func(x, y float64)
}

// legendLine writes items side by side from (x, y) and yields where the next line would be.
func (c *canvas) legendLine(x, y, right float64, items []legendItem) float64 {
	start := x
	for _, item := range items {
		width := 30 + c.labelRoom(item.text, smallSize)
		if x+width > right && x > start {
			x, y = start, y+24
		}
		item.draw(x, y)
		c.label(x+30, y, smallSize, "", "soft", item.text)
		x += width + 24
	}
	return y + 24
}

// niceStep is a round number so that about so many steps cover the range.
func niceStep(span float64, steps int) float64 {
	step := 1.0
	for i := 0; span/step > float64(steps); i++ {
		step *= []float64{2, 2.5, 2}[i%3]
	}
	return step
}
