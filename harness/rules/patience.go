package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tcpwitness/harness/evidence"
)

// This file is about time. Some programs wait for a time of their own and then give up. How soon the harness
// speaks depends on the machine. What follows where a program had given up before it was spoken to is held
// against nobody; where all was said before, it waited for what never comes, and that is its own fault. And the
// harness gives up a scene in the end, which says nothing about a program that was still at work.

// beforeTalking are the rules about what a program does before it waits for the other end.
var beforeTalking = []string{
	"server.stream-socket", "server.binds-given-address", "server.backlog-sensible", "server.checks-bind", "server.checks-usage",
	"client.stream-socket", "client.connects-to-given-address", "client.connect-keeps-descriptor",
	"client.sends-after-connect", "client.checks-connect", "client.checks-usage",
}

// patient takes a failure back that comes of the program's having given up too early to be spoken to, or of
// the harness's having given up while the program was at work.
func (r *record) patient(rule string, f Finding) Finding {
	if f.Verdict != Fail {
		return f
	}
	early := slices.Contains(beforeTalking, rule)
	if why := r.cutShort(); why != "" {
		// What was done already stays wrong. How a program takes a failure shows later.
		if early && len(f.Calls) > 0 && !strings.Contains(rule, ".checks-") {
			return f
		}
		return skip(why)
	}
	if early {
		return f
	}
	if why := r.gaveUp(); why != "" {
		return skip(why)
	}
	if why := r.lostPatience(); why != "" {
		return skip(why)
	}
	return f
}

// manyPieces is the number of pieces after which a program with room for more has shown that it goes on receiving.
const manyPieces = 16

// lostPatience says that a program left in the middle of what was said to it byte by byte, without a word of its
// own, though it had gone on receiving: a time limit that is in no call on the socket ended its wait, such as
// an alarm, another thread's, its parent's. Empty where it was not so. One that takes a piece for the whole
// leaves as soon as it has received it.
func (r *record) lostPatience() string {
	if r.script.Scene != evidence.SceneByteByByte || !r.connected(0) || !r.leftSilently() {
		return ""
	}
	const why = "the program left before the %s had said all, and %s: how long it is to wait is not judged"
	if r.untraced() != "" {
		if p := r.conn(0); p.endCall != nil && !r.saidBy(0, p.endCall.Exit) {
			return fmt.Sprintf(why, r.peer, "what it waited for is not known without a trace")
		}
		return ""
	}
	s := r.programs(0)
	if s == nil {
		return ""
	}
	until, left := r.letsGo(s)
	if o := r.outcome(); !left && o != nil && calledOff(o) && o.Ended <= r.end {
		until, left = o.Ended, o.Ended != 0
	}
	if !left || r.saidBy(0, until) {
		return ""
	}
	pieces := 0
	var last *evidence.Call
	for _, c := range s.of(evidence.OpRecv) {
		if c.Entry > until {
			continue
		}
		if last == nil || c.Entry > last.Entry {
			last = c
		}
		if c.Succeeded() && c.Exit <= until {
			pieces++
		}
	}
	if last == nil {
		return ""
	}
	// Where it took all that it had asked for, its room may have been full.
	again := pieces >= manyPieces && last.Result < last.Length || !last.Returned() || last.Exit > until || last.Errno == "EINTR"
	for i := range r.calls {
		c := &r.calls[i]
		waited := c.Op == evidence.OpWait && c.Arg != 0 && c.Entry >= last.Exit && c.Entry < until
		again = again || waited && (last.Errno == "EAGAIN" || len(c.Watched) > 0 && looksAt(c, s))
	}
	if !again {
		return ""
	}
	return fmt.Sprintf(why, r.peer, "had gone on receiving until then")
}

// leftSilently says that a program had nothing to say to what it received so far: a server sent nothing, a
// client ended with a failure.
func (r *record) leftSilently() bool {
	if r.role == evidence.Server {
		return len(r.conn(0).got) == 0
	}
	o := r.outcome()
	return o != nil && (o.EndedByItself() && o.ExitCode != 0 || calledOff(o))
}

// calledOff says whether a program was ended by a signal of a timer or of another process than the harness.
func calledOff(o *evidence.Outcome) bool {
	return o.KilledBySignal() && slices.Contains([]string{"SIGALRM", "SIGVTALRM", "SIGPROF", "SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"}, o.Signal)
}

// letsGo is the moment at which a program let go of a socket, and whether it has.
func (r *record) letsGo(s *socket) (at evidence.Time, gone bool) {
	if c := r.lastClosed(s); c != nil {
		return c.Entry, true
	}
	if o := r.outcome(); o != nil && o.EndedByItself() && o.Ended <= r.end {
		return o.Ended, true
	}
	return 0, false
}

// cutShort says that a program was still at work when all the time for the scene was up; empty where it was
// not. One that repeats what is in vain will go on so.
func (r *record) cutShort() string {
	if _, up := r.run.Mark(evidence.MarkTimeUp); !up || r.repeats() {
		return ""
	}
	return "the program was still at work when all the time for the scene was up: what it would have done is not known"
}

// inVain is the number of calls in a row without any success from which a program repeats itself.
const inVain = 16

// repeats says whether all that the program did last was to try again what fails.
func (r *record) repeats() bool {
	if _, n := evidence.Spin(r.calls); n > 0 {
		return true
	}
	row, failed := 0, 0
	for i := len(r.calls) - 1; i >= 0 && row < inVain; i-- {
		switch c := &r.calls[i]; {
		case c.Op == evidence.OpExit, !c.Returned():
			continue
		case c.Failed():
			failed++
		case c.Op != evidence.OpSocket && c.Op != evidence.OpClose && c.Op != evidence.OpWait && c.Op != evidence.OpSetOption:
			return false
		}
		row++
	}
	return row == inVain && failed > 1
}

// gaveUp says where a program gave up waiting before the harness had said what it had to say; empty where
// that is not known.
func (r *record) gaveUp() string {
	if r.untraced() != "" {
		return ""
	}
	for i := range r.connections() {
		if !r.connected(i) {
			continue
		}
		if c := r.lastWait(r.programs(i)); c != nil && r.expired(c) && !r.saidBy(i, lastMoment(c)) {
			return fmt.Sprintf("the program waited as long as it wanted to, and gave up before the %s had said all (%s): how long it is to wait is not judged", r.peer, c)
		}
	}
	return r.closedShop()
}

// programs is the program's socket of the i-th connection, or nil.
func (r *record) programs(i int) *socket {
	if r.role == evidence.Client {
		return r.its()
	}
	return r.acceptedFrom(i)
}

// closedShop says whether a server gave up waiting for clients before all had come.
func (r *record) closedShop() string {
	if r.role != evidence.Server {
		return ""
	}
	for _, l := range r.listeners() {
		c := r.lastWait(l)
		if c == nil || !r.expired(c) {
			continue
		}
		for i := range r.connections() {
			if p := r.conn(i); p == nil || p.made == nil && (p.tried == nil || p.tried.Entry > lastMoment(c)) {
				return fmt.Sprintf("the server waited as long as it wanted to, and gave up before client %d came (%s): how long it is to wait is not judged", i+1, c)
			}
		}
	}
	return ""
}

// lastWait is the last call by which a program looked for something on a socket before it let go of it, or
// nil where it holds it still.
func (r *record) lastWait(s *socket) *evidence.Call {
	if s == nil {
		return nil
	}
	until, _ := r.letsGo(s)
	var last *evidence.Call
	for i := range r.calls {
		c := &r.calls[i]
		if c.Returned() && c.Exit <= until && looksAt(c, s) && (last == nil || c.Exit > last.Exit) {
			last = c
		}
	}
	return last
}

// looksAt says whether a call looks for data or clients on a socket.
func looksAt(c *evidence.Call, s *socket) bool {
	switch c.Op {
	case evidence.OpRecv, evidence.OpAccept:
		return slices.Contains(s.calls, c)
	case evidence.OpWait:
		return len(c.Watched) == 0 || slices.ContainsFunc(s.calls, func(o *evidence.Call) bool {
			return o.PID == c.PID && slices.Contains(c.Watched, o.FD)
		}) || slices.Contains(c.Watched, s.number())
	}
	return false
}

// number is the descriptor that a socket came with, -1 where that is not known.
func (s *socket) number() int {
	for _, c := range []*evidence.Call{s.made, s.accepted} {
		if c != nil && c.NewFD != nil {
			return *c.NewFD
		}
	}
	return -1
}

// expired says whether a call waited until a time set by the program was up. One that may not wait at all has
// not waited.
func (r *record) expired(c *evidence.Call) bool {
	if c.Op == evidence.OpWait {
		return c.Result == 0 && c.Errno == "" && c.Arg > 0
	}
	return c.Errno == "EAGAIN" && (c.Blocked || r.limitsReceive())
}

// limitsReceive says whether the program set a time limit for receiving.
func (r *record) limitsReceive() bool {
	return slices.ContainsFunc(r.calls, func(c evidence.Call) bool {
		return c.Op == evidence.OpSetOption && c.Level == levelSocket && (c.Option == optionReceiveTime || c.Option == optionReceiveTimeNew)
	})
}

// lastMoment is the moment up to which an expired call would have returned something, had it been there. When
// it was seen to return is later than that, on a busy machine by much.
func lastMoment(c *evidence.Call) evidence.Time {
	if c.Op == evidence.OpWait {
		return min(c.Exit, c.Entry+evidence.Time(c.Arg)*evidence.Time(time.Millisecond))
	}
	return c.Entry
}

// saidBy says whether the harness had said all that it had to say on the i-th connection at a moment.
func (r *record) saidBy(i int, at evidence.Time) bool {
	c, p := r.connections()[i], r.conn(i)
	left := len(c.Message)
	if r.role == evidence.Client {
		left = len(c.Reply)
	}
	ends := left == 0 || r.script.Framing.Kind == evidence.FramingEnd // then the end is what it has to say
	for _, c := range p.calls {
		if c.Exit > at || !c.Returned() {
			break
		}
		if c.Op == evidence.OpSend && c.Succeeded() {
			left -= c.Result
		}
	}
	return left <= 0 && (!ends || p.leaving != nil && p.leaving.Returned() && p.leaving.Exit <= at)
}
