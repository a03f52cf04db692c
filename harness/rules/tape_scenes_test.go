package rules

import (
	"net/netip"

	"tcpwitness/harness/evidence"
)

// worker is where a made server talks to one client.
type worker struct {
	*serving
	accepted handle // the descriptor that accept returned, in the first process
	talks    handle // the descriptor used for data
	pid, tid int
}

// hire sets up who serves a client: the process itself, a child, or a thread.
func (s *serving) hire(accepted handle) *worker {
	w := &worker{serving: s, accepted: accepted, talks: accepted, pid: programPID, tid: programPID}
	switch {
	case s.forks:
		s.fork(programPID + 1)
		if !s.keepsCopy {
			s.close(accepted)
		}
		w.pid, w.tid = programPID+1, programPID+1
		w.on().close(s.listener)
	case s.threads:
		w.tid = programPID + 7
	}
	if s.dups {
		w.on()
		for _, fd := range []int{0, 1} {
			s.did(evidence.Call{Op: evidence.OpDup, Name: "dup2", FD: accepted.fd, Socket: accepted.id, Result: fd, NewFD: &fd, NewSocket: accepted.id})
		}
		s.close(accepted)
		w.talks = handle{0, accepted.id}
	}
	return w
}

// on makes the worker the one whose calls are written.
func (w *worker) on() *tape { return w.as(evidence.Server, w.pid).thread(w.tid) }

// hears makes the worker receive.
func (w *worker) hears(text string) {
	w.on()
	from := w.talks
	if w.receivesOn == "listener" {
		w.recvFails(w.listener, "ENOTCONN")
		return
	}
	if w.peeksListener {
		w.recvFails(w.listener, "ENOTCONN")
	}
	data := w.message(text)
	if w.polls {
		w.recvFails(from, "EAGAIN")
	}
	for _, n := range w.pieces {
		w.recvNamed(from, data[:n])
		data = data[n:]
	}
	if data != "" && w.pieces == nil {
		w.recvNamed(from, data)
	}
	if w.printsText != nil {
		w.stdout += w.printsText(text)
	} else {
		w.stdout += "from client: " + text + "\n"
	}
}

func (w *worker) recvFails(h handle, errno string) {
	w.tape.on(h, evidence.Call{Op: evidence.OpRecv, Name: w.recvName, Length: 128, Errno: errno})
}

func (w *worker) recvNamed(h handle, data string) {
	w.tape.on(h, evidence.Call{Op: evidence.OpRecv, Name: w.recvName, Length: 128, Data: evidence.Bytes(data), Result: len(data)})
}

// answers makes the worker reply, and yields what reached the wire.
func (w *worker) answers(client netip.AddrPort, text string) string {
	w.on()
	reply := w.rightReply(text)
	if w.reply != nil {
		reply = w.reply(text)
	}
	switch {
	case w.noReply:
		return ""
	case w.sendsOn == "listener":
		w.tape.on(w.listener, evidence.Call{Op: evidence.OpSend, Length: len(reply), Data: evidence.Bytes(reply), Errno: "EPIPE"})
		return ""
	case w.sendsOn == "nothing":
		w.tape.on(handle{fd: 0}, evidence.Call{Op: evidence.OpSend, Length: len(reply), Data: evidence.Bytes(reply), Errno: "ENOTSOCK"})
		return ""
	}
	w.tape.on(w.talks, evidence.Call{Op: evidence.OpSend, Name: w.sendName, Length: len(reply), Data: evidence.Bytes(reply), Result: len(reply)})
	w.data(client, evidence.Server, reply)
	return reply
}

// leaves makes the worker end the connection.
func (w *worker) leaves(client netip.AddrPort) (closed bool) {
	w.on()
	if w.resets {
		w.tape.on(w.talks, evidence.Call{Op: evidence.OpSetOption, Level: levelSocket, Option: optionLinger, Value: []byte{1, 0, 0, 0, 0, 0, 0, 0}})
		w.close(w.talks)
		w.rst(client, evidence.Server)
		return true
	}
	if w.shutsOnly {
		w.tape.on(w.talks, evidence.Call{Op: evidence.OpShutdown, How: 2})
		w.fin(client, evidence.Server)
		return true
	}
	if w.keepsAccepted || w.exitCloses {
		return false
	}
	if w.dups {
		w.close(handle{1, w.talks.id})
	}
	name := ""
	if w.closesRange {
		name = "close_range"
	}
	w.tape.on(w.talks, evidence.Call{Op: evidence.OpClose, Name: name})
	if w.forks {
		w.tape.exit(0, 0)
	}
	if w.keepsCopy {
		return false
	}
	w.fin(client, evidence.Server)
	return true
}

// end writes how the program ended, and the end of the scene.
func (s *serving) end() *evidence.Run {
	s.as(evidence.Server, programPID)
	o := evidence.Outcome{Stdout: evidence.Bytes(s.stdout), Stderr: evidence.Bytes(s.stderr), ExitCode: s.status, Signal: s.signal}
	switch {
	case s.signal != "":
		s.tape.exit(-1, signalNumber(s.signal))
	case s.hangs || s.hangsReceiving || s.loops || s.waiting != 0:
		o.Stopped, o.StopReason, o.ExitCode, o.Signal = true, "no longer needed", -1, "SIGKILL"
		o.InWords = "was stopped by the harness"
		s.sceneEnds()
		s.tape.exit(-1, 9)
	default:
		if s.childListens {
			s.fork(programPID + 9)
			o.Survivors = 1
		}
		if !s.keepsListener {
			s.close(s.listener)
		}
		s.tape.exit(s.status, 0)
	}
	if s.buffered {
		o.Stdout = nil
	}
	s.outcome(o)
	if o.Signal == "" || !o.Stopped {
		s.sceneEnds()
	}
	return s.run
}

func signalNumber(name string) int64 {
	return map[string]int64{"SIGPIPE": 13, "SIGSEGV": 11, "SIGABRT": 6}[name]
}

// exchange plays one good client.
func (s *serving) exchange(client netip.AddrPort, text string) {
	p := s.connect(client, false)
	w := s.hire(s.accept(client))
	p.sends(s.message(text))
	s.talk(p, w, text)
}

// talk plays a connection from the moment at which the message is there.
func (s *serving) talk(p *peer, w *worker, text string) {
	w.hears(text)
	if got := w.answers(p.address, text); got != "" {
		p.gets(got)
	}
	if s.hangsReceiving {
		w.on()
		s.pending(w.talks, evidence.Call{Op: evidence.OpRecv, Length: 128})
		p.closes()
		return
	}
	if s.echo {
		p.shuts()
		w.on().recv(w.talks, 128, "")
	}
	closed := w.leaves(p.address)
	if s.exitCloses && !s.echo {
		s.fin(p.address, evidence.Server)
		closed = true
	}
	p.finishes(closed, s.resets)
}

// finishes is the client's way out.
func (p *peer) finishes(closed, reset bool) {
	p.as(evidence.Client, harnessPID)
	switch {
	case reset:
		p.failed(p.h, evidence.OpRecv, "ECONNRESET")
	case closed:
		p.recv(p.h, 4096, "")
		p.closes()
		if !p.shut {
			p.fin(p.address, evidence.Client)
		}
		return
	}
	p.closes()
	if !reset {
		p.fin(p.address, evidence.Client)
	}
}

// plain is the plain exchange with one client.
func (m made) plain() *evidence.Run {
	t := newTape(m.script(evidence.ScenePlain, text))
	s := m.start(t)
	if s.waiting == 0 && !m.spins && !m.neverWaits || m.bind.IsValid() && !m.reachable() {
		t.connect(clientAddress, true)
		return s.end()
	}
	if m.neverWaits && m.hangs {
		return s.end()
	}
	s.exchange(clientAddress, text)
	if m.echo && m.signal == "" && !m.hangs {
		s.wait()
	}
	return s.end()
}

// reachable says whether clients of the address under test reach the server.
func (m made) reachable() bool {
	ip := m.bind.Addr().Unmap()
	return m.bind.Port() == serverAddress.Port() && (ip.IsUnspecified() || ip == serverAddress.Addr())
}

// whole plays a scene with one client and one text.
func (m made) whole(scene evidence.Scene, text string) *evidence.Run {
	t := newTape(m.script(scene, text))
	s := m.start(t)
	s.exchange(clientAddress, text)
	if m.echo && m.signal == "" {
		s.wait()
	}
	return s.end()
}

// byteByByte plays the message in single bytes.
func (m made) byteByByte() *evidence.Run { return m.whole(evidence.SceneByteByByte, text) }

func (m made) fullMessage() *evidence.Run { return m.whole(evidence.SceneFullMessage, full) }

// badClient plays a client that is silent, or resets before or after its message, and then a good one
// where the server waits for one.
func (m made) badClient(scene evidence.Scene) *evidence.Run {
	t := newTape(m.script(scene, "", text))
	s := m.start(t)
	p := s.connect(clientAddress, false)
	w := s.hire(s.accept(clientAddress))
	if scene == evidence.SceneResetAfter {
		p.sends(s.message(text))
		w.hears(text)
	}
	p.closes()
	w.on()
	switch {
	case scene == evidence.SceneSilent:
		p.fin(clientAddress, evidence.Client)
	default:
		p.rst(clientAddress, evidence.Client)
		s.failed(w.talks, evidence.OpRecv, "ECONNRESET")
	}
	if s.loops {
		for range evidence.SpinCalls {
			s.recv(w.talks, 128, "")
		}
		return s.end()
	}
	if s.crashesChild {
		s.exitOf(programPID+1, 13)
	}
	if s.hangs {
		s.pending(w.talks, evidence.Call{Op: evidence.OpRecv, Length: 128})
		return s.end()
	}
	if s.signal != "" {
		s.failed(w.talks, evidence.OpSend, "EPIPE")
		return s.end()
	}
	if scene == evidence.SceneSilent {
		s.recv(w.talks, 128, "")
	}
	if !s.crashesChild {
		w.leaves(clientAddress)
	}
	if s.echo {
		s.wait()
		if s.noReply {
			p := s.connect(laterAddress, false)
			p.sends(s.message(text))
			return s.end()
		}
		s.exchange(laterAddress, text)
		s.wait()
	}
	return s.end()
}

func (t *tape) exitOf(pid int, signal int64) {
	t.as(evidence.Server, pid).exit(-1, signal)
}

// twoClients plays two clients of which the first is silent until the second is served.
func (m made) twoClients() *evidence.Run {
	t := newTape(m.script(evidence.SceneTwoClients, text, text+" too"))
	s := m.start(t)
	first := s.connect(clientAddress, false)
	one := s.hire(s.accept(clientAddress))
	if s.part > 0 {
		first.sends(s.message(text)[:s.part])
	}
	if s.hangs {
		one.on()
		s.pending(one.talks, evidence.Call{Op: evidence.OpRecv, Length: 128})
		later := s.connect(laterAddress, false)
		later.sends(s.message(text + " too"))
		return s.end()
	}
	s.wait()
	later := s.connect(laterAddress, false)
	s.newFD, s.open = 5, []int{0, 1, 2, 3, 4}
	two := s.hire(s.accept(laterAddress))
	later.sends(s.message(text + " too"))
	s.talk(later, two, text+" too")
	if s.hangsReceiving { // nothing more happens
		return s.end()
	}
	first.sends(s.message(text)[s.part:])
	s.talk(first, one, text)
	s.wait()
	return s.end()
}

// manyClients plays clients one after another, counting descriptors between them.
func (m made) manyClients(open ...int) *evidence.Run {
	texts := []string{text, text + " 2", text + " 3", text + " 4"}
	t := newTape(m.script(evidence.SceneManyClients, texts...))
	s := m.start(t)
	for i, client := range t.run.Script.Connections {
		if s.status != 0 && i == 1 {
			s.outcome(evidence.Outcome{ExitCode: s.status})
			t.connect(client.Client, true)
			s.sceneEnds()
			return t.run
		}
		s.exchange(client.Client, texts[i])
		if i < len(open) {
			t.run.Script.Descriptors = append(t.run.Script.Descriptors, evidence.DescriptorCount{Clients: 4 * (i + 1), Open: open[i]})
		}
		s.wait()
	}
	return s.end()
}

// restart plays the plain exchange and a second start.
func (m made) restart(refused bool) *evidence.Run {
	t := newTape(m.script(evidence.SceneRestart, text, text))
	first := m
	first.bindFails = ""
	s := first.start(t)
	s.exchange(clientAddress, text)
	s.end()
	t.run.Marks = nil
	again := m
	started := t.tick()
	s = again.start(t)
	if refused {
		s.outcome(evidence.Outcome{PID: programPID + 50, Started: started, ExitCode: 1, Stderr: evidence.Bytes("fail to bind: Address already in use\n")})
		t.connect(laterAddress, true)
		s.sceneEnds()
		return t.run
	}
	s.exchange(laterAddress, text)
	s.outcome(evidence.Outcome{PID: programPID + 50, Started: started})
	s.sceneEnds()
	return t.run
}

// portInUse plays a server whose port is taken.
func (m made) portInUse() *evidence.Run {
	t := newTape(m.script(evidence.ScenePortInUse))
	t.as(evidence.Client, harnessPID)
	holder := t.socket(20, domainInet, typeStream, 0)
	t.on(holder, evidence.Call{Op: evidence.OpBind, Address: at(serverAddress)})
	t.on(holder, evidence.Call{Op: evidence.OpListen, Backlog: 1})
	s := m.start(t)
	return s.end()
}

// noArguments plays a program without arguments.
func noArguments(role string, o evidence.Outcome) *evidence.Run {
	t := newTape(&evidence.Script{Scene: evidence.SceneNoArguments, Role: role})
	t.exit(o.ExitCode, 0)
	t.outcome(o)
	t.sceneEnds()
	return t.run
}
