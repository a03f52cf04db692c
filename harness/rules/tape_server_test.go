package rules

import (
	"fmt"
	"net/netip"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

const (
	text   = "hello there 4711"
	suffix = " *_*"
)

// full is a text of 127 bytes.
var full = strings.Repeat("abcdefghij", 13)[:127]

// made is a server of a made-up record. The zero value is the notes' own, which does everything right; each
// field makes one thing different.
type made struct {
	echo bool // the dialogue: a line comes back, and the server stays up

	domain, typ, protocol int
	probes                bool           // its runtime probes the network before
	bind                  netip.AddrPort // another address
	bindFails             string         // errno of bind
	noBind, noListen      bool
	listenFirst           bool
	acceptFirst           bool
	backlog               int
	handedOver            bool // the listening socket comes over exec: its making is not its own

	polls      bool // nonblocking: epoll_wait, accept4, EAGAIN
	spins      bool // accept again and again without waiting
	neverWaits bool // does something else before it accepts
	newFD      int
	open       []int // descriptors open before accept

	receivesOn, sendsOn string // "listener", "nothing"
	recvName, sendName  string
	pieces              []int // lengths in which it receives; nil: at once
	printsPeer          func(client netip.AddrPort) string
	printsText          func(text string) string
	stderr              string
	reply               func(text string) string
	noReply             bool
	peeksListener       bool // receives on the listening descriptor too
	childListens        bool // a child that stays has the listening socket

	dups, forks, threads      bool // the connection is served on a duplicate, in a child, by a thread
	keepsAccepted, keepsCopy  bool
	shutsOnly, exitCloses     bool
	closesRange               bool
	keepsListener             bool
	resets                    bool
	status                    int
	signal                    string
	hangs, hangsReceiving     bool
	part                      int  // bytes that the first of two clients says before it falls silent
	loops                     bool // recv returns 0 again and again
	buffered                  bool // stopped before its output left the buffer
	filled                    int64
	crashesChild, ringsInVain bool
}

func (m made) or(value, otherwise int) int {
	if value != 0 {
		return value
	}
	return otherwise
}

func (m made) script(scene evidence.Scene, texts ...string) *evidence.Script {
	s := &evidence.Script{Scene: scene, Role: evidence.Server, First: evidence.Client, StaysUp: m.echo, Concurrent: m.echo, Filled: m.filled,
		Framing: evidence.Framing{Kind: evidence.FramingFixed, Size: 128}}
	if m.echo {
		s.Framing = evidence.Framing{Kind: evidence.FramingLine}
	}
	for i, text := range texts {
		client := netip.AddrPortFrom(clientAddress.Addr(), clientAddress.Port()+uint16(i))
		c := evidence.Connection{Client: client, Message: evidence.Bytes(m.message(text)), Reply: evidence.Bytes(m.rightReply(text))}
		s.Connections = append(s.Connections, c)
		if i == 0 {
			s.Lines = []evidence.Line{
				{Text: fmt.Sprintf("ip:%s, port:%d", client.Addr(), client.Port()), Peer: true},
				{Text: "from client: " + text, Message: true},
			}
		}
	}
	return s
}

func (m made) message(text string) string {
	if m.echo {
		return text + "\n"
	}
	return frame(text)
}

func (m made) rightReply(text string) string {
	if m.echo {
		return text + "\n"
	}
	return frame(text[:min(len(text), 123)] + suffix)
}

// serving is a made server at work.
type serving struct {
	made
	*tape
	listener handle
	waiting  int // the accept or epoll_wait that has not returned, 0 for none
	stdout   string
}

// start writes the server's way up to its first wait.
func (m made) start(t *tape) *serving {
	s := &serving{made: m, tape: t}
	t.as(evidence.Server, programPID)
	if m.ringsInVain {
		t.did(evidence.Call{Op: evidence.OpRefused, Name: "io_uring_setup", FD: -1, Errno: "ENOSYS"})
	}
	if m.probes {
		s.probe()
	}
	if m.handedOver {
		s.listener = handle{3, t.identity()}
		t.on(s.listener, evidence.Call{Op: evidence.OpGetSockName, Address: at(serverAddress)})
	} else {
		s.listener = t.socket(3, m.or(m.domain, domainInet), m.or(m.typ, typeStream), m.protocol)
	}
	bind := m.bind
	if !bind.IsValid() {
		bind = serverAddress
	}
	if m.acceptFirst {
		t.failed(s.listener, evidence.OpAccept, "EINVAL")
	}
	if m.listenFirst {
		t.on(s.listener, evidence.Call{Op: evidence.OpListen, Backlog: 10})
		t.on(s.listener, evidence.Call{Op: evidence.OpBind, Address: at(bind), Errno: "EINVAL"})
	} else if !m.noBind {
		t.on(s.listener, evidence.Call{Op: evidence.OpBind, Address: at(bind), Errno: m.bindFails})
	}
	if m.bindFails != "" && !m.neverWaits {
		return s
	}
	if !m.noListen && !m.listenFirst && m.typ != 2 {
		t.on(s.listener, evidence.Call{Op: evidence.OpListen, Backlog: m.or(m.backlog, 10)})
	}
	if m.noListen || m.typ == 2 {
		t.failed(s.listener, evidence.OpAccept, "EINVAL")
		return s
	}
	s.wait()
	return s
}

// probe is what the Go runtime and resolvers do.
func (s *serving) probe() {
	a := s.socket(3, domainInet, typeStream, 6)
	s.close(a)
	a = s.socket(3, domainInet6, typeStream, 6)
	s.on(a, evidence.Call{Op: evidence.OpBind, Address: at(netip.MustParseAddrPort("[::1]:0"))})
	s.close(a)
	a = s.socket(3, 1, 2, 0)
	s.on(a, evidence.Call{Op: evidence.OpConnect, Address: evidence.Address{Family: 1, Path: "/dev/log"}})
	s.on(a, evidence.Call{Op: evidence.OpSend, Length: 5, Result: 5, Data: evidence.Bytes("hello")})
	s.close(a)
	a = s.socket(3, domainInet, 2, 17)
	s.on(a, evidence.Call{Op: evidence.OpConnect, Address: at(netip.MustParseAddrPort("127.0.0.53:53"))})
	s.on(a, evidence.Call{Op: evidence.OpSend, Length: 5, Errno: "ECONNREFUSED"})
	s.close(a)
}

// wait makes the server wait for its next client.
func (s *serving) wait() {
	s.as(evidence.Server, programPID)
	switch {
	case s.neverWaits, s.spins:
		if s.spins {
			for range evidence.SpinCalls {
				s.failed(s.listener, evidence.OpAccept, "EAGAIN")
			}
		}
		s.waiting = 0
	case s.polls:
		s.on(s.listener, evidence.Call{Op: evidence.OpAccept, Name: "accept4", Errno: "EAGAIN"})
		s.waiting = s.enter(evidence.Call{Op: evidence.OpWait, Name: "epoll_wait", FD: 9, Arg: -1, Blocked: true})
	default:
		s.waiting = s.pending(s.listener, evidence.Call{Op: evidence.OpAccept})
	}
}

// accept makes the server's wait end with a client.
func (s *serving) accept(client netip.AddrPort) handle {
	s.as(evidence.Server, programPID)
	open := s.open
	if open == nil {
		open = []int{0, 1, 2, 3}
	}
	if s.polls {
		s.leave(s.waiting, func(c *evidence.Call) { c.Result = 1 })
	}
	if s.polls || s.waiting == 0 {
		s.waiting = s.enter(evidence.Call{Op: evidence.OpAccept, Name: "accept4", FD: 3, Socket: s.listener.id})
	}
	from := client
	if s.domain == domainInet6 {
		from = netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port())
	}
	h := s.accepted(s.waiting, s.or(s.newFD, 4), from, open...)
	s.waiting = 0
	if s.printsPeer != nil {
		s.stdout += s.printsPeer(client)
	} else {
		s.stdout += fmt.Sprintf("ip:%s, port:%d\n", client.Addr(), client.Port())
	}
	return h
}

// peer is one client that the harness plays.
type peer struct {
	*tape
	address netip.AddrPort
	h       handle
	refused bool
	shut    bool // its own direction has ended
}

// connect plays a client's way into the connection.
func (t *tape) connect(client netip.AddrPort, refused bool) *peer {
	t.as(evidence.Client, harnessPID)
	p := &peer{tape: t, address: client, refused: refused, h: t.socket(20+int(client.Port()-clientAddress.Port()), domainInet, typeStream, 0)}
	if refused {
		t.packet(client, evidence.Client, conversation.SYN, "")
		t.packet(client, evidence.Server, conversation.RST|conversation.ACK, "")
		t.on(p.h, evidence.Call{Op: evidence.OpConnect, Address: at(serverAddress), Errno: "ECONNREFUSED"})
		return p
	}
	n := t.enter(evidence.Call{Op: evidence.OpConnect, FD: p.h.fd, Socket: p.h.id, Address: at(serverAddress)})
	t.handshake(client)
	t.leave(n, nil)
	t.on(p.h, evidence.Call{Op: evidence.OpGetSockName, Address: at(client)})
	return p
}

func (p *peer) sends(data string) {
	p.as(evidence.Client, harnessPID)
	p.send(p.h, data)
	p.data(p.address, evidence.Client, data)
}

func (p *peer) gets(data string) {
	p.as(evidence.Client, harnessPID)
	p.recv(p.h, 4096, data)
}

func (p *peer) closes() {
	p.as(evidence.Client, harnessPID)
	p.close(p.h)
}

// shuts is a half-close by the client.
func (p *peer) shuts() {
	p.as(evidence.Client, harnessPID)
	p.shut = true
	p.on(p.h, evidence.Call{Op: evidence.OpShutdown, How: 1})
	p.fin(p.address, evidence.Client)
}
