package rules

import (
	"bytes"
	"fmt"

	"tcpwitness/harness/evidence"
)

// shownData is how much of a message is shown, in bytes.
const shownData = 160

// framedText shows a frame that is wanted: its text, and what the framing adds.
func framedText(f evidence.Framing, frame evidence.Bytes) string {
	text := evidence.Bytes(f.Text(frame))
	shown := text.Quoted(shownData, len(text))
	switch f.Kind {
	case evidence.FramingFixed:
		return fmt.Sprintf("a frame of %d bytes: %s, then NULs", f.Size, shown)
	case evidence.FramingLine:
		return frame.Quoted(shownData, len(frame))
	case evidence.FramingLength:
		return fmt.Sprintf("%s: %s", f, frame.Quoted(shownData, len(frame)))
	}
	return shown + ", then end of file"
}

// arrived shows what came instead.
func (p *played) arrived() string {
	shown := "nothing"
	if len(p.got) > 0 {
		shown = fmt.Sprintf("%s (%s)", evidence.Bytes(p.got).Quoted(shownData, len(p.got)), countOf(len(p.got), "byte"))
	}
	switch {
	case p.reset:
		return shown + ", then the connection was reset"
	case p.ended:
		return shown + ", then end of file"
	}
	return shown + ", and no end of file"
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// difference says in one clause in what a message differs from the one wanted.
func (r *record) difference(p *played, want evidence.Bytes) string {
	f := r.script.Framing
	got, wanted := evidence.Bytes(p.got), f.Text(want)
	switch {
	case len(got) == 0:
		return "nothing came"
	case f.Kind == evidence.FramingFixed && len(got) != f.Size && bytes.Equal(f.Text(got), wanted):
		return fmt.Sprintf("the text is right, but %s came and a frame has %d", countOf(len(got), "byte"), f.Size)
	case f.Kind == evidence.FramingFixed && bytes.IndexByte(got, 0) < 0 && (len(got) >= len(wanted) || !bytes.HasPrefix(wanted, got)):
		return "there is no NUL behind the text"
	case f.Kind == evidence.FramingLine && bytes.Equal(got, wanted):
		return "the newline at the end is missing"
	case f.Kind == evidence.FramingLine && bytes.Equal(bytes.TrimRight(got, "\x00"), want):
		return "NULs follow the newline"
	case f.Kind == evidence.FramingFixed && bytes.Equal(f.Text(got), append(bytes.Clone(wanted), '\n')):
		return "the newline was not taken off the text"
	case f.Kind == evidence.FramingFixed && bytes.HasPrefix(wanted, f.Text(got)) && len(f.Text(got)) > 0:
		return fmt.Sprintf("the text ends after %s of %d", countOf(len(f.Text(got)), "byte"), len(wanted))
	case f.Kind == evidence.FramingEnd && bytes.Equal(got, want):
		return "the text is right, but no end of file followed"
	case bytes.HasPrefix(want, got) && len(got) < len(want):
		return fmt.Sprintf("only the first %s of %d came", countOf(len(got), "byte"), len(want))
	case bytes.HasPrefix(got, want):
		return fmt.Sprintf("%s more came than belong to it", countOf(len(got)-len(want), "byte"))
	}
	return "the text is another one"
}

// sameAs says whether what came on a connection is exactly the frame wanted.
func (r *record) sameAs(p *played, want evidence.Bytes) bool {
	if r.script.Framing.Kind == evidence.FramingEnd && !p.ended {
		return false
	}
	return r.script.Framing.Same(p.got, want)
}

// unreached is the failure of a server that no client could reach.
func (r *record) unreached(i int, expected string) Finding {
	seen := "no connection was made"
	var tried *evidence.Call
	if p := r.conn(i); p != nil && p.tried != nil {
		tried = p.tried
		seen = "a client's " + tried.String()
	}
	if o := r.outcome(); o != nil {
		seen = paragraphs(seen, ending(o))
		if len(o.Stderr) > 0 {
			seen = paragraphs(seen, printed("standard error", o.Stderr))
		}
	}
	f := fail(expected, seen).because("client %d could not connect", i+1)
	if tried != nil {
		f = f.on(tried)
	}
	return f
}

func serverReplies(r *record) Finding {
	if !r.replies() {
		return skip("the server sends nothing in this dialogue")
	}
	judged := 0
	finding := pass()
	for i, c := range r.connections() {
		if len(c.Reply) == 0 {
			continue
		}
		p := r.conn(i)
		// Whether both clients are served at all is a question of its own.
		if r.script.Scene == evidence.SceneTwoClients && (p == nil || len(p.got) == 0) {
			continue
		}
		if !r.connected(i) {
			return r.unreached(i, framedText(r.script.Framing, c.Reply))
		}
		if p.cut {
			return skip("the reply is too long to be recorded whole")
		}
		if !r.sameAs(p, c.Reply) {
			return r.wrongReply(i)
		}
		finding = finding.on(p.calls[len(p.calls)-1]).on(dataCalls(r.sentFrom(i))...)
		finding = r.showing(finding, p)
		judged++
	}
	if judged == 0 {
		return skip("no client was replied to")
	}
	return finding
}

// sentFrom is the program's socket of a connection, in a list that may be empty.
func (r *record) sentFrom(i int) []*socket {
	if s := r.acceptedFrom(i); s != nil {
		return []*socket{s}
	}
	return nil
}

// wrongReply is the failure of a reply.
func (r *record) wrongReply(i int) Finding {
	p, want := r.conn(i), r.connections()[i].Reply
	var sends []*evidence.Call
	for _, s := range r.sentFrom(i) {
		sends = append(sends, s.of(evidence.OpSend)...)
	}
	seen := paragraphs(p.arrived(), listed(sends...))
	if len(sends) == 0 {
		seen = paragraphs(seen, r.stuck())
	}
	f := fail(framedText(r.script.Framing, want), seen).because("%s", r.difference(p, want))
	if len(r.connections()) > 1 {
		f.Reason = fmt.Sprintf("client %d: %s", i+1, f.Reason)
	}
	return r.showing(f.on(sends...).on(p.endCall), p)
}

// showing adds the frames with which the program sent data on a connection.
func (r *record) showing(f Finding, p *played) Finding {
	if p == nil || p.conversation == nil {
		return f
	}
	return f.framed(p.conversation.Sent(r.role).Data()...)
}

// stuck says in which calls the program was when the scene ended, or how it had ended before.
func (r *record) stuck() string {
	o := r.outcome()
	if o != nil && !o.Stopped && (o.Ended == 0 || o.Ended <= r.end) {
		return ending(o)
	}
	if calls := r.pending(); len(calls) > 0 {
		return listed(pointers(calls)...)
	}
	return ending(o)
}

func serverReplyClean(r *record) Finding {
	if r.script.Framing.Kind != evidence.FramingFixed {
		return skip("the dialogue's framing leaves no room behind the text")
	}
	judged := 0
	finding := pass()
	for i, c := range r.connections() {
		p := r.conn(i)
		if len(c.Reply) == 0 || p == nil || p.cut {
			continue
		}
		behind, f := r.strayBytes(p)
		if behind == 0 {
			continue
		}
		if f.Verdict == Fail {
			return f
		}
		finding = r.showing(finding.on(p.receives()...), p)
		judged++
	}
	if judged == 0 {
		return skip("no reply had bytes behind its text")
	}
	return finding
}

// strayBytes judges what stands behind the text's NUL within the frame, and says how many bytes that were.
func (r *record) strayBytes(p *played) (judged int, f Finding) {
	size := r.script.Framing.Size
	frame := p.got[:min(len(p.got), size)]
	behind := r.script.Framing.Behind(frame)
	for i, b := range behind {
		if b == 0 {
			continue
		}
		at := len(frame) - len(behind) + i
		end := min(len(behind), i+48)
		seen := fmt.Sprintf("from byte %d on: %s", at, evidence.Bytes(behind[i:end]).Quoted(shownData, end-i))
		f := fail("nothing but NULs behind the text's NUL", seen)
		for _, s := range r.sockets(p) {
			f = f.on(s.of(evidence.OpSend)...)
			f.Seen = paragraphs(f.Seen, listed(s.of(evidence.OpSend)...))
		}
		return len(behind), r.showing(f.on(p.receives()...), p)
	}
	return len(behind), pass()
}

// sockets are the program's sockets that a connection of the harness goes to.
func (r *record) sockets(p *played) []*socket {
	if r.role == evidence.Client {
		if s := r.its(); s != nil {
			return []*socket{s}
		}
		return nil
	}
	for i := range r.played {
		if &r.played[i] == p {
			return r.sentFrom(i)
		}
	}
	return nil
}

func serverAssembles(r *record) Finding {
	if !r.connected(0) {
		return skip("no client could connect to it")
	}
	if r.replies() {
		return serverReplies(r)
	}
	f := serverPrintsMessage(r)
	if f.Verdict == Skip {
		return r.receivesAll(0, f)
	}
	return f
}

// receivesAll judges, where the output does not tell, whether a server had read the whole message when it
// closed the connection: what it has not read it cannot print. Otherwise the answer stays what it was.
func (r *record) receivesAll(i int, unknown Finding) Finding {
	message, s := len(r.connections()[i].Message), r.acceptedFrom(i)
	if r.untraced() != "" || s == nil || r.stillOpen(s) != "" {
		return unknown
	}
	got := 0
	receives := s.of(evidence.OpRecv)
	for _, c := range receives {
		if c.Succeeded() && c.Flags&messagePeek == 0 {
			got += c.Result
		}
	}
	if got >= message {
		return unknown
	}
	return fail(fmt.Sprintf("recv until all %d bytes of the message are there", message), listed(append(receives, closing(s)...)...)).
		because("it closed the connection with %d of %d bytes read", got, message).on(receives...)
}
