package main

import (
	"strings"
	"syscall"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

const (
	backlog = 5   // as the notes have it, where it does not matter
	room    = 128 // bytes of a receive buffer
)

// connection is one between the two programs, by its descriptors.
type connection struct{ listener, client, accepted int }

// connection listens, connects and accepts.
func (p *play) connection() connection {
	c := connection{listener: p.Server.listening(backlog)}
	p.further(&c, 1)
	return c
}

// further is the n-th connection, to the same listener.
func (p *play) further(c *connection, n int) {
	c.client = p.Client.socket()
	p.Client.connect(c.client)
	p.connected(n)
	c.accepted = p.Server.accept(c.listener)
}

// scripts are what is played in each scene, by its name. A script waits for each packet that belongs to a call
// before it makes the next one, so that packets come in the same order each time.
func scripts() map[string]func(p *play) {
	return map[string]func(p *play){
		"01-handshake": func(p *play) {
			listener := p.Server.listening(backlog)
			accepting := p.Server.accepting(listener)
			accepting.blocks()
			p.Client.connect(p.Client.socket())
			accepting.result()
		},
		"02-refused": func(p *play) {
			p.Client.connecting(p.Client.socket()).result()
		},
		"03-data": func(p *play) {
			c := p.connection()
			p.Client.send(c.client, "hello")
			p.acknowledged(p.Client, 1, 5)
			p.Server.recv(c.accepted, room, 5)
			p.Server.send(c.accepted, "welcome")
			p.acknowledged(p.Server, 1, 7)
			p.Client.recv(c.client, room, 7)
		},
		"04-byte-stream": func(p *play) {
			c := p.connection()
			sent := 0
			for _, word := range []string{"one ", "two ", "three"} {
				p.Client.send(c.client, word)
				sent += len(word)
				p.acknowledged(p.Client, 1, sent)
			}
			p.Server.recv(c.accepted, room, sent)
			p.Client.send(c.client, strings.Repeat("0123456789", longSend/10))
			p.acknowledged(p.Client, 1, sent+longSend)
			p.Server.recv(c.accepted, longSend/2, longSend/2)
			p.Server.recv(c.accepted, longSend/2, longSend/2)
		},
		"05-blocked-recv": func(p *play) {
			c := p.connection()
			receiving := p.Server.receiving(c.accepted, room)
			receiving.blocks()
			p.Client.send(c.client, "wake up")
			receiving.result()
			p.acknowledged(p.Client, 1, 7)
		},
		"06-half-close": func(p *play) {
			c := p.connection()
			p.Client.send(c.client, "question")
			p.acknowledged(p.Client, 1, 8)
			p.Client.shutdown(c.client)
			p.finAcknowledged(p.Client, 1)
			p.Server.recv(c.accepted, room, 8)
			p.Server.recv(c.accepted, room, 0)
			p.Server.send(c.accepted, "answer")
			p.acknowledged(p.Server, 1, 6)
			p.Client.recv(c.client, room, 6)
			p.Server.close(c.accepted)
			p.finAcknowledged(p.Server, 1)
			p.Client.recv(c.client, room, 0)
			p.Client.close(c.client)
		},
		"07-four-way-close": func(p *play) {
			c := p.connection()
			p.Client.close(c.client)
			p.finAcknowledged(p.Client, 1)
			p.Server.recv(c.accepted, room, 0)
			p.Server.close(c.accepted)
			p.finAcknowledged(p.Server, 1)
		},
		"08-recv-zero": func(p *play) {
			c := p.connection()
			p.Client.send(c.client, "bye")
			p.acknowledged(p.Client, 1, 3)
			p.Client.close(c.client)
			p.finAcknowledged(p.Client, 1)
			p.Server.recv(c.accepted, room, 3)
			p.Server.recv(c.accepted, room, 0)
			p.Server.recv(c.accepted, room, 0)
		},
		"09-listener-closed": func(p *play) {
			c := p.connection()
			p.Server.close(c.listener)
			p.Client.connecting(p.Client.socket()).result()
			p.Client.send(c.client, "still here?")
			p.acknowledged(p.Client, 1, 11)
			p.Server.recv(c.accepted, room, 11)
			p.Server.send(c.accepted, "yes")
			p.acknowledged(p.Server, 1, 3)
			p.Client.recv(c.client, room, 3)
		},
		"10-two-clients": func(p *play) {
			another := p.another(p.Client)
			one := p.connection()
			two := connection{listener: one.listener, client: another.socket()}
			another.connect(two.client)
			p.connected(2)
			two.accepted = p.Server.accept(two.listener)
			another.send(two.client, "from B")
			p.acknowledged(p.Client, 2, 6)
			p.Client.send(one.client, "from A")
			p.acknowledged(p.Client, 1, 6)
			p.Server.recv(one.accepted, room, 6)
			p.Server.recv(two.accepted, room, 6)
			p.Server.close(one.accepted)
			p.finAcknowledged(p.Server, 1)
			p.Server.send(two.accepted, "B lives")
			p.acknowledged(p.Server, 2, 7)
			another.recv(two.client, room, 7)
		},
		"11-full-backlog": func(p *play) {
			listener := p.Server.listening(1)
			for n := 1; n <= 2; n++ {
				p.Client.connect(p.Client.socket())
				p.connected(n)
			}
			third := p.Client.connecting(p.Client.socket())
			third.blocks()
			p.until("a SYN that is sent again", func(a *conversation.Analysis) bool {
				c := seen(a, evidence.Client, 3)
				return c != nil && len(c.Sent(evidence.Client).Retransmissions()) > 0
			})
			p.Server.accept(listener)
			third.result()
			p.connected(3)
		},
		"12-unread-data": func(p *play) {
			c := p.connection()
			p.Server.send(c.accepted, "nobody reads this")
			p.acknowledged(p.Server, 1, 17)
			p.Client.close(c.client)
			p.reset(p.Client, 1)
			p.Server.receiving(c.accepted, room).result()
		},
		"13-linger-zero": func(p *play) {
			c := p.connection()
			p.Client.option(c.client, syscall.SO_LINGER, sockets.Linger(true, 0))
			p.Client.close(c.client)
			p.reset(p.Client, 1)
			p.Server.receiving(c.accepted, room).result()
		},
		"14-killed-process": func(p *play) {
			c := p.connection()
			receiving := p.Server.receiving(c.accepted, room)
			receiving.blocks()
			p.Client.kill()
			receiving.result()
			p.finAcknowledged(p.Client, 1)
		},
		"15-lost-segment":      sendOnce,
		"16-corrupted-segment": sendOnce,
		"17-zero-window": func(p *play) {
			listener := p.Server.socket()
			p.Server.option(listener, syscall.SO_RCVBUF, sockets.Int(1))
			p.Server.bind(listener)
			p.Server.listen(listener, backlog)
			client := p.Client.socket()
			p.Client.connect(client)
			p.connected(1)
			accepted := p.Server.accept(listener)
			p.Client.send(client, strings.Repeat("0123456789", windowful/10))
			p.until("the answer to a probe of the zero window", func(a *conversation.Analysis) bool {
				c := seen(a, evidence.Client, 1)
				return c != nil && answeredProbe(c) != nil
			})
			for got := 0; got < windowful; {
				got += p.Server.do(evidence.Call{Op: evidence.OpRecv, FD: accepted, Length: windowful}).Result
			}
			p.acknowledged(p.Client, 1, windowful)
		},
		"18-time-wait": func(p *play) {
			listener := p.Server.socket()
			p.Server.reuse(listener)
			p.Server.bind(listener)
			p.Server.listen(listener, backlog)
			c := connection{listener: listener}
			p.further(&c, 1)
			p.Server.close(c.accepted)
			p.finAcknowledged(p.Server, 1)
			p.Client.recv(c.client, room, 0)
			p.Client.close(c.client)
			p.finAcknowledged(p.Client, 1)
			p.Server.exit()
			p.Server.restart()
			again := p.Server.socket()
			p.Server.begin(p.Server.to(evidence.OpBind, again)).result()
			p.Server.reuse(again)
			p.Server.bind(again)
			p.Server.listen(again, backlog)
		},
		"19-tcp-beside-udp": func(p *play) {
			server := p.Server.datagram()
			p.Server.bind(server)
			client := p.Client.datagram()
			p.Client.connect(client)
			p.Client.send(client, "ping")
			p.Server.recv(server, room, 4)
			p.Client.close(client)
			p.Server.close(server)

			c := p.connection()
			p.Client.send(c.client, "ping")
			p.acknowledged(p.Client, 1, 4)
			p.Server.recv(c.accepted, room, 4)
			p.Client.close(c.client)
			p.finAcknowledged(p.Client, 1)
			p.Server.recv(c.accepted, room, 0)
			p.Server.close(c.accepted)
			p.finAcknowledged(p.Server, 1)
		},
	}
}

// sendOnce sends one message over a wire that does something to it.
func sendOnce(p *play) {
	c := p.connection()
	receiving := p.Server.receiving(c.accepted, room)
	receiving.blocks()
	p.Client.send(c.client, "hello")
	receiving.result()
	p.acknowledged(p.Client, 1, 5)
}
