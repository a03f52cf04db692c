package stage

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/sockets"
)

// How many clients the scenes of a server have.
const (
	plainClients = 2 // of a server that stays up
	fewClients   = 5 // before open descriptors are counted for the first time
	manyCounts   = 4
)

// playServer plays clients to the server under test.
func (a *act) playServer(scene evidence.Scene) {
	switch scene {
	case evidence.SceneNoArguments:
		a.endsByItself(a.player.Program.Bare())
		return
	case evidence.ScenePortInUse:
		a.occupy(a.address)
		a.endsByItself(a.player.Program)
		return
	}
	a.serve()
	switch scene {
	case evidence.ScenePlain:
		a.plainClients()
	case evidence.SceneByteByByte:
		if a.goodClient(visit{piecemeal: true}); !a.over {
			a.endsOrRests()
		}
	case evidence.SceneFullMessage:
		n, _ := a.player.Dialogue.MaxText()
		if a.goodClient(visit{text: fullText(n)}); !a.over {
			a.endsOrRests()
		}
	case evidence.SceneSilent:
		a.badClient(func(c *guest) { a.Client.close(c) })
	case evidence.SceneResetBefore:
		a.badClient(a.reset)
	case evidence.SceneResetAfter:
		a.badClient(func(c *guest) {
			a.says(c, c.script.Message)
			a.rests()
			a.reset(c)
		})
	case evidence.SceneTwoClients:
		a.twoClients()
	case evidence.SceneManyClients:
		a.manyClients()
	case evidence.SceneRestart:
		a.restart()
	}
}

// serve starts the server and waits until it listens and rests.
func (a *act) serve() {
	a.start(a.player.Program, nil).CloseStdin()
	process := a.current()
	traced, _ := process.Traced()
	var found []netip.AddrPort
	looked := 0
	a.until(func() bool {
		// The kernel takes milliseconds to list its sockets.
		listens := countListens(process)
		if traced && listens == looked {
			return false
		}
		looked = listens
		found = a.listening()
		return len(found) > 0
	}, a.listens(), 0)
	for _, at := range found {
		if !slices.Contains(a.script.Listening, at) {
			a.script.Listening = append(a.script.Listening, at)
		}
	}
	if len(a.script.Listening) > 0 {
		a.over = false
		a.rests()
		a.sockets = a.countSockets()
	}
}

func (a *act) countSockets() int { return take(survey(a.current()).pids).sockets }

// settles waits until a server that stays up has closed its connections, and has printed what it was to print
// where that is judged, or can do no more of it by itself: some close a connection only after a while, or print
// every second.
func (a *act) settles(prints bool) {
	if a.over || ended(a.current()) {
		return
	}
	a.until(func() bool {
		return ended(a.current()) || a.countSockets() <= a.sockets && !(prints && a.lacksLines())
	}, a.current().Done(), 0)
	a.over = ended(a.current())
}

// lacksLines says whether a line is missing on the standard output so far.
func (a *act) lacksLines() bool {
	said := string(a.current().Stdout())
	return slices.ContainsFunc(a.script.Lines, func(l evidence.Line) bool { return !hasLine(said, l.Text) })
}

// listens tells when the program has called listen with success, or can do so no more. Without a trace it is
// only told the latter.
func (a *act) listens() <-chan struct{} {
	process := a.current()
	if traced, _ := process.Traced(); !traced {
		return process.Done()
	}
	told := make(chan struct{})
	a.working.Go(func() {
		defer close(told)
		process.AwaitCalls(a.limit, func(calls []evidence.Call) bool {
			return slices.ContainsFunc(calls, func(c evidence.Call) bool { return c.Op == evidence.OpListen && c.Succeeded() })
		})
	})
	return told
}

// countListens counts the calls of listen that succeeded.
func countListens(process *program.Process) (n int) {
	process.Look(func(c *evidence.Call) {
		if c.Op == evidence.OpListen && c.Succeeded() {
			n++
		}
	})
	return n
}

// listening are the addresses with the server's port on which somebody listens now.
func (a *act) listening() []netip.AddrPort {
	return slices.DeleteFunc(a.listeners(), func(at netip.AddrPort) bool { return at.Port() != a.address.Port() })
}

// endsByItself starts a program that is to end without anybody's help.
func (a *act) endsByItself(p program.Program) {
	process := a.start(p, nil)
	process.CloseStdin()
	a.awaits(process.Done(), 0)
}

// endsOrRests waits for the end of a server that is to end, and for one that stays up until it rests.
func (a *act) endsOrRests() {
	if !a.script.StaysUp {
		a.awaits(a.current().Done(), 0)
		return
	}
	a.rests()
	switch a.script.Scene {
	case evidence.ScenePlain, evidence.SceneByteByByte:
		a.settles(true)
	}
}

// occupy listens on an address, as another program would.
func (a *act) occupy(at netip.AddrPort) {
	peer := a.Client
	if a.player.Role == evidence.Client {
		peer = a.Server
	}
	s := peer.Socket(domainOf(at), syscall.SOCK_STREAM, 0)
	peer.given(s.made)
	bound := peer.Bind(s, at)
	peer.given(bound.call)
	listening := peer.Listen(s, Backlog)
	peer.given(listening.call)
}

func domainOf(at netip.AddrPort) int {
	if at.Addr().Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

// guest is a client that the harness plays.
type guest struct {
	socket *Socket
	script evidence.Connection
	lines  []evidence.Line
	// waiting says that a call of the harness on the socket is still in the kernel. Its descriptor is then left
	// open until the scene is cleared: a call that is restarted must not meet another socket.
	waiting bool
}

func (e *Endpoint) close(c *guest) {
	if !c.waiting {
		e.Close(c.socket)
	}
}

// visit says how a client behaves.
type visit struct {
	text      string // empty for one of the dialogue's own
	piecemeal bool   // sends byte by byte
	said      int    // bytes of the message that were sent before
	staysOpen bool   // leaves it to the server to close first
}

// visitor connects a client and notes in the script what it and the server are to say. It is nil where it
// could not connect.
func (a *act) visitor(token string) *guest { return a.visitorWith(a.player.Dialogue.Text(token)) }

func (a *act) visitorWith(text string) *guest {
	c := &guest{socket: a.Client.Socket(domainOf(a.address), syscall.SOCK_STREAM, 0)}
	a.Client.given(c.socket.made)
	if a.address.Addr().Is4() { // another address than the server's, and not the usual one
		a.Client.given(a.Client.Bind(c.socket, netip.AddrPortFrom(a.Sandbox.ClientAddress(), 0)).call)
	}
	connecting := a.Client.Connecting(c.socket, a.address)
	connected := a.awaits(connecting.done, connecting.number) && connecting.Result().succeeded()
	var at netip.AddrPort
	if connected {
		at = a.Client.SockName(c.socket).Address()
	}
	exchange := a.player.Dialogue.Exchange(text, at, a.address)
	c.script = evidence.Connection{Client: at, Message: exchange.Message, Reply: exchange.Reply}
	c.lines = exchange.ServerLines
	a.script.Connections = append(a.script.Connections, c.script)
	if !connected {
		return nil
	}
	return c
}

// goodClient is a client that says what the dialogue says. It yields whether it could connect.
func (a *act) goodClient(v visit) bool {
	if v.text == "" {
		v.text = a.player.Dialogue.Text(token(len(a.script.Connections)))
	}
	c := a.visitorWith(v.text)
	if c == nil {
		return false
	}
	a.converses(c, v)
	return true
}

// token is a word that is another one in each exchange. It has a percent sign in it for programs that print or
// build what they received as a format.
func token(n int) string { return fmt.Sprintf("w%d%%dx", 17+13*n) }

// fullText is a text of so many bytes with a blank in it.
func fullText(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(i%26)
		if i%27 == 26 {
			text[i] = ' '
		}
	}
	return string(text)
}

// converses plays the whole exchange on a connection, and the close. It stops where the program does nothing
// more: what the harness did then, such as closing, could set it going again.
func (a *act) converses(c *guest, v visit) {
	a.script.Lines = append(a.script.Lines, c.lines...)
	d := a.player.Dialogue
	steps := []func(){
		func() {
			if d.First == evidence.Server {
				a.hears(c, len(c.script.Reply))
			}
		},
		func() {
			if v.piecemeal {
				a.saysPiecemeal(a.Client, c.socket, c.script.Message)
			} else {
				a.says(c, c.script.Message[v.said:])
			}
		},
		func() {
			if d.HalfClose || d.Framing.Kind == evidence.FramingEnd {
				a.Client.Shutdown(c.socket, syscall.SHUT_WR)
			}
		},
		func() {
			if d.First != evidence.Server && d.Framing.Kind != evidence.FramingEnd {
				a.hears(c, len(c.script.Reply))
			}
		},
		func() {
			if v.staysOpen {
				a.hears(c, all)
			}
		},
		func() { a.Client.Shutdown(c.socket, syscall.SHUT_WR) },
		func() { a.hears(c, all) },
		func() { a.Client.close(c) },
	}
	for _, step := range steps {
		if step(); a.over {
			return
		}
	}
}

// says sends all of a message.
func (a *act) says(c *guest, message []byte) {
	for len(message) > 0 {
		sending := a.Client.Sending(c.socket, message, noSignal)
		if !a.awaits(sending.done, sending.number) {
			c.waiting = true
			return
		}
		if sending.Result().Value <= 0 {
			return
		}
		message = message[sending.Result().Value:]
	}
}

// saysPiecemeal sends a message byte by byte, each when the program has dealt with the one before.
func (a *act) saysPiecemeal(end *Endpoint, s *Socket, message []byte) {
	end.SetOption(s, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, sockets.Int(1))
	for i := range message {
		if end.Send(s, message[i:i+1], noSignal).Value != 1 {
			return
		}
		a.rests()
	}
}

// all asks for everything up to the end of the stream.
const all = -1

// hears receives so many bytes, fewer where the stream ends or nothing more can come.
func (a *act) hears(c *guest, n int) {
	for got := 0; n == all || got < n; {
		receiving := a.Client.Receiving(c.socket, sockets.DataKept)
		if !a.awaits(receiving.done, receiving.number) {
			c.waiting = true
			return
		}
		if receiving.Result().Value <= 0 {
			return
		}
		got += receiving.Result().Value
	}
}

// reset closes a connection with RST.
func (a *act) reset(c *guest) {
	a.Client.SetOption(c.socket, syscall.SOL_SOCKET, syscall.SO_LINGER, sockets.Linger(true, 0))
	a.Client.close(c)
}

// plainClients are as many clients as the server serves, or a few where it stays up.
func (a *act) plainClients() {
	clients := a.player.Dialogue.Serves
	if a.script.StaysUp {
		clients = plainClients
	}
	for range clients {
		if !a.goodClient(visit{}) || a.over {
			break
		}
	}
	if a.over {
		return
	}
	a.endsOrRests()
	if a.script.StaysUp && !a.over {
		a.fill()
	}
}

// fill makes a server that stays up print so much that what it printed before must have left its buffer. It
// is only done where a line is missing so far.
func (a *act) fill() {
	const (
		enough = 160 << 10 // more than twice what buffers hold
		long   = 1000      // bytes of text, where there is room
	)
	if !a.lacksLines() {
		return
	}
	a.mark(evidence.MarkSceneEnd) // only the output is still to come
	connections, lines := len(a.script.Connections), len(a.script.Lines)
	text := a.player.Dialogue.Text("filling")
	if n, bounded := a.player.Dialogue.MaxText(); a.player.Dialogue.FixedText == "" {
		if !bounded || n > long {
			n = long
		}
		text = fullText(n)
	}
	printed := int64(0)
	for printed < enough && !a.over {
		c := a.visitorWith(text)
		if c == nil {
			break
		}
		perClient := int64(0)
		for _, line := range c.lines {
			perClient += int64(len(line.Text)) + 1
		}
		a.converses(c, visit{})
		printed += max(perClient, 1)
		// What fills is not part of the script.
		a.script.Connections, a.script.Lines = a.script.Connections[:connections], a.script.Lines[:lines]
		if perClient == 0 {
			break
		}
	}
	a.script.Filled = printed
	a.settles(true)
}

// badClient plays a client that misbehaves, and after it a good one where the server is still there.
func (a *act) badClient(misbehave func(c *guest)) {
	c := a.visitor("bad")
	if c == nil {
		a.endsOrRests()
		return
	}
	a.rests()
	a.over = false
	misbehave(c)
	a.rests()
	if ended(a.current()) || a.over {
		return
	}
	if len(a.listening()) == 0 {
		a.awaits(a.current().Done(), 0)
		return
	}
	if a.goodClient(visit{}); !a.over {
		a.endsOrRests()
	}
}

// twoClients has the first of two clients stop before the end of its message, or before all of it where the
// server is to speak first, until the second has been served. What it had said by then differs from what the
// second says.
func (a *act) twoClients() {
	first, second := a.visitor("first"), a.visitor("second")
	if first != nil && second != nil {
		a.rests()
		said := 0
		if a.player.Dialogue.First != evidence.Server && !a.over {
			said = max(len(first.script.Message)/2, len(first.script.Message)-2)
			a.says(first, first.script.Message[:said])
			a.rests()
		}
		a.converses(second, visit{})
		if !a.over { // else serving the first would set it going again
			a.converses(first, visit{said: said})
		}
	}
	if !a.over {
		a.endsOrRests()
	}
}

// manyClients serves client after client and counts the open descriptors in between.
func (a *act) manyClients() {
	for range manyCounts {
		for range fewClients {
			if !a.goodClient(visit{}) || a.over {
				return
			}
		}
		if !a.rests() {
			return
		}
		a.settles(false)
		if a.over {
			return
		}
		a.script.Descriptors = append(a.script.Descriptors, evidence.DescriptorCount{
			Clients: len(a.script.Connections), Open: take(survey(a.current()).pids).descriptors,
		})
	}
}

// restart has the server close a connection first, and starts it again at once.
func (a *act) restart() {
	if !a.goodClient(visit{staysOpen: true}) || a.over {
		return
	}
	if a.script.StaysUp {
		a.rests()
		a.current().Stop(program.ReasonNotNeeded)
	} else if !a.awaits(a.current().Done(), 0) {
		return
	}
	a.over = false
	a.serve()
	if a.goodClient(visit{}); !a.over {
		a.endsOrRests()
	}
}
