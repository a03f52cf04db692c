package rules

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

// death is a failure where a signal ended the program, and whether one did.
func (r *record) death(expected string) (Finding, bool) {
	for i := range r.outcomes {
		if o := &r.outcomes[i]; o.KilledBySignal() && (o.Ended <= r.end || o.Ended == 0) {
			return fail(expected, paragraphs(ending(o), listed(r.last()))).on(r.last()), true
		}
	}
	// A program may be started by a script or another process; then the one that does its work counts.
	for i := range r.calls {
		c := &r.calls[i]
		if c.Op == evidence.OpExit && crash(c.Arg) && r.works(c.PID) {
			return fail(expected, fmt.Sprintf("its process %d: %s", c.PID, c.String())).on(c), true
		}
	}
	return Finding{}, false
}

// crash says whether a signal of Linux is one that a program draws by what it does.
func crash(signal int64) bool {
	// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGSYS.
	return slices.Contains([]int64{4, 5, 6, 7, 8, 11, 13, 31}, signal)
}

// works says whether a process accepts clients, or connects: a child that serves one client is not meant.
func (r *record) works(pid int) bool {
	for i := range r.calls {
		if c := &r.calls[i]; c.PID == pid && (c.Op == evidence.OpAccept || c.Connects() && r.is(c.Address)) {
			return true
		}
	}
	return false
}

// spin is a failure where the program spins or ran into a limit, and whether it did.
func (r *record) spin(expected string) (Finding, bool) {
	if first, n := evidence.Spin(r.calls); n > 0 {
		return fail(expected, fmt.Sprintf("%s\nand so on: %d calls in a row that achieved nothing", first.String(), n)).
			because("it spins").on(&first), true
	}
	if o := r.outcome(); o != nil && o.Stopped && len(o.Limits) > 0 {
		return fail(expected, paragraphs(append([]string{ending(o)}, o.Limits...)...)).because("it ran into a limit"), true
	}
	return Finding{}, false
}

// serverSurvives judges a server after a first client that misbehaved.
func serverSurvives(r *record) Finding {
	const expected = "the server ends by itself with any status, or waits for the next client and serves it"
	o := r.outcome()
	switch {
	case o == nil:
		return skip("the server is no process that could die")
	case !r.connected(0):
		return skip("no client could connect to it")
	}
	if f, died := r.death(expected); died {
		return f.on(acceptOf(r.acceptedFrom(0)))
	}
	if f, spins := r.spin(expected); spins {
		return f.on(acceptOf(r.acceptedFrom(0)))
	}
	if o.EndedByItself() && !r.served(1) { // else another process of it goes on
		if r.script.StaysUp {
			return fail("the server waits for the next client: in this dialogue it serves one after another and stays up", paragraphs(ending(o), listed(r.last()))).
				because("one client that leaves ends the server for all others").on(acceptOf(r.acceptedFrom(0)))
		}
		return pass().because("%s", ending(o))
	}
	if len(r.connections()) > 1 && r.conn(1) != nil {
		return r.servesNext(expected)
	}
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	for i := range r.calls {
		if c := &r.calls[i]; !c.Returned() && r.waitsForClients(c) {
			return pass().on(c)
		}
	}
	return fail(expected, paragraphs(r.stuck(), ending(o))).because("it hangs").on(pointers(r.pending())...)
}

// waitsForClients says whether a call is a wait in which a server expects its next client.
func (r *record) waitsForClients(c *evidence.Call) bool {
	if c.Op == evidence.OpWait {
		return true
	}
	return c.Op == evidence.OpAccept && slices.ContainsFunc(r.anyListeners(), func(l *socket) bool { return l.id == c.Socket })
}

// served says whether the i-th client got its reply, or the end of the stream where there is none.
func (r *record) served(i int) bool {
	if !r.connected(i) {
		return false
	}
	p, want := r.conn(i), r.connections()[i].Reply
	if len(want) == 0 {
		return p.ended
	}
	return p.cut || r.sameAs(p, want)
}

// servesNext judges whether the good client after a bad one was served.
func (r *record) servesNext(expected string) Finding {
	p := r.conn(1)
	if r.served(1) {
		return pass().on(p.made, p.endCall)
	}
	if !r.connected(1) {
		return r.unreached(1, expected)
	}
	seen := paragraphs("the next client got "+p.arrived(), r.stuck())
	return fail(expected, seen).because("the next client was not served").on(p.made).on(pointers(r.pending())...)
}

// clientSurvives judges a client whose server closed at once.
func clientSurvives(r *record) Finding {
	if !r.connected(0) {
		return skip("it did not connect, so the server could not close on it")
	}
	return r.endsSomehow().on(r.played[0].made, r.played[0].leaving)
}

func clientHandlesEmptyInput(r *record) Finding { return r.endsSomehow() }

// endsSomehow wants a program that ends by itself, with whatever status.
func (r *record) endsSomehow() Finding {
	const expected = "the client ends by itself, with any status"
	o := r.outcome()
	if o == nil {
		return skip("the client is no process that could die")
	}
	if f, died := r.death(expected); died {
		return f
	}
	if f, spins := r.spin(expected); spins {
		return f
	}
	if o.EndedByItself() {
		return pass().because("%s", ending(o))
	}
	return fail(expected, paragraphs(ending(o), listed(pointers(r.pending())...))).
		because("it hangs").on(pointers(r.pending())...)
}

func serverSurvivesFullMessage(r *record) Finding {
	if !r.replies() {
		return skip("the server sends nothing in this dialogue")
	}
	if !r.connected(0) {
		return skip("no client could connect to it")
	}
	expected := framedText(r.script.Framing, r.connections()[0].Reply)
	if f, died := r.death(expected); died {
		return f
	}
	return serverReplies(r)
}
