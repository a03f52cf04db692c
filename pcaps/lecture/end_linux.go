package main

import (
	"encoding/json"
	"os"
	"slices"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/sockets"
)

// end is one of the two programs.
type end struct {
	play    *play
	name    string
	enter   func() error
	process *program.Process
	before  []evidence.Call // of the programs that played the end before
	begun   int             // calls that this one was asked to make
}

// start starts the program, anew where one has ended.
func (e *end) start() {
	self, err := os.Executable()
	if err != nil {
		e.play.fail("find the running binary: %w", err)
	}
	actor := program.Program{Path: self, Env: []string{
		actorVariable + "=1",
		"GODEBUG=containermaxprocs=0,updatemaxprocs=0", // the runtime then holds no descriptor of its own
	}}
	e.process, err = actor.Start(e.play.ctx, program.Start{
		End: e.name, IP: e.play.address.Addr(), Port: e.play.address.Port(), Enter: e.enter, Trace: true,
	})
	if err != nil {
		e.play.fail("start the %s: %w", e.name, err)
	}
	if traced, why := e.process.Traced(); !traced {
		e.play.fail("trace the %s: %s", e.name, why)
	}
	e.begun = 0
	if err := e.process.AwaitOutput(e.play.ctx, func(stdout, _ []byte) bool { return len(stdout) > 0 }); err != nil {
		e.play.fail("start the %s: %w", e.name, err)
	}
}

// asked keeps the calls that the program was asked to make, and its end, and leaves out those of its runtime.
func asked(calls []evidence.Call) []evidence.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c evidence.Call) bool {
		return c.Op == evidence.OpExec || c.Op == evidence.OpFork || c.Op == evidence.OpWait
	})
}

// calls are those of the end so far, by the names that programs in C call them by: accept is the system call
// accept4 without flags, send is sendto without an address.
func (e *end) calls() []evidence.Call {
	all := slices.Concat(e.before, asked(e.process.Calls()))
	for i := range all {
		switch all[i].Name {
		case "accept4":
			all[i].Name = "accept"
		case "sendto":
			all[i].Name = "send"
		case "recvfrom":
			all[i].Name = "recv"
		}
	}
	return all
}

// pending is a call that has begun.
type pending struct {
	end *end
	at  int // index among the calls of the program
}

// begin has the program make a call, and yields once it has begun.
func (e *end) begin(c evidence.Call) pending {
	if e.play.run.Started == 0 {
		e.play.run.Started = evidence.Now() // the programs are there
	}
	line, err := json.Marshal(c)
	if err != nil {
		e.play.fail("encode a call: %w", err)
	}
	e.process.Feed(append(line, '\n'))
	made := pending{e, e.begun}
	e.begun++
	made.await("begin", func(evidence.Call) bool { return true })
	return made
}

// await waits until something holds of the call.
func (m pending) await(what string, holds func(evidence.Call) bool) (call evidence.Call) {
	if err := m.end.process.AwaitCalls(m.end.play.ctx, func(calls []evidence.Call) bool {
		made := asked(calls)
		if len(made) <= m.at {
			return false
		}
		call = made[m.at]
		return holds(call)
	}); err != nil {
		m.end.play.fail("wait for the %s's call %d to %s: %w", m.end.name, m.at+1, what, err)
	}
	return call
}

// result waits for the call to return.
func (m pending) result() evidence.Call {
	return m.await("return", func(c evidence.Call) bool { return c.Returned() })
}

// blocks waits until the call's thread sleeps.
func (m pending) blocks() {
	call := m.await("block", func(c evidence.Call) bool { return c.Blocked || c.Returned() })
	if call.Returned() {
		m.end.play.fail("%s should have blocked", call)
	}
}

// do makes a call that is to succeed.
func (e *end) do(c evidence.Call) evidence.Call {
	made := e.begin(c).result()
	if made.Failed() {
		e.play.fail("the %s calls %s", e.name, made)
	}
	return made
}

func (e *end) socket() int {
	return e.do(evidence.Call{Op: evidence.OpSocket, FD: -1, Type: syscall.SOCK_STREAM}).Result
}

func (e *end) datagram() int {
	return e.do(evidence.Call{Op: evidence.OpSocket, FD: -1, Type: syscall.SOCK_DGRAM}).Result
}

func (e *end) option(fd, option int, value []byte) {
	e.do(evidence.Call{Op: evidence.OpSetOption, FD: fd, Level: syscall.SOL_SOCKET, Option: option, Value: value})
}

func (e *end) reuse(fd int) { e.option(fd, syscall.SO_REUSEADDR, sockets.Int(1)) }

// to is a call about the server's address.
func (e *end) to(op evidence.Op, fd int) evidence.Call {
	return evidence.Call{Op: op, FD: fd, Address: evidence.Address{AddrPort: e.play.address}}
}

func (e *end) bind(fd int)               { e.do(e.to(evidence.OpBind, fd)) }
func (e *end) connect(fd int)            { e.do(e.to(evidence.OpConnect, fd)) }
func (e *end) connecting(fd int) pending { return e.begin(e.to(evidence.OpConnect, fd)) }

func (e *end) listen(fd, backlog int) {
	e.do(evidence.Call{Op: evidence.OpListen, FD: fd, Backlog: backlog})
}

// listening is a socket that listens on the server's address.
func (e *end) listening(backlog int) int {
	fd := e.socket()
	e.bind(fd)
	e.listen(fd, backlog)
	return fd
}

func (e *end) accepting(fd int) pending { return e.begin(evidence.Call{Op: evidence.OpAccept, FD: fd}) }
func (e *end) accept(fd int) int        { return e.do(evidence.Call{Op: evidence.OpAccept, FD: fd}).Result }

func (e *end) sending(fd int, data []byte) pending {
	return e.begin(evidence.Call{Op: evidence.OpSend, FD: fd, Data: data, Length: len(data)})
}

func (e *end) send(fd int, text string) {
	if sent := e.sending(fd, []byte(text)).result(); sent.Result != len(text) {
		e.play.fail("the %s calls %s", e.name, sent)
	}
}

func (e *end) receiving(fd, room int) pending {
	return e.begin(evidence.Call{Op: evidence.OpRecv, FD: fd, Length: room})
}

// recv receives, and must get that many bytes.
func (e *end) recv(fd, room, want int) {
	if got := e.receiving(fd, room).result(); got.Result != want {
		e.play.fail("the %s calls %s, and %d bytes were to come", e.name, got, want)
	}
}

func (e *end) shutdown(fd int) {
	e.do(evidence.Call{Op: evidence.OpShutdown, FD: fd, How: syscall.SHUT_WR})
}

func (e *end) close(fd int) { e.do(evidence.Call{Op: evidence.OpClose, FD: fd}) }

// kill ends the program as the machine would under memory pressure.
func (e *end) kill() {
	pid := e.process.PID()
	if pid <= 1 { // these numbers would mean others
		e.play.fail("kill the %s: it has the number %d", e.name, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		e.play.fail("kill the %s: %w", e.name, err)
	}
	e.ended()
}

// exit has the program end by itself.
func (e *end) exit() {
	e.process.Feed([]byte(`{"op":"exit","fd":-1}` + "\n"))
	e.ended()
}

// ended waits for the end of the program.
func (e *end) ended() {
	e.process.Wait(e.play.ctx)
	if err := e.play.ctx.Err(); err != nil {
		e.play.fail("wait for the end of the %s: %w", e.name, err)
	}
}

// restart starts the program again once it has ended.
func (e *end) restart() {
	e.before = append(e.before, asked(e.process.Calls())...)
	e.start()
}
