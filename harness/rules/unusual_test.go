package rules

import (
	"testing"

	"tcpwitness/harness/evidence"
)

// office is a made-up record of an echo server in a way of its own.
type office struct {
	*tape
	m made
}

func open(scene evidence.Scene) *office {
	m := made{echo: true}
	return &office{tape: newTape(m.script(scene, text)), m: m}
}

// listens writes socket, bind and listen.
func (o *office) listens(fd int) handle {
	h := o.socket(fd, domainInet, typeStream, 0)
	o.on(h, evidence.Call{Op: evidence.OpBind, Address: at(serverAddress)})
	o.on(h, evidence.Call{Op: evidence.OpListen, Backlog: 10})
	return h
}

func (o *office) accepts(l handle) int { return o.pending(l, evidence.Call{Op: evidence.OpAccept}) }

// serves plays the client, and the talk on a descriptor of a process.
func (o *office) serves(p *peer, pid int, in, out handle, leave func()) {
	p.sends(text + "\n")
	o.as(evidence.Server, pid)
	o.on(in, evidence.Call{Op: evidence.OpRecv, Name: "read", Length: 4096, Data: evidence.Bytes(text + "\n"), Result: len(text) + 1})
	o.on(out, evidence.Call{Op: evidence.OpSend, Name: "write", Length: len(text) + 1, Data: evidence.Bytes(text + "\n"), Result: len(text) + 1})
	o.data(clientAddress, evidence.Server, text+"\n")
	p.gets(text + "\n")
	p.shuts()
	o.as(evidence.Server, pid)
	o.recv(in, 4096, "")
	leave()
	o.fin(clientAddress, evidence.Server)
	p.finishes(true, false)
}

func (o *office) closes() *evidence.Run {
	o.sceneEnds()
	o.as(evidence.Server, programPID).exit(-1, 9)
	o.outcome(evidence.Outcome{Stopped: true, StopReason: "no longer needed", Signal: "SIGKILL",
		Stdout: evidence.Bytes("ip:127.88.3.4, port:40312\nfrom client: " + text + "\n")})
	return o.run
}

func unusualServers() []recorded {
	return []recorded{
		{name: "prefork", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			l := o.listens(3)
			o.fork(101)
			o.fork(102)
			o.enter(evidence.Call{Op: evidence.OpWait, Name: "ppoll", FD: -1, Arg: -1, Blocked: true})
			one := o.as(evidence.Server, 101).pending(l, evidence.Call{Op: evidence.OpAccept})
			o.as(evidence.Server, 102).pending(l, evidence.Call{Op: evidence.OpAccept})
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, 101).accepted(one, 4, clientAddress, 0, 1, 2, 3)
			o.serves(p, 101, h, h, func() { o.close(h); o.accepts(l) })
			return o.closes()
		}(), skips: staysUp},
		{name: "SO_REUSEPORT workers", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			o.fork(101)
			o.fork(102)
			o.as(evidence.Server, 101)
			one := o.listens(3)
			accept := o.accepts(one)
			o.as(evidence.Server, 102)
			o.accepts(o.listens(3))
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, 101).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
			o.serves(p, 101, h, h, func() { o.close(h); o.accepts(one) })
			return o.closes()
		}(), skips: staysUp},
		{name: "accept in a pool of threads", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			l := o.listens(3)
			first := o.accepts(l)
			second := o.thread(201).pending(l, evidence.Call{Op: evidence.OpAccept})
			o.run.Calls[second-1].Before = []int{0, 1, 2, 3, 4}
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, programPID).accepted(first, 4, clientAddress, 0, 1, 2, 3)
			o.serves(p, programPID, h, h, func() { o.close(h); o.accepts(l) })
			// The other thread's accept was entered while 4 was open, and gets it once it is free.
			q := o.connect(laterAddress, false)
			g := o.as(evidence.Server, programPID).thread(201).accepted(second, 4, laterAddress, 0, 1, 2, 3, 4)
			q.closes()
			o.as(evidence.Server, programPID).thread(201).recv(g, 128, "")
			o.close(g)
			return o.closes()
		}(), skips: staysUp},
		{name: "the connection is passed over another socket", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			channel := o.socket(5, 1, typeStream, 0)
			o.fork(101)
			l := o.listens(3)
			accept := o.accepts(l)
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
			o.on(channel, evidence.Call{Op: evidence.OpSend, Name: "sendmsg", Length: 1, Result: 1})
			o.as(evidence.Server, 101)
			fd := 7
			o.on(channel, evidence.Call{Op: evidence.OpDup, Name: "recvmsg", Result: fd, NewFD: &fd, NewSocket: h.id})
			o.as(evidence.Server, programPID).close(h)
			o.accepts(l)
			given := handle{7, h.id}
			o.serves(p, 101, given, given, func() { o.close(given) })
			return o.closes()
		}(), skips: staysUp},
		{name: "inetd: a child executes the service on 0 and 1", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			l := o.listens(3)
			accept := o.accepts(l)
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
			o.fork(101)
			o.close(h)
			o.accepts(l)
			o.as(evidence.Server, 101)
			for _, fd := range []int{0, 1} {
				o.on(h, evidence.Call{Op: evidence.OpDup, Name: "dup2", Result: fd, NewFD: &fd, NewSocket: h.id})
			}
			o.close(h)
			o.did(evidence.Call{Op: evidence.OpExec, Name: "execve", FD: -1})
			o.on(l, evidence.Call{Op: evidence.OpClose, Name: "exec"})
			o.serves(p, 101, handle{0, h.id}, handle{1, h.id}, func() { o.exit(0, 0) })
			return o.closes()
		}(), skips: staysUp},
		{name: "inetd whose parent keeps the connection", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			l := o.listens(3)
			accept := o.accepts(l)
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
			o.fork(101)
			o.accepts(l)
			o.serves(p, 101, h, h, func() {
				o.on(h, evidence.Call{Op: evidence.OpShutdown, How: 1})
				o.exit(0, 0)
			})
			return o.closes()
		}(), skips: staysUp, fails: map[string]string{"server.closes-accepted": "descriptor 4 was still open in process 100"}},
		{name: "a thread that shares the descriptors", run: func() *evidence.Run {
			o := open(evidence.ScenePlain)
			l := o.listens(3)
			o.did(evidence.Call{Op: evidence.OpFork, Name: "clone", FD: -1, Child: 101, Result: 101, SharesFiles: true})
			accept := o.accepts(l)
			p := o.connect(clientAddress, false)
			h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
			o.accepts(l)
			o.serves(p, 101, h, h, func() { o.close(h) })
			return o.closes()
		}(), skips: staysUp},
		{name: "identities are not known", run: func() *evidence.Run {
			run := made{}.plain()
			for i := range run.Calls {
				run.Calls[i].Socket, run.Calls[i].NewSocket = 0, 0
			}
			return run
		}()},
	}
}

func TestUnusualServers(t *testing.T) { checkAll(t, unusualServers()) }

func TestDuplicatesMustAllBeClosed(t *testing.T) {
	o := open(evidence.ScenePlain)
	l := o.listens(3)
	accept := o.accepts(l)
	p := o.connect(clientAddress, false)
	h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
	fd := 5
	o.on(h, evidence.Call{Op: evidence.OpDup, Result: fd, NewFD: &fd, NewSocket: h.id})
	o.serves(p, programPID, h, h, func() {
		o.on(h, evidence.Call{Op: evidence.OpShutdown, How: 1})
		o.close(h)
		o.accepts(l)
	})
	recorded{run: o.closes(), skips: staysUp,
		fails: map[string]string{"server.closes-accepted": "descriptor 5 was still open in process 100"}}.check(t)
}

func TestProgramThatReliesOnIOUring(t *testing.T) {
	run := made{}.plain()
	tape := newTape(run.Script)
	tape.did(evidence.Call{Op: evidence.OpRefused, Name: "io_uring_setup", FD: -1, Errno: "ENOSYS"})
	tape.connect(clientAddress, true)
	tape.as(evidence.Server, programPID).exit(1, 0)
	tape.outcome(evidence.Outcome{ExitCode: 1, Stderr: evidence.Bytes("io_uring: Function not implemented\n")})
	recorded{run: tape.run,
		fails: map[string]string{"server.replies": "Function not implemented"},
		skips: plus(noConnection, "server.stream-socket", "io_uring", "server.call-order", "io_uring", "server.binds-given-address", "io_uring",
			"server.backlog-sensible", "never listened", "server.waits-for-clients", "never listened", "server.closes-listener", "did not listen", "server.exits-zero", "good exchange")}.check(t)

	recorded{run: made{ringsInVain: true}.plain()}.check(t)
}

func TestAPortWithoutAnAddress(t *testing.T) {
	run := made{bind: addrPort("0.0.0.0:23456")}.plain()
	run.Script.ArgumentsWithoutAddress = true
	if f := Judge(run).Finding("server.binds-given-address"); f.Verdict != Pass {
		t.Errorf("a program that was given no ip may bind any: %+v", f)
	}
}

func TestListeningSeenFromOutside(t *testing.T) {
	for address, want := range map[string]Verdict{"127.77.1.2:23456": Pass, "0.0.0.0:23456": Fail, "[::]:23456": Fail, "[::ffff:127.77.1.2]:23456": Pass} {
		run := without(made{}.plain(), evidence.MissingTrace)
		run.Script.Listening = append(run.Script.Listening, addrPort(address))
		if f := Judge(run).Finding("server.binds-given-address"); f.Verdict != want {
			t.Errorf("listening on %s: %+v", address, f)
		}
	}
}
