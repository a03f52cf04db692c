package stage

import (
	"net/netip"

	"tcpwitness/harness/evidence"
)

// The methods of this file set the scene: what they do is given, not judged. Where a step fails, the
// scene could not be set, and the spec ends with an error that says so.

// Backlog is the length of the accept queue that scenes ask for, as the notes do.
const Backlog = 10

// given notes that a call only set the scene, and ends the spec where it failed.
func (e *Endpoint) given(step evidence.Call) {
	e.stage.steps[step.N] = true
	if step.Failed() {
		e.stage.fault("the scene could not be set: the %s calls %s", e.Name, step)
	}
}

// Judged are the calls that did more than set the scene, and the frames that the spec has looked at; both
// by number, at most so many of each as a reader can follow.
func (s *Stage) Judged() (calls, frames []int) {
	const most = 40
	for _, c := range s.log.Calls() {
		if !s.steps[c.N] {
			calls = append(calls, c.N)
		}
	}
	if s.Peer != nil {
		s.analyse() // every segment to and from it was looked at
	}
	return calls[:min(len(calls), most)], s.looked[:min(len(s.looked), most)]
}

// Bound is a new stream socket bound to the scenario's server address, with SO_REUSEADDR unset.
func (e *Endpoint) Bound() *Socket { return e.BoundTo(e.stage.ServerAddress()) }

// BoundTo is a new stream socket bound to an address.
func (e *Endpoint) BoundTo(at netip.AddrPort) *Socket {
	s := e.Stream()
	e.given(s.made)
	r := e.Bind(s, at)
	e.given(r.call)
	return s
}

// Listening is a new stream socket that listens on the scenario's server address.
func (e *Endpoint) Listening() *Socket { return e.ListeningWith(Backlog) }

// ListeningWith is a new stream socket that listens on the scenario's server address with a backlog.
func (e *Endpoint) ListeningWith(backlog int) *Socket {
	s := e.Bound()
	r := e.Listen(s, backlog)
	e.given(r.call)
	return s
}

// Connected is a new stream socket connected to the scenario's server address.
func (e *Endpoint) Connected() *Socket {
	s := e.Stream()
	e.given(s.made)
	r := e.Connect(s, e.stage.ServerAddress())
	e.given(r.call)
	return s
}

// Accepted takes the next connection from the listener.
func (e *Endpoint) Accepted(listener *Socket) *Socket {
	s := e.Accept(listener)
	e.given(s.made)
	return s
}

// Connection is a connection between the two ends.
type Connection struct {
	Client   *Socket // on the client
	Accepted *Socket // on the server
	Listener *Socket // on the server
}

// Connection listens, connects and accepts.
func (s *Stage) Connection() Connection {
	listener := s.Server.Listening()
	client := s.Client.Connected()
	return Connection{Client: client, Accepted: s.Server.Accepted(listener), Listener: listener}
}

// Sent sends data in one call, as a step of the scene.
func (e *Endpoint) Sent(s *Socket, data []byte) {
	r := e.Send(s, data)
	e.given(r.call)
}

// Received receives exactly so many bytes in as many calls as it takes, as a step of the scene.
func (e *Endpoint) Received(s *Socket, n int) []byte {
	var all []byte
	for len(all) < n {
		r := e.Recv(s, n-len(all))
		e.given(r.call)
		if r.Value == 0 {
			e.stage.fault("the scene could not be set: the stream ended after %d of %d bytes", len(all), n)
		}
		all = append(all, r.Data...)
	}
	return all
}

// Closed closes a socket, as a step of the scene.
func (e *Endpoint) Closed(s *Socket) {
	r := e.Close(s)
	e.given(r.call)
}
