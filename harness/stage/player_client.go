package stage

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/sockets"
)

// cutTo is to how many bytes a send is cut short.
const cutTo = 7

// playClient plays the server to the client under test.
func (a *act) playClient(scene evidence.Scene) {
	switch scene {
	case evidence.SceneNoArguments:
		a.endsByItself(a.player.Program.Bare())
		return
	case evidence.SceneRefused:
		process := a.start(a.player.Program, nil)
		a.feed(process)
		a.awaits(process.Done(), 0)
		return
	}
	host := a.host()
	process := a.start(a.player.Program, a.cutting(scene))
	switch scene {
	case evidence.SceneEmptyInput:
		process.CloseStdin()
	case evidence.SceneClosedBefore:
	default:
		a.feed(process)
	}
	c := a.receives(host)
	if c == nil && scene == evidence.SceneClosedBefore {
		// It reads its line before it connects: then it cannot meet a server that has closed by then.
		a.over = false
		a.feed(process)
		c = a.receives(host)
	}
	if c == nil {
		a.awaits(process.Done(), 0)
		return
	}
	a.attends(c, scene)
	a.awaits(process.Done(), 0)
}

// host listens where the client is to connect to.
func (a *act) host() *Socket {
	listener := a.Server.Socket(domainOf(a.address), syscall.SOCK_STREAM, 0)
	a.Server.given(listener.made)
	a.Server.option(listener, syscall.SO_REUSEADDR, sockets.Int(1))
	bound := a.Server.Bind(listener, a.address)
	a.Server.given(bound.call)
	listening := a.Server.Listen(listener, Backlog)
	a.Server.given(listening.call)
	return listener
}

// cutting alters the first long send of the client to its server in the scene that is about it.
func (a *act) cutting(scene evidence.Scene) func(*evidence.Call, func() evidence.Address) int {
	if scene != evidence.SceneShortSend {
		return nil
	}
	cut := false // the tracer asks from one thread
	return func(c *evidence.Call, to func() evidence.Address) int {
		if cut || c.Length <= cutTo || to().Unmapped() != a.address {
			return 0
		}
		cut = true
		return cutTo
	}
}

// text is the line that is fed to the client. One is long, for clients that have no room for it.
func (a *act) text() string {
	const long, spare = 100, 8 // spare is for what the reply adds
	d := a.player.Dialogue
	text := d.Text(token(3))
	if n, bounded := d.MaxText(); a.script.Scene == evidence.SceneByteByByte && d.FixedText == "" {
		if !bounded || n > long {
			n = long
		}
		if n -= spare; n > len(text) {
			return fullText(n)
		}
	}
	return text
}

// feed gives the client its standard input.
func (a *act) feed(process *program.Process) {
	a.mark(evidence.MarkFed)
	process.Feed(a.player.Dialogue.Exchange(a.text(), netip.AddrPort{}, a.address).Stdin)
	process.CloseStdin()
}

// receives accepts the client; nil where it does not come.
func (a *act) receives(listener *Socket) *guest {
	if a.accepting == nil { // one that has begun goes on waiting
		a.accepting = a.Server.Accepting(listener)
	}
	if !a.awaits(a.accepting.done, a.accepting.number) {
		return nil
	}
	accepted := a.accepting.Accepted()
	if !accepted.made.Succeeded() {
		return nil
	}
	exchange := a.player.Dialogue.Exchange(a.text(), accepted.Peer(), a.address)
	c := &guest{socket: accepted, lines: exchange.ClientLines}
	c.script = evidence.Connection{Client: accepted.Peer(), Message: exchange.Message, Reply: exchange.Reply}
	a.script.Connections = append(a.script.Connections, c.script)
	return c
}

// attends plays the server on a connection.
func (a *act) attends(c *guest, scene evidence.Scene) {
	switch scene {
	case evidence.SceneClosedBefore:
		a.Server.close(c)
		a.Settle()
		if !slices.ContainsFunc(a.run.Marks, func(m evidence.Mark) bool { return m.Name == evidence.MarkFed }) {
			a.feed(a.current())
		}
		return
	case evidence.SceneClosedAfter:
		a.hearsClient(c)
		a.Server.close(c)
		return
	case evidence.SceneResetServer:
		if len(c.script.Message) > 0 {
			a.hearsClient(c)
		}
		a.Server.SetOption(c.socket, syscall.SOL_SOCKET, syscall.SO_LINGER, sockets.Linger(true, 0))
		a.Server.close(c)
		return
	}
	a.script.Lines = append(a.script.Lines, c.lines...)
	d := a.player.Dialogue
	if d.First == evidence.Server {
		a.repliesTo(c, scene)
	}
	if len(c.script.Message) > 0 && !a.hearsClient(c) && scene != evidence.SceneEmptyInput {
		a.leaves(c)
		return
	}
	if d.First != evidence.Server && scene != evidence.SceneEmptyInput {
		a.repliesTo(c, scene)
	}
	if d.Serves > 0 || d.First == evidence.Server || d.Framing.Kind == evidence.FramingEnd {
		a.Server.Shutdown(c.socket, syscall.SHUT_WR)
	}
	a.leaves(c)
}

// repliesTo sends the reply.
func (a *act) repliesTo(c *guest, scene evidence.Scene) {
	if scene == evidence.SceneByteByByte {
		a.saysPiecemeal(a.Server, c.socket, c.script.Reply)
		return
	}
	for rest := []byte(c.script.Reply); len(rest) > 0; {
		sending := a.Server.Sending(c.socket, rest, noSignal)
		if !a.awaits(sending.done, sending.number) || sending.Result().Value <= 0 {
			return
		}
		rest = rest[sending.Result().Value:]
	}
}

// hearsClient receives the client's message, as many bytes as it should have or up to the end. It says
// whether there is somebody left to reply to.
func (a *act) hearsClient(c *guest) bool {
	want := len(c.script.Message)
	untilEnd := a.player.Dialogue.Framing.Kind == evidence.FramingEnd || a.player.Dialogue.HalfClose
	for got := 0; untilEnd || got < want; {
		receiving := a.Server.Receiving(c.socket, sockets.DataKept)
		if !a.awaits(receiving.done, receiving.number) {
			c.waiting = true
			return false
		}
		n := receiving.Result().Value
		if n == 0 {
			return untilEnd
		}
		if n < 0 {
			return false
		}
		got += n
	}
	return true
}

// leaves receives up to the client's end of the stream, and closes.
func (a *act) leaves(c *guest) {
	for {
		receiving := a.Server.Receiving(c.socket, sockets.DataKept)
		if !a.awaits(receiving.done, receiving.number) {
			c.waiting = true
			break
		}
		if receiving.Result().Value <= 0 {
			break
		}
	}
	a.Server.close(c)
}

// playExample runs one of the notes' smaller programs.
func (a *act) playExample(scene evidence.Scene) {
	if scene == evidence.SceneBindExampleInUse {
		a.occupy(netip.AddrPortFrom(netip.IPv4Unspecified(), examplePort))
	}
	a.endsByItself(a.player.Program)
}

// examplePort is the port that the notes' bind program has built in.
const examplePort = 8080

// hasLine says whether a text has a line.
func hasLine(text, line string) bool {
	return slices.Contains(strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), line)
}
