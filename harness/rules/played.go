package rules

import (
	"net/netip"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// played is one connection as the harness's own end had it.
type played struct {
	tried   *evidence.Call // the connect, where the harness is the client
	made    *evidence.Call // the connect that succeeded, or the accept; nil where no connection came about
	socket  *socket
	client  netip.AddrPort // the client's real address, zero where it is not known
	calls   []*evidence.Call
	sent    int    // bytes of its own that were taken
	got     []byte // what came from the program
	cut     bool   // got lacks bytes that were received but not recorded
	ended   bool   // the stream of the program ended: recv returned 0
	reset   bool   // the program reset the connection
	endCall *evidence.Call
	// leaving is the call by which the harness first ended its own side (shutdown or close).
	leaving *evidence.Call
	// conversation is what the wire shows of it, nil where it does not.
	conversation *conversation.Conversation
}

// playedConnections lists the connections of the harness's own end in the order in which they came about:
// those that clients tried, or those that the server accepted.
func playedConnections(r *record) []played {
	d := follow(r.peerCalls)
	var all []played
	for _, s := range d.order {
		if r.peer == evidence.Client {
			for _, c := range s.of(evidence.OpConnect) {
				if r.is(c.Address) {
					all = append(all, playedAsClient(s, c))
					break
				}
			}
		} else if s.accepted != nil {
			p := played{made: s.accepted, socket: s, client: s.accepted.Address.Unmapped()}
			p.take()
			all = append(all, p)
		}
	}
	for i := range all {
		all[i].addresses(r, i)
		all[i].conversation = r.conversationOf(all[i].client, i)
		all[i].fillFromWire(r.role)
	}
	return all
}

func playedAsClient(s *socket, connect *evidence.Call) played {
	p := played{tried: connect, socket: s}
	for _, c := range s.of(evidence.OpConnect) {
		if c.Succeeded() {
			p.made = c
		}
	}
	p.take()
	return p
}

// take goes through the calls on the connection.
func (p *played) take() {
	for _, c := range p.socket.calls {
		p.calls = append(p.calls, c)
		switch c.Op {
		case evidence.OpSend:
			if c.Succeeded() {
				p.sent += c.Result
			}
		case evidence.OpRecv:
			p.receive(c)
		case evidence.OpGetSockName:
			if p.tried != nil && c.Succeeded() && c.Address.AddrPort.Port() != 0 {
				p.client = c.Address.Unmapped()
			}
		case evidence.OpShutdown, evidence.OpClose:
			if p.leaving == nil {
				p.leaving = c
			}
		}
		if c.Errno == "ECONNRESET" || c.Errno == "EPIPE" && p.leaving == nil {
			p.reset, p.endCall = true, c
		}
	}
}

const messagePeek = 0x2 // MSG_PEEK of Linux

func (p *played) receive(c *evidence.Call) {
	switch {
	case !c.Succeeded() || c.Flags&messagePeek != 0:
	case c.Result == 0 && c.Length > 0 && !p.reset:
		p.ended = true
		if p.endCall == nil {
			p.endCall = c
		}
	case c.Result > 0:
		p.got = append(p.got, c.Data...)
		p.cut = p.cut || len(c.Data) < c.Result
	}
}

// addresses finds the client's address where the calls do not name it.
func (p *played) addresses(r *record, i int) {
	if !p.client.IsValid() && i < len(r.connections()) {
		p.client = unmapped(r.connections()[i].Client)
	}
}

// conversationOf is the conversation of a client with the address under test, or the i-th with it where
// the client's address is not known.
func (r *record) conversationOf(client netip.AddrPort, i int) *conversation.Conversation {
	n := 0
	var last *conversation.Conversation
	for _, c := range r.wire.SeenBy(r.role) {
		if unmapped(c.Server) != unmapped(r.run.Address) {
			continue
		}
		if client.IsValid() && client.Port() != 0 {
			if unmapped(c.Client) == client {
				last = c
			}
		} else if n == i {
			return c
		}
		n++
	}
	return last
}

// fillFromWire completes what the calls kept only the beginning of.
func (p *played) fillFromWire(role string) {
	if !p.cut || p.conversation == nil || p.conversation.Sent(role).Cut() {
		return
	}
	if stream := p.conversation.Stream(role); len(stream) >= len(p.got) {
		p.got, p.cut = stream, false
	}
}

// conn is the i-th connection that was played, or nil.
func (r *record) conn(i int) *played {
	if i >= len(r.played) {
		return nil
	}
	return &r.played[i]
}

// connected says whether the i-th connection came about.
func (r *record) connected(i int) bool { return r.conn(i) != nil && r.conn(i).made != nil }

// receives are the calls by which the harness received data on the connection.
func (p *played) receives() []*evidence.Call {
	var calls []*evidence.Call
	for _, c := range p.calls {
		if c.Op == evidence.OpRecv && c.Result > 0 {
			calls = append(calls, c)
		}
	}
	return calls
}
