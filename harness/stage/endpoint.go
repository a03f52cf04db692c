package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

// Endpoint is one end of an in-process scenario. Each method makes the call of its name, waits for it to
// return, and ends the spec where it does not before the deadline. What the call gave is for the spec to
// judge. A method named in the -ing form begins the call and comes back at once with a [Pending].
type Endpoint struct {
	Name string
	API  sockets.API // the implementation that it calls, without the recording

	stage *Stage
}

// Socket is a descriptor, with the call that made it.
type Socket struct {
	FD   int
	made evidence.Call
}

// Call is the call that made the descriptor, or failed to.
func (s *Socket) Call() evidence.Call { return s.made }

// Peer is the address that accept filled in; zero for other sockets.
func (s *Socket) Peer() netip.AddrPort { return s.made.Address.AddrPort }

// Result is what a call gave.
type Result struct {
	call evidence.Call
	// Value is what the function returned.
	Value int
	// Data is what was received, or an option's value.
	Data []byte
}

func (r Result) succeeded() bool { return r.call.Succeeded() }

// Call is the call as it was recorded.
func (r Result) Call() evidence.Call { return r.call }

// Pending is a call that has begun and may still be in the kernel.
type Pending struct {
	end    *Endpoint
	number int
	done   chan struct{} // closed once result stands
	result Result
}

// Recording is the end's sockets API with every call recorded, for a program that runs in-process.
func (e *Endpoint) Recording() sockets.API {
	return &sockets.Recorder{API: e.API, Log: e.stage.log, End: e.Name}
}

// Work is something that runs beside the spec.
type Work struct {
	stage *Stage
	done  chan struct{}
}

// Begin runs something beside the spec, such as a whole program in-process.
func (s *Stage) Begin(work func()) *Work {
	w := &Work{stage: s, done: make(chan struct{})}
	s.working.Go(func() {
		defer close(w.done)
		work()
	})
	return w
}

// Wait waits for the work to end.
func (w *Work) Wait() {
	select {
	case <-w.done:
	case <-w.stage.ctx.Done():
		w.stage.timedOut("a program that runs in-process to end")
	}
}

// begin makes a call on a thread of its own and returns once it is recorded as entered.
func (e *Endpoint) begin(call func(api sockets.API) Result) *Pending {
	p := &Pending{end: e, done: make(chan struct{})}
	entered := make(chan int, 1)
	recorder := &sockets.Recorder{API: e.API, Log: e.stage.log, End: e.Name, Begun: func(n int) { entered <- n }}
	e.stage.working.Go(func() {
		defer close(p.done)
		p.result = call(recorder)
	})
	p.number = <-entered
	return p
}

// Call is the record of the call as it stands.
func (p *Pending) Call() evidence.Call { return p.end.stage.log.Call(p.number) }

// Returned says whether the call has come back.
func (p *Pending) Returned() bool { c := p.Call(); return c.Returned() }

// Result waits for the call to return.
func (p *Pending) Result() Result {
	select {
	case <-p.done:
		r := p.result
		r.call = p.Call()
		return r
	case <-p.end.stage.ctx.Done():
		p.end.stage.timedOut("a call to return: %s", p.Call())
		return Result{}
	}
}

// Accepted waits for a pending accept and yields its socket.
func (p *Pending) Accepted() *Socket {
	r := p.Result()
	return &Socket{FD: r.Value, made: r.call}
}

// AwaitBlocked waits until the kernel has put the call's thread to sleep, and ends the spec where the call
// returns instead: then it did not block.
func (p *Pending) AwaitBlocked() {
	s := p.end.stage
	switch err := s.log.AwaitBlocked(s.ctx, p.number); {
	case err == nil:
	case errors.Is(err, errors.ErrUnsupported):
		s.skip("whether a call is blocked cannot be seen here: " + err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.timedOut("%s to block", p.Call())
	default:
		s.fail(fmt.Sprintf("the call should have blocked, and returned at once:\n    %s", p.Call()))
	}
}

// Socket creates a socket.
func (e *Endpoint) Socket(domain, typ, protocol int) *Socket {
	r := e.begin(func(api sockets.API) Result {
		fd, _ := api.Socket(domain, typ, protocol)
		return Result{Value: fd}
	}).Result()
	return &Socket{FD: r.Value, made: r.call}
}

// Stream creates a stream socket of the scenario's address family.
func (e *Endpoint) Stream() *Socket { return e.Socket(e.stage.Domain(), syscall.SOCK_STREAM, 0) }

// Datagram creates a datagram socket of the scenario's address family.
func (e *Endpoint) Datagram() *Socket { return e.Socket(e.stage.Domain(), syscall.SOCK_DGRAM, 0) }

// Bind binds the socket to an address.
func (e *Endpoint) Bind(s *Socket, to netip.AddrPort) Result { return e.BindRaw(s, sockets.Inet(to)) }

// BindRaw binds the socket to an address as it stands in memory.
func (e *Endpoint) BindRaw(s *Socket, to sockets.SockAddr) Result {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Bind(s.FD, to)
		return Result{Value: value}
	}).Result()
}

// Listen makes the socket passive.
func (e *Endpoint) Listen(s *Socket, backlog int) Result {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Listen(s.FD, backlog)
		return Result{Value: value}
	}).Result()
}

// Accepting begins an accept.
func (e *Endpoint) Accepting(listener *Socket) *Pending {
	return e.begin(func(api sockets.API) Result {
		fd, _, _ := api.Accept(listener.FD)
		return Result{Value: fd}
	})
}

// Accept takes the next connection.
func (e *Endpoint) Accept(listener *Socket) *Socket { return e.Accepting(listener).Accepted() }

// Connecting begins a connect.
func (e *Endpoint) Connecting(s *Socket, to netip.AddrPort) *Pending {
	return e.connecting(s, sockets.Inet(to))
}

func (e *Endpoint) connecting(s *Socket, to sockets.SockAddr) *Pending {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Connect(s.FD, to)
		return Result{Value: value}
	})
}

// Connect connects the socket to an address.
func (e *Endpoint) Connect(s *Socket, to netip.AddrPort) Result { return e.Connecting(s, to).Result() }

// ConnectRaw connects the socket to an address as it stands in memory.
func (e *Endpoint) ConnectRaw(s *Socket, to sockets.SockAddr) Result {
	return e.connecting(s, to).Result()
}

// Sending begins a send.
func (e *Endpoint) Sending(s *Socket, data []byte, flags ...int) *Pending {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Send(s.FD, data, or(flags))
		return Result{Value: value}
	})
}

// Send sends data in one call.
func (e *Endpoint) Send(s *Socket, data []byte, flags ...int) Result {
	return e.Sending(s, data, flags...).Result()
}

// Receiving begins a recv with room for so many bytes.
func (e *Endpoint) Receiving(s *Socket, room int, flags ...int) *Pending {
	return e.begin(func(api sockets.API) Result {
		buf := make([]byte, room)
		value, _ := api.Recv(s.FD, buf, or(flags))
		return Result{Value: value, Data: buf[:max(0, min(value, room))]}
	})
}

// Recv receives in one call with room for so many bytes.
func (e *Endpoint) Recv(s *Socket, room int, flags ...int) Result {
	return e.Receiving(s, room, flags...).Result()
}

// Shutdown ends one or both directions.
func (e *Endpoint) Shutdown(s *Socket, how int) Result {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Shutdown(s.FD, how)
		return Result{Value: value}
	}).Result()
}

// Close closes the descriptor.
func (e *Endpoint) Close(s *Socket) Result {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Close(s.FD)
		return Result{Value: value}
	}).Result()
}

// Dup makes a second descriptor for the same open socket.
func (e *Endpoint) Dup(s *Socket) *Socket {
	r := e.begin(func(api sockets.API) Result {
		fd, _ := api.Dup(s.FD)
		return Result{Value: fd}
	}).Result()
	return &Socket{FD: r.Value, made: r.call}
}

// Fcntl calls fcntl with an integer argument.
func (e *Endpoint) Fcntl(s *Socket, command, argument int) Result {
	return e.begin(func(api sockets.API) Result {
		value, _ := api.Fcntl(s.FD, command, argument)
		return Result{Value: value}
	}).Result()
}

// Polling begins a wait for events without a time limit.
func (e *Endpoint) Polling(s *Socket, events int16) *Pending {
	return e.begin(func(api sockets.API) Result {
		revents, _ := api.Poll(s.FD, events, -1)
		return Result{Value: int(revents)}
	})
}

// Poll waits for one of the events and yields those that hold.
func (e *Endpoint) Poll(s *Socket, events int16) int { return e.Polling(s, events).Result().Value }

// SetOption sets an option.
func (e *Endpoint) SetOption(s *Socket, level, option int, value []byte) Result {
	return e.begin(func(api sockets.API) Result {
		r, _ := api.SetOption(s.FD, level, option, value)
		return Result{Value: r}
	}).Result()
}

// Option reads an option's value; Data holds it.
func (e *Endpoint) Option(s *Socket, level, option, length int) Result {
	return e.begin(func(api sockets.API) Result {
		value, r, _ := api.GetOption(s.FD, level, option, length)
		return Result{Value: r, Data: value}
	}).Result()
}

// SockName asks for the socket's own address.
func (e *Endpoint) SockName(s *Socket) Result {
	return e.begin(func(api sockets.API) Result {
		_, r, _ := api.GetSockName(s.FD)
		return Result{Value: r}
	}).Result()
}

// PeerName asks for the address of the socket's peer.
func (e *Endpoint) PeerName(s *Socket) Result {
	return e.begin(func(api sockets.API) Result {
		_, r, _ := api.GetPeerName(s.FD)
		return Result{Value: r}
	}).Result()
}

// Address is the address that the call gave or was given; zero where there is none.
func (r Result) Address() netip.AddrPort { return r.call.Address.AddrPort }

func or(flags []int) int {
	all := 0
	for _, f := range flags {
		all |= f
	}
	return all
}
