package rules

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"tcpwitness/harness/evidence"
)

// setup are the program's calls that make and prepare sockets for IPv4 and IPv6.
func (r *record) setup() []*evidence.Call {
	var calls []*evidence.Call
	for _, s := range r.descriptors.order {
		if s.made != nil && s.inet() {
			calls = append(calls, s.made)
			calls = append(calls, s.of(evidence.OpBind, evidence.OpListen, evidence.OpConnect, evidence.OpAccept)...)
		}
	}
	if len(calls) == 0 {
		for i := range r.calls {
			switch r.calls[i].Op {
			case evidence.OpSocket, evidence.OpBind, evidence.OpListen, evidence.OpConnect, evidence.OpAccept, evidence.OpRefused:
				calls = append(calls, &r.calls[i])
			}
		}
	}
	return calls
}

// setupSeen is what the program did to get ready, and how it ended where that may be the cause.
func (r *record) setupSeen() string {
	seen := listed(r.setup()...)
	if seen == "" {
		seen = "no call of the sockets API"
	}
	if o := r.outcome(); o != nil && !o.Stopped && !o.ExitedZero() {
		seen = paragraphs(seen, ending(o))
		if len(o.Stderr) > 0 {
			seen = paragraphs(seen, printed("standard error", o.Stderr))
		}
	}
	return seen
}

// unseen says why a rule about calls cannot be judged though the program was traced: it relies on
// io_uring, which is denied, and made no socket without it.
func (r *record) unseen() string {
	if !r.usesRing() {
		return ""
	}
	for _, s := range r.descriptors.order {
		if s.inet() {
			return ""
		}
	}
	return "it works by io_uring, which is denied here because its calls could not be seen, and has no other way"
}

func serverStreamSocket(r *record) Finding {
	const expected = "a socket of type SOCK_STREAM that listens"
	if why := r.untraced(); why != "" {
		for i := range r.played {
			if p := &r.played[i]; p.made != nil {
				f := pass().on(p.made)
				if p.conversation != nil {
					h := p.conversation.Handshake
					f = f.framed(h.SYN, h.SYNACK, h.ACK)
				}
				return f.because("a client could make a TCP connection to it")
			}
		}
		return skip(why)
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	candidates := r.serverSockets()
	for _, s := range candidates {
		if s.made == nil || s.stream() {
			return pass().on(s.made, s.succeeded(evidence.OpListen))
		}
	}
	var calls []*evidence.Call
	for _, s := range candidates {
		calls = append(calls, s.made)
		calls = append(calls, s.of(evidence.OpBind, evidence.OpListen)...)
	}
	if len(calls) == 0 {
		return fail(expected, r.setupSeen()).because("it created no socket for IPv4 or IPv6")
	}
	return fail(expected, listed(calls...)).because("the socket that it serves on is no stream socket").on(calls...)
}

// serverSockets are the sockets that the server means to serve on: the first of these groups that is not
// empty. Others may be probes of its runtime, or for the resolver or the system's log.
func (r *record) serverSockets() []*socket {
	for _, belongs := range []func(*socket) bool{
		func(s *socket) bool { return s.listens() && r.serves(s.bound()) },
		func(s *socket) bool { return s.inet() && r.is(s.bound()) },
		func(s *socket) bool {
			return s.inet() && s.bound().AddrPort.Port() == r.run.Address.Port() && s.bound().AddrPort.IsValid()
		},
		func(s *socket) bool { return s.inet() && len(s.of(evidence.OpListen)) > 0 },
		func(s *socket) bool { return s.inet() && len(s.of(evidence.OpBind)) > 0 },
		(*socket).inet,
	} {
		var found []*socket
		for _, s := range r.descriptors.order {
			if belongs(s) {
				found = append(found, s)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

func serverCallOrder(r *record) Finding {
	const expected = "on one socket: bind, then listen, then accept"
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	var problem string
	for _, s := range r.anyListeners() {
		bind, listen := s.succeeded(evidence.OpBind), s.succeeded(evidence.OpListen)
		var accept *evidence.Call
		if accepts := s.of(evidence.OpAccept); len(accepts) > 0 {
			accept = accepts[0]
		}
		switch {
		case bind == nil:
			problem = "the socket listens without a successful bind"
		case listen.Entry < bind.Exit:
			problem = "listen came before bind"
		case accept == nil:
			problem = "accept was not called on the socket that listens"
		case accept.Entry < listen.Exit:
			problem = "accept came before listen"
		default:
			return pass().on(s.made, bind, listen, accept)
		}
	}
	if problem == "" {
		problem = "no socket was made to listen"
	}
	return fail(expected, r.setupSeen()).because("%s", problem).on(r.setup()...)
}

func serverBindsGivenAddress(r *record) Finding {
	expected := fmt.Sprintf("bind to %s", r.run.Address)
	if why := r.untraced(); why != "" {
		return r.boundFromOutside(why, expected)
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	wrong := ""
	var calls []*evidence.Call
	for _, s := range r.anyListeners() {
		at := s.bound()
		if r.isGiven(at) {
			return pass().on(s.made, s.succeeded(evidence.OpBind))
		}
		if wrong == "" {
			wrong = r.wrongAddress(at)
		}
		calls = append(append(calls, s.of(evidence.OpBind)...), s.of(evidence.OpListen)...)
	}
	if len(calls) == 0 {
		// Nothing listens. A bind to the right address that failed, or was not followed by listen, is no
		// fault of the address.
		for _, s := range r.serverSockets() {
			for _, c := range s.of(evidence.OpBind) {
				if r.isGiven(c.Address) {
					return pass().on(s.made, c)
				}
				if wrong == "" {
					wrong = r.wrongAddress(c.Address)
				}
				calls = append(calls, c)
			}
		}
	}
	if len(calls) == 0 {
		return fail(expected, r.setupSeen()).because("it bound no socket")
	}
	return fail(expected, listed(calls...)).because("%s", wrong).on(calls...)
}

// isGiven says whether an address is the one the server was given; the ip does not count where its
// command line names none.
func (r *record) isGiven(a evidence.Address) bool {
	if r.script.ArgumentsWithoutAddress {
		return a.AddrPort.IsValid() && a.AddrPort.Port() == r.run.Address.Port()
	}
	return r.is(a)
}

// wrongAddress says in what an address differs from the one given.
func (r *record) wrongAddress(a evidence.Address) string {
	if !a.AddrPort.IsValid() {
		return "the socket has no address of IPv4 or IPv6"
	}
	got, want := a.Unmapped(), unmapped(r.run.Address)
	var said []string
	switch {
	case got.Port() == want.Port():
	case bits.ReverseBytes16(got.Port()) == want.Port():
		said = append(said, fmt.Sprintf("port %d is %d with its two bytes the wrong way round", got.Port(), want.Port()))
	default:
		said = append(said, fmt.Sprintf("the port is %d, not %d", got.Port(), want.Port()))
	}
	switch {
	case got.Addr() == want.Addr() || r.script.ArgumentsWithoutAddress:
	case got.Addr().IsUnspecified():
		said = append(said, fmt.Sprintf("%s is every address of the machine, not the one given", got.Addr()))
	default:
		said = append(said, fmt.Sprintf("the ip is %s, not %s", got.Addr(), want.Addr()))
	}
	return strings.Join(said, ", and ")
}

// boundFromOutside judges by what the harness saw listening, where calls cannot be seen.
func (r *record) boundFromOutside(why, expected string) Finding {
	if len(r.script.Listening) == 0 {
		return skip(why)
	}
	var seen []string
	wrong := ""
	for _, at := range r.script.Listening {
		a := evidence.Address{AddrPort: at}
		if r.isGiven(a) {
			return pass().because("a socket was seen to listen there")
		}
		seen = append(seen, "a socket listens on "+at.String())
		wrong = r.wrongAddress(a)
	}
	return fail(expected, strings.Join(seen, "\n")).because("%s", wrong)
}

func serverBacklog(r *record) Finding {
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	listeners := r.anyListeners()
	if len(listeners) == 0 {
		return skip("it never listened")
	}
	var calls []*evidence.Call
	for _, s := range listeners {
		all := s.of(evidence.OpListen)
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].Succeeded() {
				calls = append(calls, all[i])
				break
			}
		}
	}
	for _, c := range calls {
		if int32(c.Backlog) < 1 {
			return fail("a backlog of at least 1, such as 5 or 10", c.String()).on(c)
		}
	}
	return pass().on(calls...)
}

func serverWaits(r *record) Finding {
	const expected = "accept, poll, select or epoll_wait asleep until a client comes"
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	listeners := r.anyListeners()
	if len(listeners) == 0 {
		return skip("it never listened")
	}
	from, to := evidence.Time(math.MaxInt64), evidence.Time(math.MaxInt64)
	for _, s := range listeners {
		from = min(from, s.succeeded(evidence.OpListen).Exit)
	}
	if len(r.played) > 0 && r.played[0].tried != nil {
		to = r.played[0].tried.Entry
	}
	var before []evidence.Call
	for _, c := range r.calls {
		if c.Entry >= from && c.Entry < to {
			before = append(before, c)
		}
	}
	if first, n := evidence.Spin(before); n > 0 {
		return fail(expected, fmt.Sprintf("%s, %d times in a row without any waiting", first.String(), n)).on(&first)
	}
	var asked []*evidence.Call
	for i := range before {
		c := &before[i]
		if c.Op != evidence.OpAccept && c.Op != evidence.OpWait {
			continue
		}
		// A wait whose time ran out has waited.
		if c.Blocked || !c.Returned() || c.Exit > to || c.Op == evidence.OpWait && c.Arg != 0 {
			return pass().on(c)
		}
		asked = append(asked, c)
	}
	o := r.outcome()
	if len(asked) > 0 && (o == nil || !o.EndedByItself() || o.Ended > to) {
		return skip("it asks for clients without waiting for them, and is asleep in between in another way than in accept, poll, select or epoll_wait")
	}
	for i := range r.calls {
		if c := &r.calls[i]; c.Entry >= to && c.Op == evidence.OpAccept {
			return skip("the client came before the server was seen to wait: it had not come so far, or waits in another way than in accept, poll, select or epoll_wait")
		}
	}
	if len(asked) > 0 {
		return fail(expected, listed(asked...)).because("it asks for clients and does not wait for them").on(asked...)
	}
	return fail(expected, paragraphs(r.setupSeen(), "then neither accept nor poll, select or epoll_wait")).
		because("it listened and did not wait for clients").on(r.setup()...)
}
