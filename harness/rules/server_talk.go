package rules

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

func serverAcceptsFresh(r *record) Finding {
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	var judged []*evidence.Call
	for _, l := range r.anyListeners() {
		for _, c := range l.of(evidence.OpAccept) {
			if !c.Succeeded() || c.NewFD == nil {
				continue
			}
			if *c.NewFD == c.FD {
				return fail("a descriptor that is not the listening one", c.String()).on(c)
			}
			if c.Before == nil {
				continue
			}
			if slices.Contains(c.Before, *c.NewFD) {
				// Another thread may have closed it while the call waited, then it was free.
				if r.threaded(c.PID) {
					continue
				}
				return fail(fmt.Sprintf("a descriptor that was not open before: open were %v", c.Before), c.String()).on(c)
			}
			judged = append(judged, c)
		}
	}
	if len(judged) == 0 {
		return skip("no accept was seen whose open descriptors were noted")
	}
	return pass().on(judged...)
}

// threaded says whether a process has more threads than its first, as far as calls show it.
func (r *record) threaded(pid int) bool {
	for i := range r.calls {
		if c := &r.calls[i]; c.PID == pid && c.TID != 0 && c.TID != pid {
			return true
		}
	}
	return false
}

func serverTalksOnAccepted(r *record) Finding {
	const expected = "send and recv on descriptors that accept returned"
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	var wrong []*evidence.Call
	for _, l := range r.anyListeners() {
		wrong = append(wrong, l.of(evidence.OpSend, evidence.OpRecv)...)
	}
	if len(wrong) > 0 {
		return fail(expected, listed(wrong...)).because("it used the listening descriptor for data").on(wrong...)
	}
	right := dataCalls(r.accepted())
	astray := r.astray(r.accepted())
	for _, op := range []evidence.Op{evidence.OpSend, evidence.OpRecv} {
		is := func(c *evidence.Call) bool { return c.Op == op }
		if !slices.ContainsFunc(right, is) && slices.ContainsFunc(astray, is) {
			return fail(expected, listed(astray...)).because("it used a descriptor that is no accepted one").on(astray...)
		}
	}
	if len(right) == 0 {
		return skip("it neither sent nor received")
	}
	return pass().on(right[:min(len(right), shownCalls)]...)
}

// dataCalls are the sends and receives on sockets.
func dataCalls(sockets []*socket) []*evidence.Call {
	var calls []*evidence.Call
	for _, s := range sockets {
		calls = append(calls, s.of(evidence.OpSend, evidence.OpRecv)...)
	}
	slices.SortFunc(calls, func(a, b *evidence.Call) int { return a.N - b.N })
	return slices.Compact(calls)
}

// astray are sends and receives that were meant for a connection and missed it: on something that is no
// socket, on no descriptor at all, or on a stream socket that has no connection.
func (r *record) astray(right []*socket) []*evidence.Call {
	var calls []*evidence.Call
	for i := range r.calls {
		c := &r.calls[i]
		if c.Op != evidence.OpSend && c.Op != evidence.OpRecv || !c.Failed() {
			continue
		}
		if c.Socket != 0 && slices.ContainsFunc(right, func(s *socket) bool { return s.id == c.Socket }) {
			continue
		}
		switch c.Errno {
		case "ENOTSOCK", "EBADF", "ENOTCONN", "EPIPE", "EDESTADDRREQ":
			if s := r.descriptors.sockets[c.Socket]; s == nil || s.made == nil || s.stream() && connectedBy(s) == nil {
				calls = append(calls, c)
			}
		}
	}
	return calls
}

// serverReportsPeer wants the client's ip and port in the output. Other words around them than the dialogue
// has are no fault: the claim is that the address is the real one.
func serverReportsPeer(r *record) Finding {
	o := r.outcome()
	if o == nil {
		return skip("the server is no process whose output could be read")
	}
	var unreachable bool
	var judged int
	for i, c := range r.connections() {
		var lines []evidence.Line
		for _, l := range r.script.Lines {
			if l.Peer {
				lines = append(lines, l)
			}
		}
		if len(lines) == 0 {
			return skip("the dialogue has the server print no address")
		}
		if !r.connected(i) {
			unreachable = true
			continue
		}
		client := r.conn(i).client
		if !client.IsValid() {
			client = unmapped(c.Client)
		}
		judged++
		ip, port := client.Addr().String(), fmt.Sprint(client.Port())
		if bears(o.Stdout, ip) && bears(o.Stdout, port) {
			continue
		}
		if why := r.unflushed(o); why != "" {
			return skip(why)
		}
		return fail(fmt.Sprintf("the ip %s and the port %s, as in:\n  %s", ip, port, evidence.Bytes(lines[0].Text).Quoted(200, len(lines[0].Text))),
			printed("standard output", o.Stdout)).on(r.conn(i).made, acceptOf(r.acceptedFrom(i)))
	}
	if judged == 0 && unreachable {
		return skip("no client could connect to it")
	}
	return pass().on(acceptOf(r.acceptedFrom(0)))
}

func acceptOf(s *socket) *evidence.Call {
	if s == nil {
		return nil
	}
	return s.accepted
}

func serverPrintsMessage(r *record) Finding {
	o := r.outcome()
	if o == nil {
		return skip("the server is no process whose output could be read")
	}
	var lines []evidence.Line
	for _, l := range r.script.Lines {
		if l.Message || !l.Peer {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return skip("the dialogue has the server print nothing of the message")
	}
	if !r.connected(0) {
		if r.replies() {
			return skip("no client could connect to it")
		}
		return r.unreached(0, "a client that connects and sends its message")
	}
	return r.printsLines(o, lines)
}

// printsLines judges whether lines stand on standard output.
func (r *record) printsLines(o *evidence.Outcome, lines []evidence.Line) Finding {
	missing, lacks := missingLine(o.Stdout, lines, r.role == evidence.Client)
	if !lacks {
		return pass()
	}
	if why := r.unflushed(o); why != "" {
		return skip(why)
	}
	seen := almost(o, missing.Text)
	if !o.ExitedZero() && !o.Stopped {
		seen = paragraphs(seen, ending(o))
	}
	return fail("on standard output the line\n  "+evidence.Bytes(missing.Text).Quoted(200, len(missing.Text)), seen)
}
