package stage

import (
	"fmt"
	"net/netip"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

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
