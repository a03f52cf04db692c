package rules

import (
	"fmt"

	"tcpwitness/harness/evidence"
)

func serverChecksBind(r *record) Finding {
	const expected = "a message on standard error, and an exit status that is not 0"
	if r.untraced() == "" {
		if why := r.unseen(); why != "" {
			return skip(why)
		}
		if why := r.missedPort(); why != "" {
			return skip(why)
		}
	}
	return r.reportsAndFails(expected)
}

// missedPort says why the port in use was never met: the server bound another address, or none.
func (r *record) missedPort() string {
	binds := false
	for _, s := range r.descriptors.order {
		for _, c := range s.of(evidence.OpBind) {
			if c.Errno == "EADDRINUSE" {
				return ""
			}
			binds = binds || s.listens() && c.Succeeded()
		}
	}
	if binds {
		return "it did not bind the port that is in use (see server.binds-given-address)"
	}
	return ""
}

// reportsAndFails wants a program that says on standard error what is wrong and exits non-zero.
func (r *record) reportsAndFails(expected string) Finding {
	o := r.outcome()
	if o == nil {
		return skip("it is no process that could exit")
	}
	refused := r.failures()
	f := fail(expected, paragraphs(listed(refused...), ending(o))).on(refused...)
	said := len(trimSpace(o.Stderr)) > 0 || o.StderrCut > 0
	switch {
	case o.KilledBySignal():
		return f.because("a signal ended it")
	case !o.EndedByItself():
		f.Seen = paragraphs(f.Seen, listed(pointers(r.pending())...))
		return f.because("it went on and did not end").on(pointers(r.pending())...)
	case o.ExitCode == 0:
		return f.because("it exited with status 0, as if all had gone well")
	case !said && len(trimSpace(o.Stdout)) > 0:
		f.Seen = paragraphs(f.Seen, printed("standard output", o.Stdout), "nothing on standard error")
		return f.because("what it said went to standard output")
	case !said:
		f.Seen = paragraphs(f.Seen, "nothing on standard error")
		return f.because("it said nothing on standard error")
	}
	return pass().on(refused...).because("%s", ending(o))
}

// failures are the binds and connects of the program that failed for good.
func (r *record) failures() []*evidence.Call {
	var calls []*evidence.Call
	for i := range r.calls {
		c := &r.calls[i]
		if c.Errno == "EADDRINUSE" || c.Errno == "ECONNREFUSED" || c.Op == evidence.OpGetOption && reportedError(c) == refusedErrno {
			calls = append(calls, c)
		}
	}
	return calls
}

func trimSpace(text evidence.Bytes) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// checksUsage judges a program that was started with fewer arguments than it needs.
func checksUsage(r *record) Finding {
	return r.reportsAndFails("a usage line on standard error, and an exit status that is not 0")
}

func serverRestarts(r *record) Finding {
	expected := fmt.Sprintf("a second start that binds %s and serves again", r.run.Address)
	if why := r.noTimeWait(); why != "" {
		return skip(why)
	}
	if r.connected(1) {
		return pass().on(r.played[1].made)
	}
	var binds []*evidence.Call
	if len(r.outcomes) > 1 {
		second := &r.outcomes[1]
		for i := range r.calls {
			c := &r.calls[i]
			if c.Op == evidence.OpBind && c.Entry >= second.Started {
				binds = append(binds, c)
				if c.Succeeded() && r.isGiven(c.Address) {
					return pass().on(c)
				}
			}
		}
		seen := paragraphs(listed(binds...), ending(second))
		if len(second.Stderr) > 0 {
			seen = paragraphs(seen, printed("standard error", second.Stderr))
		}
		return fail(expected, seen).because("it could not be started again").on(binds...)
	}
	return skip("it was not started a second time")
}

// noTimeWait says why the first connection left no TIME_WAIT with the server: the server was not the one
// that closed first, or it was reset (RFC 9293 §3.6.1).
func (r *record) noTimeWait() string {
	const notFirst = "the server was not the first to close the connection before, so that no TIME_WAIT was left with it"
	if !r.connected(0) {
		return "no client could connect to it in the first place"
	}
	p := r.conn(0)
	if c := p.conversation; c != nil {
		fins := c.FINs()
		if len(c.RSTs()) > 0 || len(fins) < 2 || fins[0].From != evidence.Server {
			return notFirst
		}
		return ""
	}
	if !p.ended || p.reset || p.leaving == nil || p.leaving.Entry < p.endCall.Entry {
		return notFirst
	}
	return ""
}

func serverLeaksNothing(r *record) Finding {
	const expected = "no more open descriptors after many clients than after a few"
	if !r.script.StaysUp {
		return skip("the dialogue has the server end by itself")
	}
	counts := r.script.Descriptors
	if len(counts) < 3 {
		return skip("its open descriptors were not counted often enough")
	}
	// What a runtime opens once, at its first client or for its pool, is no leak: that grows early and then
	// stops. A leak grows from each count to the next.
	said := ""
	grows := true
	for i, c := range counts {
		said = paragraphs(said, fmt.Sprintf("after %s: %d open", countOf(c.Clients, "client"), c.Open))
		if i > 0 && c.Open <= counts[i-1].Open {
			grows = false
		}
	}
	if !grows {
		return pass()
	}
	var held []*evidence.Call
	for _, s := range r.accepted() {
		if len(r.descriptors.holders(s.id)) > 0 {
			held = append(held, s.accepted)
		}
	}
	if len(held) > 0 {
		said = paragraphs(said, "accepted and never closed:", listed(held...))
	}
	return fail(expected, said).because("the number of open descriptors grows with the clients").on(held...)
}

func serverServesInAnyOrder(r *record) Finding {
	if !r.script.Concurrent {
		return skip("the dialogue does not say that the server is concurrent")
	}
	if len(r.connections()) < 2 || len(r.connections()[1].Reply) == 0 {
		return skip("the server sends nothing in this dialogue")
	}
	if !r.connected(0) || !r.connected(1) {
		return skip("two clients could not connect to it")
	}
	first, later, message := r.conn(0), r.conn(1), len(r.connections()[0].Message)
	if later.cut || r.sameAs(later, r.connections()[1].Reply) || len(later.got) > 0 {
		if first.sent > 0 && first.sent == message && !first.cut && len(first.got) == 0 {
			return fail("a reply to each of the two clients", paragraphs("the later client got its reply\nthe first client then sent its message and got "+first.arrived(), listed(dataCalls(r.sentFrom(0))...))).
				because("the first client got no reply once the later one had been served").
				on(acceptOf(r.acceptedFrom(0)), acceptOf(r.acceptedFrom(1))).on(first.receives()...)
		}
		// What the reply says is a question of its own.
		return pass().on(later.receives()...).on(acceptOf(r.acceptedFrom(0)), acceptOf(r.acceptedFrom(1)))
	}
	seen := paragraphs("the later client got "+later.arrived(), r.stuck())
	f := fail("a reply to the later client while the first stays silent", seen).on(later.made).on(pointers(r.pending())...)
	if first.sent == 0 {
		f = f.because("the first client, which is silent, keeps the later one waiting")
	} else if first.sent < message {
		f = f.because("the first client, which fell silent after %d bytes of its message of %d, keeps the later one waiting", first.sent, message)
	}
	return f
}
