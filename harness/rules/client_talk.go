package rules

import (
	"fmt"

	"tcpwitness/harness/evidence"
)

func clientSendsMessage(r *record) Finding {
	if !r.sends() {
		return r.keepsSilent()
	}
	want := r.connections()[0].Message
	if !r.connected(0) {
		return r.neverConnected(framedText(r.script.Framing, want))
	}
	p := r.conn(0)
	switch {
	case p.cut:
		return skip("the message is too long to be recorded whole")
	case !r.sameAs(p, want):
		return r.wrongMessage(p, want)
	}
	return r.showing(pass().on(r.itsSends()...).on(p.receives()...), p)
}

// keepsSilent judges a client that has nothing to say in the dialogue.
func (r *record) keepsSilent() Finding {
	for _, c := range r.itsSends() {
		if c.Succeeded() && c.Result > 0 {
			return fail("no send: in this dialogue only the server speaks", listed(r.itsSends()...)).
				because("it sends %d bytes where it should only listen", c.Result).on(r.itsSends()...)
		}
	}
	return skip("the client sends nothing in this dialogue")
}

func (r *record) itsSends() []*evidence.Call {
	if s := r.its(); s != nil {
		return s.of(evidence.OpSend)
	}
	return nil
}

func (r *record) wrongMessage(p *played, want evidence.Bytes) Finding {
	sends := r.itsSends()
	seen := paragraphs(p.arrived(), listed(sends...))
	if len(sends) == 0 {
		seen = paragraphs(seen, r.stuck())
	}
	f := fail(framedText(r.script.Framing, want), seen).because("%s", r.difference(p, want))
	return r.showing(f.on(sends...).on(p.receives()...), p)
}

// neverConnected is the failure of a client that did not reach its server.
func (r *record) neverConnected(expected string) Finding {
	seen := "no connection arrived at the server"
	var connects []*evidence.Call
	for _, s := range r.clientSockets() {
		connects = append(connects, s.of(evidence.OpConnect)...)
	}
	seen = paragraphs(seen, listed(connects...))
	if o := r.outcome(); o != nil {
		seen = paragraphs(seen, ending(o))
		if len(o.Stderr) > 0 {
			seen = paragraphs(seen, printed("standard error", o.Stderr))
		}
	}
	return fail(expected, seen).because("it did not connect").on(connects...)
}

func clientMessageClean(r *record) Finding {
	switch {
	case r.script.Framing.Kind != evidence.FramingFixed:
		return skip("the dialogue's framing leaves no room behind the text")
	case !r.sends():
		return skip("the client sends nothing in this dialogue")
	case !r.connected(0):
		return skip("it did not connect")
	case r.conn(0).cut:
		return skip("the message is too long to be recorded whole")
	}
	judged, f := r.strayBytes(r.conn(0))
	if judged == 0 {
		return skip("the message had no bytes behind its text")
	}
	return f.on(r.conn(0).receives()...)
}

func clientPrintsReply(r *record) Finding {
	o := r.outcome()
	switch {
	case o == nil:
		return skip("the client is no process whose output could be read")
	case !r.replies():
		return skip("the server sends nothing in this dialogue")
	case len(r.script.Lines) == 0:
		return skip("the dialogue has the client print nothing")
	case !r.connected(0):
		return skip("it did not connect, so it got no reply")
	}
	p := r.conn(0)
	if message := r.connections()[0].Message; len(message) > 0 && !p.cut && !r.sameAs(p, message) {
		return skip("it was owed no reply, because its message was not right (see client.sends-message)")
	}
	f := r.printsLines(o, r.script.Lines)
	if f.Verdict == Fail {
		if s := r.its(); s != nil {
			f.Seen = paragraphs(f.Seen, listed(s.of(evidence.OpRecv, evidence.OpClose)...))
			f = f.on(s.of(evidence.OpRecv)...)
		}
		return f
	}
	for _, c := range p.calls {
		if c.Op == evidence.OpSend {
			f = f.on(c)
		}
	}
	return f
}

func clientCloses(r *record) Finding {
	const expected = "close on its descriptor and on every copy of it, or the end of the process"
	if why := r.untraced(); why != "" {
		return r.closedFromOutside(why, expected)
	}
	connecting := r.connecting()
	if len(connecting) == 0 || connectedBy(connecting[0]) == nil {
		return skip("it did not connect")
	}
	finding := pass()
	for _, s := range connecting {
		calls := append([]*evidence.Call{s.made}, closing(s)...)
		if open := r.stillOpen(s); open != "" {
			return fail(expected, paragraphs(listed(calls...), open, r.stuckIfRunning())).on(calls...)
		}
		finding = finding.on(calls...)
	}
	return finding
}

func clientSendsEverything(r *record) Finding {
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	if !r.connected(0) {
		return skip("it did not connect")
	}
	if !r.sends() {
		return skip("the client sends nothing in this dialogue")
	}
	s := r.its()
	var altered *evidence.Call
	for _, c := range r.itsSends() {
		if c.Altered != "" && altered == nil {
			altered = c
		}
	}
	if s == nil || altered == nil {
		return skip("it made no send that could be cut short")
	}
	p, want := r.conn(0), r.connections()[0].Message
	if p.cut {
		return skip("the message is too long to be recorded whole")
	}
	if r.sameAs(p, want) {
		return pass().on(r.itsSends()...).on(p.receives()...)
	}
	expected := fmt.Sprintf("after %s, which the harness cut short, a further send with the rest", altered)
	return fail(expected, paragraphs(listed(r.itsSends()...), "the server got "+p.arrived(), r.stuckIfRunning())).
		because("%s", r.difference(p, want)).on(r.itsSends()...)
}

func clientChecksConnect(r *record) Finding {
	const expected = "a message on standard error, and an exit status that is not 0"
	if r.untraced() == "" {
		if why := r.unseen(); why != "" {
			return skip(why)
		}
		// Whoever goes on to send as if it were connected has not looked, whatever it reports then.
		for _, s := range r.connecting() {
			if c := sendsAfterRefusal(s); c != nil {
				return fail(expected, paragraphs(listed(append(s.of(evidence.OpConnect), c)...), ending(r.outcome()))).
					because("it went on as if it were connected").on(s.of(evidence.OpConnect)...).on(c)
			}
		}
	}
	return r.reportsAndFails(expected)
}

// sendsAfterRefusal is a send on a socket whose connect is known to the program to have failed, or nil. A
// send after a connect that is in progress may be the program's way of learning the result.
func sendsAfterRefusal(s *socket) *evidence.Call {
	told := false
	for _, c := range s.calls {
		switch {
		case c.Connects() && c.Succeeded():
			told = false
		case c.Connects() && c.Failed() && c.Errno != "EINPROGRESS" && c.Errno != "EINTR" && c.Errno != "EALREADY":
			told = true
		case reportedError(c) > 0:
			told = true
		case c.Op == evidence.OpSend && told:
			return c
		case c.Op == evidence.OpSend && c.Errno == "ECONNREFUSED":
			told = true
		}
	}
	return nil
}
