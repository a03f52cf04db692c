package report

import (
	"fmt"
	"net/netip"
	"sort"
	"time"

	"tcpwitness/harness/evidence"
)

// Ladder is the layout of one run: the client's calls, its TCP state, the packets, the server's state and
// its calls, from top to bottom in the order in which they happened. Text, SVG and HTML are drawn from the
// same layout.
type Ladder struct {
	Scenario string
	Title    string

	rows        []row
	arrows      []*arrow
	connections []*connection
	slots       [2]int // columns of bars of each lane
	labels      bool   // name connections by letters
	lost        int    // rows that were left out
	missing     []string
}

// Marks are the frames and calls that a verdict cites.
type Marks struct {
	Frames []int
	Calls  []int
	// Broken says that they broke the rule; otherwise they show that it holds.
	Broken bool
}

// DrawOptions say what a ladder shows.
type DrawOptions struct {
	Marks Marks
	// Rows is the most that the ladder has; rows that matter least are folded. 0 means 400.
	Rows int
}

// defaultRows is what a reader scrolls through at most.
const defaultRows = 400

// rowKind is what a row shows.
type rowKind int

const (
	rowCall      rowKind = iota // a call with its result
	rowEntry                    // a call that waits
	rowReturn                   // what it returned
	rowDeparture                // a packet leaves, and unless another row says so, arrives
	rowArrival                  // a packet arrives
	rowGap                      // time in which nothing happened
	rowLeftOut                  // rows that are not shown
	rowMark                     // what the stage noted
	rowEnd                      // a process ends
)

// row is one line of the ladder.
type row struct {
	kind rowKind
	lane lane
	at   time.Duration // since the run began
	// until is the time of the last of the rows that it stands for; 0 where it stands for itself.
	until time.Duration
	// calls and frames are the first and last number that the row stands for; 0 for none.
	calls, frames [2]int
	op            evidence.Op
	forms         [][]part // from the longest to the shortest
	label         Text     // of gaps, marks and ends
	process       string   // names the process where an end has several
	full          string   // the whole call
	marked        bool
	bars          [2][]bar
	states        [2][]stateChange
	arrow         *arrow
	weight        int
	failed        bool
}

// part is a piece of a call's text.
type part struct {
	text string
	zh   string // the text in Chinese, where it is no code
	// chip says that the text is a descriptor, shown in the colour of what stands behind it.
	chip      bool
	hue       int
	listening bool
	bad       bool // a failure
}

// bar is a call that has not returned yet, as it passes through a row.
type bar struct {
	slot, call, hue int
	shape           barShape
	marked          bool
}

type barShape int

const (
	barPasses barShape = iota
	barBegins
	barEnds
)

// stateChange is the state that a connection's end has from a row on.
type stateChange struct {
	conn  *connection // nil for LISTEN
	state string
}

// arrow is a packet between two rows.
type arrow struct {
	*flight
	labels []string
	remark Text
	marked bool
	// start and stop are indexes of rows; equal where nothing happened in between. start is -1 for a packet
	// that the wire made, stop is -1 for one that never arrived.
	start, stop int
}

// Draw lays out the ladder of a run.
func Draw(run *evidence.Run, options DrawOptions) *Ladder {
	return tell(run).ladder(options)
}

func (s *story) ladder(options DrawOptions) *Ladder {
	if options.Rows <= 0 {
		options.Rows = defaultRows
	}
	l := &Ladder{
		Scenario: s.run.Scenario, Title: s.run.Title,
		connections: s.connections, labels: len(s.connections) > 1,
	}
	for _, m := range s.run.Missing {
		l.missing = append(l.missing, m.What+": "+m.Why)
	}
	b := &builder{story: s, ladder: l, marks: options.Marks, processes: s.processNames()}
	b.build()
	l.rows = foldRepeats(l.rows)
	l.layBars()
	l.cut(options.Rows)
	l.placeArrows()
	return l
}

// Empty says that there is nothing to draw.
func (l *Ladder) Empty() bool { return len(l.rows) == 0 }

// Lines is the number of rows.
func (l *Ladder) Lines() int { return len(l.rows) }

// processNames gives the processes of an end short names where it has several.
func (s *story) processNames() map[process]string {
	seen := map[lane][]int{}
	for i := range s.run.Calls {
		c := &s.run.Calls[i]
		at := laneOf(c.End)
		known := false
		for _, pid := range seen[at] {
			known = known || pid == c.PID
		}
		if !known {
			seen[at] = append(seen[at], c.PID)
		}
	}
	names := map[process]string{}
	for at, pids := range seen {
		for i, pid := range pids {
			if len(pids) > 1 {
				names[process{at, pid}] = fmt.Sprintf("p%d", i+1)
			}
		}
	}
	return names
}

// event is something that happened at one moment.
type event struct {
	at    evidence.Time
	order int // among events of the same moment
	n     int
	call  *evidence.Call
	fly   *flight
	mark  *evidence.Mark
	ended *evidence.Outcome
	// second says that it is the return of the call or the arrival of the packet.
	second bool
}

// The order of events that bear the same time.
const (
	orderMark = iota
	orderEntry
	orderDeparture
	orderArrival
	orderReturn
	orderEnd
)

func (s *story) events() []event {
	var all []event
	for i := range s.run.Marks {
		m := &s.run.Marks[i]
		all = append(all, event{at: m.Time, order: orderMark, n: i, mark: m})
	}
	for i := range s.run.Calls {
		c := &s.run.Calls[i]
		all = append(all, event{at: c.Entry, order: orderEntry, n: c.N, call: c})
		if c.Returned() {
			all = append(all, event{at: c.Exit, order: orderReturn, n: c.N, call: c, second: true})
		}
	}
	for _, f := range s.flights {
		if f.out != nil {
			all = append(all, event{at: f.out.time, order: orderDeparture, n: f.out.frame, fly: f})
		}
		if f.in != nil && !f.same() {
			all = append(all, event{at: f.in.time, order: orderArrival, n: f.in.frame, fly: f, second: true})
		}
	}
	for i := range s.run.Outcomes {
		if o := &s.run.Outcomes[i]; o.Ended != 0 && !s.exitRecorded(o) {
			all = append(all, event{at: o.Ended, order: orderEnd, n: i, ended: o})
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		switch {
		case a.at != b.at:
			return a.at < b.at
		case a.order != b.order:
			return a.order < b.order
		}
		return a.n < b.n
	})
	return all
}

// exitRecorded says whether the process's end stands among the calls.
func (s *story) exitRecorded(o *evidence.Outcome) bool {
	for i := range s.run.Calls {
		c := &s.run.Calls[i]
		if c.Op == evidence.OpExit && c.End == o.End && c.PID == o.PID {
			return true
		}
	}
	return false
}

// addressForms are an address in full and by its port alone.
func addressForms(a evidence.Address) (long, short string) {
	long = a.String()
	if a.IsZero() {
		long = "?"
	}
	if a.AddrPort.IsValid() {
		return long, fmt.Sprintf(":%d", a.AddrPort.Port())
	}
	return long, long
}

// shortened is a connection's two ends for a legend.
func (c *connection) String() string {
	return addrText(c.client) + " → " + addrText(c.server)
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return "?"
	}
	return a.String()
}
