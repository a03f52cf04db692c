package rules

import (
	"net/netip"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// maid is a client of a made-up record, as made is a server.
type maid struct {
	echo, sink, greeting bool // the dialogue

	typ      int
	resolver bool           // it asks the resolver before
	tries    bool           // another address is tried in vain before
	to       netip.AddrPort // another address
	noSocket bool
	learns   bool // a first connect in progress fails, which the first send tells

	nonblocking  bool // EINPROGRESS, poll, SO_ERROR
	newFD        bool // connect makes a descriptor
	noise        bool // another thread opens a file during connect
	sendsBefore  bool // sends before connect
	recvFirst    bool // waits for the reply before it sends
	recvThread   bool // another thread waits for the reply from the beginning
	noRecv       bool
	closesBefore bool // closes before it receives
	sendsOn      string
	sendName     string
	message      func(text string) string
	half         bool // half-close before recv
	dup          bool
	keepsCopy    bool // in a child that goes on
	shuts        bool // half-close by the parent of that child
	useAfter     bool // uses the descriptor after it closed it
	prompt       string
	prints       func(reply string) string
	pieces       []int
	resets       bool
	exitCloses   bool
	status       int
	signal       string
	stderr       string
	hangs, loops bool
	continues    bool // sends the rest after a short send
	goesOn       bool // sends though it was refused
}

func (m maid) script(scene evidence.Scene) *evidence.Script {
	s := &evidence.Script{Scene: scene, Role: evidence.Client, First: evidence.Client,
		Framing: evidence.Framing{Kind: evidence.FramingFixed, Size: 128},
		Lines:   []evidence.Line{{Text: "from server: " + text + suffix, Message: true}}}
	c := evidence.Connection{Client: clientAddress, Message: evidence.Bytes(frame(text)), Reply: evidence.Bytes(frame(text + suffix))}
	switch {
	case m.echo:
		s.Framing = evidence.Framing{Kind: evidence.FramingLine}
		c.Message, c.Reply = evidence.Bytes(text+"\n"), evidence.Bytes(text+"\n")
		s.Lines[0].Text = "from server: " + text
	case m.sink:
		s.Framing = evidence.Framing{Kind: evidence.FramingEnd}
		c.Message, c.Reply, s.Lines = evidence.Bytes(text+"\nand more\n"), nil, nil
	case m.greeting:
		s.Framing, s.First = evidence.Framing{Kind: evidence.FramingLine}, evidence.Server
		c.Message, c.Reply = nil, evidence.Bytes("hello "+clientAddress.String()+"\n")
		s.Lines[0].Text = "from server: hello " + clientAddress.String()
	}
	s.Connections = []evidence.Connection{c}
	return s
}

// visiting is a made client at work.
type visiting struct {
	maid
	*tape
	h        handle
	server   handle // the harness's accepted socket
	listener handle
	accept   int
	stdout   string
}

// begin writes the harness's listening and the client's way up to its connect.
func (m maid) begin(t *tape, listens bool) *visiting {
	v := &visiting{maid: m, tape: t}
	if listens {
		t.as(evidence.Server, harnessPID)
		v.listener = t.socket(20, domainInet, typeStream, 0)
		t.on(v.listener, evidence.Call{Op: evidence.OpBind, Address: at(serverAddress)})
		t.on(v.listener, evidence.Call{Op: evidence.OpListen, Backlog: 10})
		v.accept = t.pending(v.listener, evidence.Call{Op: evidence.OpAccept})
	}
	t.as(evidence.Client, programPID)
	if m.noSocket {
		return v
	}
	if m.resolver {
		v.resolve()
	}
	if m.tries {
		other := v.socket(3, domainInet6, typeStream, 0)
		v.tape.on(other, evidence.Call{Op: evidence.OpConnect, Address: at(netip.MustParseAddrPort("[::1]:23456")), Errno: "ECONNREFUSED"})
		v.close(other)
	}
	if m.learns {
		v.learn()
	}
	typ := m.typ
	if typ == 0 {
		typ = typeStream
	}
	v.h = v.socket(3, domainInet, typ, 0)
	return v
}

// learn is a connect in progress whose failure the first send reports.
func (v *visiting) learn() {
	h := v.socket(3, domainInet, typeStream, 0)
	v.tape.on(h, evidence.Call{Op: evidence.OpConnect, Address: at(serverAddress), Errno: "EINPROGRESS"})
	v.failed(h, evidence.OpSend, "ECONNREFUSED")
	v.close(h)
}

// resolve is what getaddrinfo does.
func (v *visiting) resolve() {
	a := v.socket(3, 1, typeStream, 0)
	v.tape.on(a, evidence.Call{Op: evidence.OpConnect, Address: evidence.Address{Family: 1, Path: "/var/run/nscd/socket"}, Errno: "ENOENT"})
	v.close(a)
	a = v.socket(3, domainInet, 2, 0)
	v.tape.on(a, evidence.Call{Op: evidence.OpConnect, Address: at(serverAddress)}) // sorting addresses, RFC 6724
	v.close(a)
}

// connect writes the client's connect, and the harness's accept where it got through.
func (v *visiting) connect(refused bool) bool {
	to := v.to
	if !to.IsValid() {
		to = serverAddress
	}
	c := evidence.Call{Op: evidence.OpConnect, FD: v.h.fd, Socket: v.h.id, Address: at(to), Before: []int{0, 1, 2, 3}, After: []int{0, 1, 2, 3}}
	if v.typ == 2 {
		v.did(c)
		return false
	}
	n := v.enter(c)
	if refused || v.to.IsValid() {
		v.packet(clientAddress, evidence.Client, conversation.SYN, "")
		v.packet(clientAddress, evidence.Server, conversation.RST|conversation.ACK, "")
		v.connectReturns(n, "ECONNREFUSED", 111)
		return false
	}
	v.handshake(clientAddress)
	v.connectReturns(n, "", 0)
	if v.noise {
		v.run.Calls[n-1].After = []int{0, 1, 2, 3, 4}
	}
	if v.newFD {
		v.run.Calls[n-1].After = []int{0, 1, 2, 3, 4}
	}
	v.as(evidence.Server, harnessPID)
	v.server = v.accepted(v.accept, 21, clientAddress)
	v.as(evidence.Client, programPID)
	return true
}

func (v *visiting) connectReturns(n int, errno string, number byte) {
	if !v.nonblocking {
		v.leave(n, func(c *evidence.Call) { c.Errno = errno })
		return
	}
	v.leave(n, func(c *evidence.Call) { c.Errno = "EINPROGRESS" })
	v.did(evidence.Call{Op: evidence.OpWait, Name: "poll", FD: v.h.fd, Result: 1, Arg: -1, Blocked: true})
	v.tape.on(v.h, evidence.Call{Op: evidence.OpGetOption, Level: levelSocket, Option: optionError, Value: []byte{number, 0, 0, 0}})
}

// says makes the client send.
func (v *visiting) says() string {
	message := string(v.run.Script.Connections[0].Message)
	if v.message != nil {
		message = v.message(text)
	}
	if message == "" {
		return ""
	}
	c := evidence.Call{Op: evidence.OpSend, Name: v.sendName, Length: len(message), Data: evidence.Bytes(message), Result: len(message)}
	switch v.sendsOn {
	case "nothing":
		c.Errno, c.Result = "ENOTSOCK", -1
		v.tape.on(handle{fd: 0}, c)
		return ""
	case "other":
		other := v.socket(4, domainInet, typeStream, 0)
		c.Errno, c.Result = "EPIPE", -1
		v.tape.on(other, c)
		v.close(other)
		return ""
	}
	v.tape.on(v.h, c)
	v.data(clientAddress, evidence.Client, message)
	return message
}

// replies makes the harness answer, and the client receive.
func (v *visiting) replies() {
	reply := string(v.run.Script.Connections[0].Reply)
	if reply == "" {
		return
	}
	v.as(evidence.Server, harnessPID)
	v.send(v.server, reply)
	v.data(clientAddress, evidence.Server, reply)
	v.as(evidence.Client, programPID)
}

func (v *visiting) receives() {
	reply := string(v.run.Script.Connections[0].Reply)
	if v.noRecv || reply == "" {
		return
	}
	thread := programPID
	if v.recvThread {
		thread++
	}
	v.thread(thread)
	for _, n := range v.pieces {
		v.recv(v.h, 128, reply[:n])
		reply = reply[n:]
	}
	if v.pieces == nil {
		v.recv(v.h, 128, reply)
	}
	v.thread(programPID)
	line := v.run.Script.Lines[0].Text + "\n"
	if v.prints != nil {
		line = v.prints(line)
	}
	v.stdout += v.prompt + line
}

// leaves makes the client end the connection.
func (v *visiting) leaves() {
	switch {
	case v.resets:
		v.tape.on(v.h, evidence.Call{Op: evidence.OpClose})
		v.rst(clientAddress, evidence.Client)
		return
	case v.keepsCopy:
		v.fork(programPID + 1)
		if v.shuts {
			v.tape.on(v.h, evidence.Call{Op: evidence.OpShutdown, How: 2})
			v.fin(clientAddress, evidence.Client)
		}
		v.close(v.h)
		return
	case v.hangs:
		return
	case v.dup:
		fd := 9
		v.tape.on(v.h, evidence.Call{Op: evidence.OpDup, Result: fd, NewFD: &fd, NewSocket: v.h.id})
		v.close(handle{9, v.h.id})
	}
	if !v.exitCloses {
		v.close(v.h)
	}
	if v.useAfter {
		v.failed(v.h, evidence.OpRecv, "EBADF")
	}
	v.fin(clientAddress, evidence.Client)
}

// ends writes the rest of the harness's part and the end of the client.
func (v *visiting) ends() *evidence.Run {
	v.as(evidence.Client, programPID)
	o := evidence.Outcome{Stdout: evidence.Bytes(v.stdout), Stderr: evidence.Bytes(v.stderr), ExitCode: v.status, Signal: v.signal}
	if v.hangs || v.loops {
		o.Stopped, o.StopReason, o.Signal, o.InWords = true, "deadline", "SIGKILL", "was stopped by the harness at the deadline"
		v.sceneEnds()
		v.tape.exit(-1, 9)
		v.outcome(o)
		return v.run
	}
	v.tape.exit(v.status, signalNumber(v.signal))
	if v.keepsCopy {
		o.Survivors = 1
	}
	v.outcome(o)
	v.sceneEnds()
	return v.run
}

// serverLeaves is the harness's end of the connection, seeing the client's.
func (v *visiting) serverLeaves() {
	v.as(evidence.Server, harnessPID)
	v.tape.on(v.server, evidence.Call{Op: evidence.OpShutdown, How: 1})
	switch {
	case v.resets:
		v.failed(v.server, evidence.OpRecv, "ECONNRESET")
	case v.keepsCopy && !v.shuts, v.hangs:
	default:
		v.recv(v.server, 4096, "")
		v.fin(clientAddress, evidence.Server)
	}
	v.as(evidence.Client, programPID)
}

// visit plays a scene in which the server behaves well.
func (m maid) visit(scene evidence.Scene) *evidence.Run {
	t := newTape(m.script(scene))
	v := m.begin(t, true)
	if m.noSocket {
		return v.ends()
	}
	if m.sendsBefore {
		v.failed(v.h, evidence.OpSend, "EPIPE")
	}
	if !v.connect(false) {
		if m.typ == 2 {
			v.tape.on(v.h, evidence.Call{Op: evidence.OpSend, Length: 128, Result: 128})
		}
		return v.ends()
	}
	if m.recvFirst {
		v.pending(v.h, evidence.Call{Op: evidence.OpRecv, Length: 128})
		return v.ends()
	}
	got := v.says()
	if m.half {
		v.tape.on(v.h, evidence.Call{Op: evidence.OpShutdown, How: 1})
	}
	v.as(evidence.Server, harnessPID)
	if got != "" {
		v.recv(v.server, 4096, got)
	}
	want := v.run.Script.Connections[0].Message
	if len(want) == 0 || got != "" && v.run.Script.Framing.Same([]byte(got), want) {
		v.replies()
		v.as(evidence.Client, programPID)
		if m.closesBefore {
			v.close(v.h)
			v.failed(v.h, evidence.OpRecv, "EBADF")
			v.exitCloses = true
		} else {
			v.receives()
		}
	} else if got != "" {
		v.as(evidence.Client, programPID)
		v.recv(v.h, 128, "")
	}
	v.as(evidence.Client, programPID)
	if m.newFD {
		v.tape.on(handle{4, v.identity()}, evidence.Call{Op: evidence.OpSend, Length: 1, Result: 1, Data: evidence.Bytes("x")})
	}
	v.leaves()
	v.serverLeaves()
	return v.ends()
}

func (m maid) plain() *evidence.Run { return m.visit(evidence.ScenePlain) }

// closedOn plays a server that closes at once, on a client that then ends as it may.
func (m maid) closedOn(scene evidence.Scene) *evidence.Run {
	t := newTape(m.script(scene))
	v := m.begin(t, true)
	v.connect(false)
	if scene == evidence.SceneClosedAfter {
		v.says()
	}
	v.as(evidence.Server, harnessPID)
	v.close(v.server)
	v.as(evidence.Client, programPID)
	switch {
	case m.loops:
		for range evidence.SpinCalls {
			v.recv(v.h, 128, "")
		}
		return v.ends()
	case m.hangs:
		return v.ends()
	case m.signal != "":
		v.failed(v.h, evidence.OpSend, "EPIPE")
		return v.ends()
	}
	v.recv(v.h, 128, "")
	v.leaves()
	return v.ends()
}

// refused plays a server that is not there.
func (m maid) refused() *evidence.Run {
	t := newTape(m.script(evidence.SceneRefused))
	v := m.begin(t, false)
	v.connect(true)
	if m.goesOn {
		v.failed(v.h, evidence.OpSend, "EPIPE")
	}
	return v.ends()
}

// empty plays an empty standard input.
func (m maid) empty() *evidence.Run {
	t := newTape(m.script(evidence.SceneEmptyInput))
	v := m.begin(t, true)
	v.connect(false)
	v.leaves()
	return v.ends()
}

// shortSend plays a send that the tracer cuts.
func (m maid) shortSend() *evidence.Run {
	t := newTape(m.script(evidence.SceneShortSend))
	v := m.begin(t, true)
	v.connect(false)
	message := frame(text)
	v.tape.on(v.h, evidence.Call{Op: evidence.OpSend, Length: 7, Data: evidence.Bytes(message[:7]), Result: 7, Altered: "length cut from 128 to 7"})
	got := message[:7]
	if m.continues {
		v.tape.on(v.h, evidence.Call{Op: evidence.OpSend, Length: 121, Data: evidence.Bytes(message[7:]), Result: 121})
		got = message
	}
	v.as(evidence.Server, harnessPID)
	v.recv(v.server, 4096, got)
	v.as(evidence.Client, programPID)
	return v.ends()
}
