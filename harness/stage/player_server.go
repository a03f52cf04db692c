package stage

import (
	"net/netip"
	"slices"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
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

// settles waits until something holds of a server that stays up, or it can do no more for it by itself: some close
// a connection only after a while, or print every second.
func (a *act) settles(holds func() bool) {
	if a.over || ended(a.current()) {
		return
	}
	a.until(func() bool { return ended(a.current()) || holds() }, a.current().Done(), 0)
	a.over = ended(a.current())
}

func (a *act) countSockets() int { return take(survey(a.current()).pids).sockets }

// hasClosed says whether the server has no more sockets than before its first client.
func (a *act) hasClosed() bool { return a.countSockets() <= a.sockets }

// hasPrinted says whether every line of the script is on the standard output.
func (a *act) hasPrinted() bool {
	said := string(a.current().Stdout())
	return !slices.ContainsFunc(a.script.Lines, func(l evidence.Line) bool { return !hasLine(said, l.Text) })
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
	if a.script.Scene == evidence.ScenePlain { // in others it is not judged
		a.settles(a.hasClosed)
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
	if a.hasPrinted() {
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
	a.settles(a.hasPrinted)
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
		a.settles(a.hasClosed)
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
