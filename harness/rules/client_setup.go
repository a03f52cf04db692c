package rules

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

func clientStreamSocket(r *record) Finding {
	const expected = "a socket of type SOCK_STREAM that connects"
	if why := r.untraced(); why != "" {
		if !r.connected(0) {
			return skip(why)
		}
		f := pass().on(r.played[0].made).because("its TCP connection arrived")
		if c := r.played[0].conversation; c != nil {
			f = f.framed(c.Handshake.SYN, c.Handshake.SYNACK, c.Handshake.ACK)
		}
		return f
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	candidates := r.clientSockets()
	for _, s := range candidates {
		if s.stream() {
			return pass().on(s.made)
		}
	}
	var calls []*evidence.Call
	for _, s := range candidates {
		calls = append(append(calls, s.made), s.of(evidence.OpConnect, evidence.OpSend)...)
	}
	if len(calls) == 0 {
		return fail(expected, r.setupSeen()).because("it created no socket for IPv4 or IPv6")
	}
	return fail(expected, listed(calls...)).because("its socket is no stream socket").on(calls...)
}

// clientSockets are the sockets that the client means to talk on: the first of these groups that is not
// empty. Others may be for the resolver.
func (r *record) clientSockets() []*socket {
	toServer := func(s *socket) bool {
		return slices.ContainsFunc(s.of(evidence.OpConnect, evidence.OpSend), func(c *evidence.Call) bool { return r.is(c.Address) })
	}
	for _, belongs := range []func(*socket) bool{
		func(s *socket) bool { return s.stream() && toServer(s) },
		func(s *socket) bool { return s.inet() && toServer(s) },
		func(s *socket) bool { return s.stream() && len(s.of(evidence.OpConnect)) > 0 },
		func(s *socket) bool { return s.inet() && len(s.of(evidence.OpConnect)) > 0 },
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

func clientConnectsToGivenAddress(r *record) Finding {
	expected := fmt.Sprintf("connect to %s", r.run.Address)
	if r.untraced() != "" {
		return r.connectedFromOutside(expected)
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	if s := r.its(); s != nil {
		return pass().on(s.of(evidence.OpConnect)...)
	}
	var calls []*evidence.Call
	for _, s := range r.clientSockets() {
		for _, c := range s.of(evidence.OpConnect, evidence.OpSend) {
			// A datagram socket to the right address is another rule's.
			if r.is(c.Address) {
				return pass().on(c)
			}
		}
		calls = append(calls, s.of(evidence.OpConnect)...)
	}
	if len(calls) == 0 {
		return fail(expected, r.setupSeen()).because("it called no connect")
	}
	return fail(expected, listed(calls...)).because("%s", r.wrongAddress(calls[0].Address)).on(calls...)
}

// connectedFromOutside judges by the connection that arrived, or the packets that went elsewhere.
func (r *record) connectedFromOutside(expected string) Finding {
	if r.connected(0) {
		f := pass().on(r.played[0].made).because("its connection arrived there")
		if c := r.played[0].conversation; c != nil {
			f = f.framed(c.Handshake.SYN)
		}
		return f
	}
	for _, c := range r.wire.SeenBy(r.role) {
		if c.Handshake.SYN != nil {
			at := evidence.Address{AddrPort: c.Server}
			return fail(expected, c.Handshake.SYN.String()+" to "+c.Server.String()).
				because("%s", r.wrongAddress(at)).framed(c.Handshake.SYN)
		}
	}
	return skip(r.untraced())
}

func clientConnectKeepsDescriptor(r *record) Finding {
	const expected = "the same open descriptors before and after connect"
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	var judged []*evidence.Call
	for _, s := range r.connecting() {
		for _, c := range s.of(evidence.OpConnect) {
			if !c.Succeeded() && c.Errno != "EINPROGRESS" {
				continue
			}
			if c.NewFD != nil {
				return fail(expected, fmt.Sprintf("%s, and descriptor %d was new", c.String(), *c.NewFD)).on(c)
			}
			if c.Before == nil || c.After == nil {
				continue
			}
			for _, fd := range c.New() {
				if used := r.unexplained(c, fd); used != nil {
					return fail(expected, paragraphs(fmt.Sprintf("%s, and descriptor %d was new", c.String(), fd), used.String())).on(c, used)
				}
			}
			judged = append(judged, c)
		}
	}
	if len(judged) == 0 {
		return skip("no successful connect was seen whose open descriptors were noted")
	}
	return pass().on(judged...)
}

// unexplained is a later call that uses a descriptor as a socket which appeared during a connect and was
// made by no other call. What other threads open meanwhile, files above all, does not count.
func (r *record) unexplained(connect *evidence.Call, fd int) *evidence.Call {
	for i := range r.calls {
		c := &r.calls[i]
		if c.PID != connect.PID {
			continue
		}
		if c.NewFD != nil && *c.NewFD == fd {
			return nil
		}
		if c.Entry >= connect.Exit && c.FD == fd && (c.Socket != 0 || c.Op == evidence.OpSend || c.Op == evidence.OpRecv) {
			return c
		}
	}
	return nil
}

func clientTalksOnItsSocket(r *record) Finding {
	const expected = "send and recv on the descriptor that socket returned"
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	its := r.connecting()
	right, astray := dataCalls(its), r.astray(its)
	for _, op := range []evidence.Op{evidence.OpSend, evidence.OpRecv} {
		is := func(c *evidence.Call) bool { return c.Op == op }
		if !slices.ContainsFunc(right, is) && slices.ContainsFunc(astray, is) {
			var connects []*evidence.Call
			for _, s := range its {
				connects = append(append(connects, s.made), s.of(evidence.OpConnect)...)
			}
			return fail(expected, listed(append(connects, astray...)...)).
				because("it used a descriptor that is not its socket").on(astray...)
		}
	}
	if len(right) == 0 {
		return skip("it neither sent nor received")
	}
	return pass().on(right[:min(len(right), shownCalls)]...)
}

func clientSendsAfterConnect(r *record) Finding {
	const expected = "connect returns 0, then the first send"
	if r.untraced() != "" {
		return r.sentAfterHandshake()
	}
	sent := false
	finding := pass()
	for _, s := range r.connecting() {
		if early := earlySend(s); early != nil {
			calls := append(append([]*evidence.Call{}, s.of(evidence.OpConnect)...), early)
			return fail(expected, listed(inOrder(calls)...)).on(calls...)
		}
		if sends := s.of(evidence.OpSend); len(sends) > 0 && connectedBy(s) != nil {
			sent = true
			finding = finding.on(connectedBy(s), sends[0])
		}
	}
	if !sent {
		// A socket that was never connected at all, and yet is sent on.
		for _, c := range r.astray(nil) {
			if c.Op == evidence.OpSend && (c.Errno == "EPIPE" || c.Errno == "ENOTCONN") {
				return fail(expected, listed(c)).because("it sent on a socket that was not connected").on(c)
			}
		}
		return skip("it sent nothing")
	}
	return finding
}

// earlySend is a send on a socket that was tried before it was connected, or nil. A nonblocking one that
// is told to come again has sent nothing.
func earlySend(s *socket) *evidence.Call {
	connected := connectedBy(s)
	for _, c := range s.of(evidence.OpSend) {
		if c.Errno == "EAGAIN" || c.Errno == "EWOULDBLOCK" || c == connected || c.Connects() {
			continue
		}
		if connected == nil && learnsFailure(s, c) {
			continue
		}
		if connected == nil || c.Entry < connected.Exit {
			return c
		}
	}
	return nil
}

// learnsFailure says whether a send that failed is how the program learns that its connect has failed: the first call
// after one in progress reports that.
func learnsFailure(s *socket, send *evidence.Call) bool {
	begun := false
	for _, c := range s.calls {
		switch {
		case c == send:
			return begun && send.Failed()
		case c.Connects():
			begun = c.Errno == "EINPROGRESS" || c.Errno == "EINTR"
		case reportedError(c) > 0, c.Failed() && (c.Op == evidence.OpSend || c.Op == evidence.OpRecv) && c.Errno != "EAGAIN":
			begun = false
		}
	}
	return false
}

// sentAfterHandshake judges by the packets where calls cannot be seen.
func (r *record) sentAfterHandshake() Finding {
	why := r.untraced()
	if !r.connected(0) || r.played[0].conversation == nil {
		return skip(why)
	}
	c := r.played[0].conversation
	data := c.Sent(evidence.Client).Data()
	if len(data) == 0 || !c.Handshake.Complete() {
		return skip("it sent nothing")
	}
	if data[0].Frame < c.Handshake.SYNACK.Frame {
		return fail("the handshake, then the first data", paragraphs(data[0].String(), c.Handshake.SYNACK.String())).
			framed(data[0], c.Handshake.SYNACK)
	}
	return pass().framed(c.Handshake.SYN, c.Handshake.SYNACK, c.Handshake.ACK, data[0])
}

func inOrder(calls []*evidence.Call) []*evidence.Call {
	slices.SortFunc(calls, func(a, b *evidence.Call) int { return a.N - b.N })
	return calls
}
