package stage

import (
	"bytes"
	"net/netip"
	"slices"
	"syscall"

	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/sockets"
)

// narrow is the size in bytes that buffers are asked to have where they are to fill soon; the kernel
// doubles it and keeps a minimum of its own.
const narrow = 4096

// NarrowConnection is a connection whose send buffer (at the client) and receive buffer (at the server)
// hold some thousand bytes.
func (s *Stage) NarrowConnection() Connection {
	listener := s.Server.Bound()
	s.Server.option(listener, syscall.SO_RCVBUF, sockets.Int(narrow))
	listening := s.Server.Listen(listener, Backlog)
	s.Server.given(listening.call)
	client := s.Client.Stream()
	s.Client.given(client.made)
	s.Client.option(client, syscall.SO_SNDBUF, sockets.Int(narrow))
	connected := s.Client.Connect(client, s.ServerAddress())
	s.Client.given(connected.call)
	return Connection{Client: client, Accepted: s.Server.Accepted(listener), Listener: listener}
}

// ReusableConnection is a connection whose server side was made with SO_REUSEADDR.
func (s *Stage) ReusableConnection() Connection {
	listener := s.Server.Stream()
	s.Server.given(listener.made)
	s.Server.option(listener, syscall.SO_REUSEADDR, sockets.Int(1))
	bound := s.Server.Bind(listener, s.ServerAddress())
	s.Server.given(bound.call)
	listening := s.Server.Listen(listener, Backlog)
	s.Server.given(listening.call)
	return s.Further(listener)
}

// Further is one more connection, to the same listener.
func (s *Stage) Further(listener *Socket) Connection {
	client := s.Client.Connected()
	return Connection{Client: client, Accepted: s.Server.Accepted(listener), Listener: listener}
}

func (e *Endpoint) option(s *Socket, option int, value []byte) {
	r := e.SetOption(s, syscall.SOL_SOCKET, option, value)
	e.given(r.call)
}

// SendUntilRefused sends the data again and again until a call fails, and yields that call.
func (e *Endpoint) SendUntilRefused(s *Socket, data []byte, flags ...int) Result {
	const enough = 1 << 20
	for sent := 0; sent < enough; {
		r := e.Send(s, data, flags...)
		if r.call.Failed() {
			return r
		}
		sent += r.Value
	}
	e.stage.fail("no send was refused, although nobody reads")
	return Result{}
}

// ReceivedAll receives until the end of the stream.
func (e *Endpoint) ReceivedAll(s *Socket) []byte {
	var all []byte
	for {
		r := e.Recv(s, narrow)
		e.given(r.call)
		if r.Value == 0 {
			return all
		}
		all = append(all, r.Data...)
	}
}

// Exchanged is what crossed a connection in each direction, and what was meant to.
type Exchanged struct {
	ToServer, FromServer         []byte
	ToServerMeant, ToClientMeant []byte
}

// Whole says whether all of it arrived.
func (x Exchanged) Whole() bool {
	return bytes.Equal(x.ToServer, x.ToServerMeant) && bytes.Equal(x.FromServer, x.ToClientMeant)
}

// Exchange sends a message each way over a connection and yields what arrived. It stops at the first call
// that fails.
func (s *Stage) Exchange(c Connection) Exchanged {
	request, reply := []byte("a message from the client"), []byte("a reply from the server")
	x := Exchanged{ToServerMeant: request, ToClientMeant: reply}
	if r := s.Client.Send(c.Client, request, noSignal); !r.call.Succeeded() {
		return x
	}
	x.ToServer = s.Server.receivedUpTo(c.Accepted, len(request))
	if r := s.Server.Send(c.Accepted, reply, noSignal); !r.call.Succeeded() {
		return x
	}
	x.FromServer = s.Client.receivedUpTo(c.Client, len(reply))
	return x
}

// receivedUpTo receives so many bytes, or fewer where a call fails or the stream ends.
func (e *Endpoint) receivedUpTo(s *Socket, n int) []byte {
	var all []byte
	for len(all) < n {
		r := e.Recv(s, n-len(all))
		if r.Value <= 0 {
			return all
		}
		all = append(all, r.Data...)
	}
	return all
}

// WholeConversation plays a connection from its first SYN to the last ACK of its close, with data both
// ways, more than one segment of it; the client closes first.
func (s *Stage) WholeConversation() {
	c := s.Connection()
	long := bytes.Repeat([]byte("0123456789"), 500)
	s.Client.Sent(c.Client, long)
	s.Server.Received(c.Accepted, len(long))
	s.Server.Sent(c.Accepted, long)
	s.Client.Received(c.Client, len(long))
	s.Client.Closed(c.Client)
	if r := s.Server.Recv(c.Accepted, 1); r.Value != 0 {
		s.fault("the scene could not be set: the server did not see the client's close: %s", r.call)
	}
	s.Server.Closed(c.Accepted)
	s.Settle()
}

// SeveralSegments is a number of bytes that do not fit into one segment on the scenario's loopback: its MTU
// is 1500 bytes in a sandbox of its own and on a wire, and 65,536 on the host's.
func (s *Stage) SeveralSegments() int {
	if s.cable != nil || s.Sandbox.Isolation() == sandbox.Namespace {
		return 10_000
	}
	return 200_000
}

// Datagrams is a pair of datagram sockets: the server's is bound, the client's connected to it.
type Datagrams struct{ Client, Server *Socket }

// Datagrams makes such a pair.
func (s *Stage) Datagrams() Datagrams {
	server := s.Server.Datagram()
	s.Server.given(server.made)
	bound := s.Server.Bind(server, s.ServerAddress())
	s.Server.given(bound.call)
	client := s.Client.Datagram()
	s.Client.given(client.made)
	connected := s.Client.Connect(client, s.ServerAddress())
	s.Client.given(connected.call)
	return Datagrams{Client: client, Server: server}
}

// FillAcceptQueue connects clients, at most so many, until one does not complete. It yields how many
// completed and the connect that did not.
//
// The connects are nonblocking ones, all but the last: after each the loopback is given the time to carry
// everything that it holds (see Settle), so whether it has completed is a fact and not a guess.
func (s *Stage) FillAcceptQueue(listener *Socket, most int) (queued int, further *Pending) {
	for range most {
		client := s.Client.Stream()
		s.Client.given(client.made)
		connecting := s.Client.Connecting(client, s.ServerAddress())
		if !s.completes(connecting) {
			return queued, connecting
		}
		queued++
	}
	s.fail("all of the clients were connected: the backlog does not bound the queue")
	return 0, nil
}

// NotASocket is a descriptor of a file.
func (s *Stage) NotASocket() *Socket {
	fd, release := plainFile()
	s.cleanup = append(s.cleanup, release)
	return &Socket{FD: fd}
}

// OpenDescriptors lists all descriptors of the process. From the first use on nothing is prepared in the
// background until the scenario ends, so that only the spec's own calls make descriptors.
func (s *Stage) OpenDescriptors() []int {
	if !s.quiet {
		s.quiet = true
		s.theatre.quiet.Lock()
		s.cleanup = append(s.cleanup, s.theatre.quiet.Unlock)
	}
	return sockets.OpenDescriptors()
}

// TimeWaits lists the scenario's ends that are in TIME_WAIT, by their own addresses, once no connection to
// or from the server's address is in any other state than that or LISTEN.
func (s *Stage) TimeWaits() []netip.AddrPort {
	s.Settle()
	var waiting []netip.AddrPort
	for _, c := range s.connections() {
		if c.state == stateTimeWait {
			waiting = append(waiting, c.local)
		}
	}
	slices.SortFunc(waiting, netip.AddrPort.Compare)
	return waiting
}

// AwaitTimeWait sees that the server's port has a connection in TIME_WAIT.
func (s *Stage) AwaitTimeWait(local netip.AddrPort) {
	if waiting := s.TimeWaits(); !slices.Contains(waiting, local) {
		s.fault("the scene could not be set: no connection of %s is in TIME_WAIT, only %v", local, waiting)
	}
}
