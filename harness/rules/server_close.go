package rules

import (
	"fmt"

	"tcpwitness/harness/evidence"
)

// stillOpen describes who still holds a socket when the scene ended, empty for nobody.
func (r *record) stillOpen(s *socket) string {
	var said string
	for _, h := range r.descriptors.holders(s.id) {
		said = paragraphs(said, fmt.Sprintf("descriptor %d was still open in process %d", h.fd, h.pid))
	}
	return said
}

// closing are the calls that closed copies of a socket or touched its end.
func closing(s *socket) []*evidence.Call { return s.of(evidence.OpShutdown, evidence.OpClose) }

func serverClosesAccepted(r *record) Finding {
	const expected = "close on the accepted descriptor and on every copy of it, or the end of the process"
	if why := r.untraced(); why != "" {
		return r.closedFromOutside(why, expected)
	}
	accepted := r.accepted()
	if len(accepted) == 0 {
		return skip("it accepted no client")
	}
	finding := pass()
	for _, s := range accepted {
		if open := r.stillOpen(s); open != "" {
			calls := append([]*evidence.Call{s.accepted}, closing(s)...)
			return fail(expected, paragraphs(listed(calls...), open, r.stuckIfRunning())).on(calls...)
		}
		finding = finding.on(s.accepted).on(closing(s)...)
	}
	return finding
}

// stuckIfRunning says what a program that still ran was doing when the scene ended.
func (r *record) stuckIfRunning() string {
	if o := r.outcome(); o == nil || o.EndedByItself() {
		return ""
	}
	return r.stuck()
}

// ended says whether the program and all that it started had ended by themselves.
func (r *record) ended() bool {
	o := r.outcome()
	return o != nil && o.Ended != 0 && !o.Stopped && o.Survivors == 0
}

// closedFromOutside judges closing without a trace: a program that has ended has closed everything, and one
// that sends no FIN has not closed. A FIN alone may be a half-close.
func (r *record) closedFromOutside(why, expected string) Finding {
	if !r.connected(0) {
		return skip(why)
	}
	p := r.conn(0)
	switch {
	case r.ended():
		return pass().because("it has ended, and that closes everything")
	case !p.ended && !p.reset && p.leaving != nil:
		return fail(expected, paragraphs(p.leaving.String()+" at the other end", "no end of file came from the program")).
			because("it did not end its side of the connection").on(p.leaving)
	}
	return skip(why)
}

func serverClosesListener(r *record) Finding {
	const expected = "close on the listening descriptor, or the end of the process"
	if r.script.StaysUp {
		return skip("the dialogue lets the server stay up")
	}
	if o := r.outcome(); !r.connected(0) && (o == nil || o.Stopped) {
		return skip("no client could connect to it, so it had no reason to end")
	}
	if why := r.untraced(); why != "" {
		switch {
		case r.ended():
			return pass().because("it has ended, and that closes everything")
		case r.outcome() == nil:
			return skip(why)
		}
		return fail(expected, r.stuck()).because("it should have ended and did not")
	}
	listeners := r.listeners()
	if len(listeners) == 0 {
		return skip("it did not listen on the address")
	}
	finding := pass()
	for _, s := range listeners {
		made := []*evidence.Call{s.made, s.succeeded(evidence.OpListen)}
		if open := r.stillOpen(s); open != "" {
			return fail(expected, paragraphs(listed(append(made, closing(s)...)...), open, r.stuckIfRunning())).
				because("it should have closed it or ended, and did not").on(made...)
		}
		finding = finding.on(made...).on(closing(s)...)
	}
	return finding
}

// endsWithFIN judges how the program's end of each connection was closed, for servers and clients.
func endsWithFIN(r *record) Finding {
	finding := pass()
	judged := 0
	for i := range r.played {
		p := &r.played[i]
		if p.made == nil || i >= len(r.connections()) {
			continue
		}
		f := r.closedWithFIN(p)
		if f.Verdict == Fail {
			return f
		}
		if f.Verdict == Skip {
			finding = f
			continue
		}
		judged++
		finding.Calls, finding.Frames = append(finding.Calls, f.Calls...), append(finding.Frames, f.Frames...)
	}
	if judged == 0 && finding.Verdict == Pass {
		return skip("no connection was made")
	}
	return finding
}

func (r *record) closedWithFIN(p *played) Finding {
	expected := "FIN from the " + r.role + ", and no RST"
	if p.conversation == nil {
		return r.closedAsThePeerSaw(p, expected)
	}
	sent := p.conversation.Sent(r.role)
	for _, rst := range sent.RSTs {
		if rst.Time <= r.end {
			return fail(expected, paragraphs(rst.String(), r.closingCalls(p))).
				because("the connection was reset").framed(rst).on(r.closings(p)...)
		}
	}
	if sent.FIN == nil || sent.FIN.Time > r.end {
		seen := paragraphs("no FIN from the "+r.role, r.closingCalls(p), r.stuckIfRunning())
		return fail(expected, seen).because("its end of the connection was not closed").on(r.closings(p)...)
	}
	return pass().framed(sent.FIN, sent.FINAck).on(r.closings(p)...)
}

func (r *record) closings(p *played) []*evidence.Call {
	var calls []*evidence.Call
	for _, s := range r.sockets(p) {
		calls = append(calls, closing(s)...)
	}
	return calls
}

// closingCalls shows the calls by which the program closed a connection, with options that change how.
func (r *record) closingCalls(p *played) string {
	var calls []*evidence.Call
	for _, s := range r.sockets(p) {
		for _, c := range s.of(evidence.OpSetOption, evidence.OpShutdown, evidence.OpClose) {
			if c.Op != evidence.OpSetOption || c.Level == levelSocket && c.Option == optionLinger {
				calls = append(calls, c)
			}
		}
	}
	return listed(calls...)
}

// closedAsThePeerSaw judges by the harness's own calls, where no packets were captured.
func (r *record) closedAsThePeerSaw(p *played, expected string) Finding {
	why := r.uncaptured()
	if why == "" {
		why = "the capture does not show the connection"
	}
	switch {
	case p.reset:
		return fail(expected, "at the other end "+p.endCall.String()).because("the connection was reset").on(p.endCall)
	case p.ended:
		return pass().on(p.endCall)
	case p.leaving == nil && !r.ended():
		return skip(why)
	}
	return fail(expected, paragraphs("at the other end recv never returned 0", r.stuckIfRunning())).
		because("its end of the connection was not closed")
}

// exchanged says whether the exchange was good as the harness saw it: everything that the program was to
// send came, and came right.
func (r *record) exchanged() bool {
	for i, c := range r.connections() {
		if !r.connected(i) {
			return false
		}
		p := r.conn(i)
		want := c.Reply
		if r.role == evidence.Client {
			want = c.Message
		}
		if len(want) > 0 && !p.cut && !r.sameAs(p, want) {
			return false
		}
	}
	return true
}

// exitsZero judges the exit status after the plain exchange, for servers and clients.
func exitsZero(r *record) Finding {
	const expected = "the program exits with status 0"
	o := r.outcome()
	switch {
	case o == nil:
		return skip("it is no process that could exit")
	case o.KilledBySignal():
		return fail(expected, paragraphs(ending(o), listed(r.last()))).on(r.last())
	case r.script.StaysUp && (o.Stopped || o.ExitedZero()):
		return skip("the dialogue lets the server stay up")
	case o.ExitedZero():
		return pass()
	case !r.exchanged() && (!o.Stopped || !r.connected(0)):
		return skip("there was no good exchange after which it could exit with 0; " + ending(o))
	case o.Stopped:
		return fail(expected, paragraphs(ending(o), listed(pointers(r.pending())...))).
			because("it should have ended and did not").on(pointers(r.pending())...)
	}
	seen := ending(o)
	if len(o.Stderr) > 0 {
		seen = paragraphs(seen, printed("standard error", o.Stderr))
	}
	return fail(expected, seen)
}

// last is the last call that the program's first process made, or nil: where a signal ended it, the one
// that drew it.
func (r *record) last() *evidence.Call {
	for i := len(r.calls) - 1; i >= 0; i-- {
		if c := &r.calls[i]; c.Op != evidence.OpExit && c.Op != evidence.OpClose {
			return c
		}
	}
	return nil
}
