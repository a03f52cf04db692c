package report

import (
	"net/netip"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// record makes a run by hand: calls and packets in the order in which the test writes them.
type record struct {
	*conversationtest.Script
	run  *evidence.Run
	now  evidence.Time
	open map[string][]int // by end: open descriptors
	pid  map[string]int
}

const (
	fin = conversation.FIN
	syn = conversation.SYN
	rst = conversation.RST
	psh = conversation.PSH
	ack = conversation.ACK
)

const (
	client = evidence.Client
	server = evidence.Server
)

func newRecord(scenario, title string) *record {
	script := conversationtest.New()
	start := evidence.At(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	return &record{
		Script: script, now: start,
		run: &evidence.Run{
			Schema: evidence.Schema, Scenario: scenario, Title: title, Started: start, Address: script.ServerAddress,
			Host:       evidence.Host{OS: "linux", Kernel: "6.18.0", Isolation: "namespace", Capture: true, Trace: true},
			Ends:       []evidence.End{{Name: client, Kind: "reference"}, {Name: server, Kind: "program"}},
			Interfaces: []evidence.Interface{{Name: "lo", LinkType: evidence.LinkEthernet}},
		},
		open: map[string][]int{client: {0, 1, 2}, server: {0, 1, 2}},
		pid:  map[string]int{client: 100, server: 200},
	}
}

func (r *record) tick() evidence.Time {
	if n := len(r.Packets); n > 0 && r.Packets[n-1].Time > r.now {
		r.now = r.Packets[n-1].Time
	}
	r.now += evidence.Time(10 * time.Microsecond)
	return r.now
}

// pass lets time go by before the next packet and call.
func (r *record) pass(d time.Duration) {
	r.tick()
	r.Later(d)
	r.now += evidence.Time(d)
}

// begin records a call that has not returned yet.
func (r *record) begin(end string, c evidence.Call) int {
	c.N, c.End, c.PID, c.Entry = len(r.run.Calls)+1, end, r.pid[end], r.tick()
	if c.Name == "" {
		c.Name = string(c.Op)
	}
	if c.Op == evidence.OpSocket {
		c.FD = -1
	}
	r.run.Calls = append(r.run.Calls, c)
	return c.N
}

// returns lets a call return.
func (r *record) returns(n, result int) *evidence.Call {
	c := &r.run.Calls[n-1]
	c.Result, c.Exit = result, r.tick()
	return c
}

func (r *record) whole(end string, c evidence.Call, result int) *evidence.Call {
	return r.returns(r.begin(end, c), result)
}

func (r *record) makes(c *evidence.Call, fd int) {
	c.Before = append([]int{}, r.open[c.End]...)
	r.open[c.End] = append(r.open[c.End], fd)
	c.After = append([]int{}, r.open[c.End]...)
	c.NewFD = &fd
}

func (r *record) socket(end string, fd int) {
	c := r.whole(end, evidence.Call{Op: evidence.OpSocket, Domain: 2, Type: 1}, fd)
	r.makes(c, fd)
}

func (r *record) listening(fd, backlog int) {
	r.socket(server, fd)
	r.whole(server, evidence.Call{Op: evidence.OpBind, FD: fd, Address: address(r.ServerAddress)}, 0)
	r.whole(server, evidence.Call{Op: evidence.OpListen, FD: fd, Backlog: backlog}, 0)
}

func address(a netip.AddrPort) evidence.Address { return evidence.Address{Family: 2, AddrPort: a} }

func (r *record) accepting(fd int) int {
	return r.begin(server, evidence.Call{Op: evidence.OpAccept, FD: fd, Blocked: true})
}

func (r *record) accepted(n, fd int) {
	c := r.returns(n, fd)
	c.Address = address(r.ClientAddress)
	r.makes(c, fd)
}

func (r *record) handshake() {
	r.Send(client, syn, "")
	r.Send(server, syn|ack, "")
	r.Send(client, ack, "")
}

func (r *record) connect(fd int) {
	n := r.begin(client, evidence.Call{Op: evidence.OpConnect, FD: fd, Address: address(r.ServerAddress), Blocked: true})
	r.handshake()
	r.returns(n, 0)
}

func (r *record) send(end string, fd int, data string) {
	n := r.begin(end, evidence.Call{Op: evidence.OpSend, FD: fd, Length: len(data), Data: evidence.Bytes(data)})
	r.Send(end, psh|ack, data)
	r.returns(n, len(data))
}

func (r *record) receiving(end string, fd int) int {
	return r.begin(end, evidence.Call{Op: evidence.OpRecv, FD: fd, Length: 128, Blocked: true})
}

func (r *record) received(n int, data string) {
	r.returns(n, len(data)).Data = evidence.Bytes(data)
}

func (r *record) recv(end string, fd int, data string) { r.received(r.receiving(end, fd), data) }

func (r *record) close(end string, fd int) *evidence.Call {
	return r.whole(end, evidence.Call{Op: evidence.OpClose, FD: fd}, 0)
}

func (r *record) exit(end string) {
	r.whole(end, evidence.Call{Op: evidence.OpExit, Name: "exit", FD: -1}, 0)
}

func (r *record) done() *evidence.Run {
	r.run.Packets = r.Packets
	r.run.Ended = r.tick()
	return r.run
}

func frame(text string) string { return text + string(make([]byte, 128-len(text))) }

// referenceRun is the exchange of the notes.
func referenceRun() *evidence.Run {
	r := newRecord("server/plain", "The client sends one line, the server answers it, both close.")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	r.connect(3)
	r.accepted(a, 4)
	s := r.receiving(server, 4)
	r.pass(220 * time.Millisecond)
	r.run.Marks = append(r.run.Marks, evidence.Mark{Time: r.tick(), Name: "line fed to the client", End: client})
	r.send(client, 3, frame("hello"))
	r.Send(server, ack, "")
	r.received(s, frame("hello"))
	c := r.receiving(client, 3)
	r.send(server, 4, frame("hello *_*"))
	r.received(c, frame("hello *_*"))
	r.Send(client, ack, "")
	r.close(server, 4)
	r.Send(server, fin|ack, "")
	r.close(server, 3)
	r.exit(server)
	r.Send(client, ack, "")
	r.close(client, 3)
	r.Send(client, fin|ack, "")
	r.Send(server, ack, "")
	r.exit(client)
	return r.done()
}

// wrongCloseRun is a server that closes the listening descriptor when it means the accepted one.
func wrongCloseRun() *evidence.Run {
	r := newRecord("server/wrong-close", "The server should close the connection and go on listening.")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	r.connect(3)
	r.accepted(a, 4)
	s := r.receiving(server, 4)
	r.send(client, 3, frame("hello"))
	r.Send(server, ack, "")
	r.received(s, frame("hello"))
	r.send(server, 4, frame("hello *_*"))
	r.recv(client, 3, frame("hello *_*"))
	r.close(server, 3) // call 11: the wrong one
	again := r.receiving(client, 3)
	_ = again
	b := r.accepting(3)
	bad := r.returns(b, -1)
	bad.Errno, bad.Blocked = "EBADF", false
	r.pass(2 * time.Second)
	r.run.Marks = append(r.run.Marks, evidence.Mark{Time: r.tick(), Name: "scene ended"})
	return r.done()
}

// refusedRun is a client that nobody listens for.
func refusedRun() *evidence.Run {
	r := newRecord("client/refused", "Nobody listens on the address.")
	r.socket(client, 3)
	n := r.begin(client, evidence.Call{Op: evidence.OpConnect, FD: 3, Address: address(r.ServerAddress), Blocked: true})
	r.Send(client, syn, "")
	r.Send(server, rst|ack, "", conversationtest.Seq(0), conversationtest.Ack(1))
	c := r.returns(n, -1)
	c.Errno = "ECONNREFUSED"
	r.run.Outcomes = []evidence.Outcome{{End: client, PID: 100, Started: r.run.Started, Ended: r.tick(), ExitCode: 1, InWords: "exited with status 1"}}
	return r.done()
}

// twoClientsRun has two connections, served in the other order.
func twoClientsRun() *evidence.Run {
	r := newRecord("server/two-clients", "The later client is served while the first stays silent.")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 5)
	r.connect(5)
	r.accepted(a, 4)
	a = r.accepting(3)
	r.socket(client, 6)
	first := r.ClientAddress
	r.ClientAddress = netip.AddrPortFrom(first.Addr(), first.Port()+2)
	r.ClientISN, r.ServerISN = 71000, 93000
	r.Reset()
	r.connect(6)
	r.accepted(a, 7)
	r.send(client, 6, "second\n")
	r.recv(server, 7, "second\n")
	r.send(server, 7, "second\n")
	r.recv(client, 6, "second\n")
	r.close(server, 7)
	r.Send(server, fin|ack, "")
	r.Send(client, ack, "")
	return r.done()
}

// pollingRun is a server that spins on a nonblocking accept.
func pollingRun(times int) *evidence.Run {
	r := newRecord("server/spins", "The server waits for its first client.")
	r.listening(3, 10)
	for range times {
		c := r.whole(server, evidence.Call{Op: evidence.OpAccept, FD: 3}, -1)
		c.Errno = "EAGAIN"
	}
	r.socket(client, 3)
	r.connect(3)
	return r.done()
}

// bulkRun sends so many segments one way.
func bulkRun(segments int) *evidence.Run {
	r := newRecord("tcp.byte-stream-splits", "One large send crosses in many segments.")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	r.connect(3)
	r.accepted(a, 4)
	data := make([]byte, 1448)
	for i := range data {
		data[i] = byte('a' + i%26)
	}
	n := r.begin(client, evidence.Call{Op: evidence.OpSend, FD: 3, Length: 1448 * segments, Data: data[:48], Blocked: true})
	for i := range segments {
		r.Send(client, ack, string(data))
		if i%2 == 1 {
			r.Send(server, ack, "")
		}
		if i%4 == 3 {
			r.recv(server, 4, string(data))
		}
	}
	r.returns(n, 1448*segments)
	return r.done()
}

// cross lets a segment go over a wire: a frame on the sender's side and, unless it is lost, one on the other.
func (r *record) cross(from string, flags conversation.Flags, data string, fate evidence.Fate, changes ...conversationtest.Change) {
	r.leave(from, flags, data, fate, changes...)
	if fate != evidence.Lost {
		r.arrive(len(r.Packets) - 1)
	}
}

// leave records the frame on the sender's side and yields its index.
func (r *record) leave(from string, flags conversation.Flags, data string, fate evidence.Fate, changes ...conversationtest.Change) int {
	side := 0
	if from == server {
		side = 1
	}
	r.Send(from, flags, data, append(changes, conversationtest.On(side), conversationtest.Fate(fate))...)
	return len(r.Packets) - 1
}

// arrive records a frame that left before on the other side.
func (r *record) arrive(i int) {
	p := r.Packets[i]
	last := r.Packets[len(r.Packets)-1]
	p.N, p.Interface, p.Time = len(r.Packets)+1, 1-p.Interface, last.Time+evidence.Time(30*time.Microsecond)
	r.Packets = append(r.Packets, p)
}

func newWireRecord(scenario, title string) *record {
	r := newRecord(scenario, title)
	r.Link = evidence.LinkRaw
	r.run.Interfaces = []evidence.Interface{
		{Name: "client side", LinkType: evidence.LinkRaw, End: client}, {Name: "server side", LinkType: evidence.LinkRaw, End: server},
	}
	return r
}

func (r *record) connectOverWire() {
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	n := r.begin(client, evidence.Call{Op: evidence.OpConnect, FD: 3, Address: address(r.ServerAddress), Blocked: true})
	r.cross(client, syn, "", "")
	r.cross(server, syn|ack, "", "")
	r.returns(n, 0)
	r.cross(client, ack, "", "")
	r.accepted(a, 4)
}

// wireRun loses a data segment, seen on both sides of a wire.
func wireRun() *evidence.Run {
	r := newWireRecord("tcp.retransmits-lost", "The first data segment is lost on the wire.")
	r.connectOverWire()
	s := r.receiving(server, 4)
	n := r.begin(client, evidence.Call{Op: evidence.OpSend, FD: 3, Length: 5, Data: evidence.Bytes("hello")})
	r.cross(client, psh|ack, "hello", evidence.Lost)
	r.returns(n, 5)
	r.pass(205 * time.Millisecond)
	r.cross(client, psh|ack, "hello", "", conversationtest.Seq(1))
	r.received(s, "hello")
	r.cross(server, ack, "", "", conversationtest.Ack(6))
	return r.done()
}

// reorderedRun lets the second segment pass the first, and corrupts a third.
func reorderedRun() *evidence.Run {
	r := newWireRecord("tcp.reorders", "Two segments change places on the wire, a third is corrupted.")
	r.connectOverWire()
	s := r.receiving(server, 4)
	first := r.leave(client, ack, "one ", evidence.Held)
	second := r.leave(client, psh|ack, "two ", "")
	r.arrive(second)
	r.cross(server, ack, "", "", conversationtest.Ack(1))
	r.arrive(first)
	r.cross(server, ack, "", "", conversationtest.Ack(9))
	r.received(s, "one two ")
	r.cross(client, psh|ack, "three", evidence.Corrupted)
	return r.done()
}

// forkedRun is a server that serves in a child, with a dup and a second close by mistake.
func forkedRun() *evidence.Run {
	r := newRecord("server/forked", "The server forks for its client; the parent forgets its copy.")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	r.connect(3)
	r.accepted(a, 4)
	fork := r.begin(server, evidence.Call{Op: evidence.OpFork, FD: -1})
	r.run.Call(fork).Child = 201
	r.returns(fork, 201)
	r.pid[server] = 201
	r.close(server, 3)
	r.recv(server, 4, "hi\n")
	dup := r.whole(server, evidence.Call{Op: evidence.OpDup, FD: 4}, 5)
	five := 5
	dup.NewFD = &five
	r.close(server, 4)
	again := r.close(server, 4)
	again.Result, again.Errno = -1, "EBADF"
	r.whole(server, evidence.Call{Op: evidence.OpShutdown, FD: 5, How: 2}, 0)
	r.Send(server, fin|ack, "")
	r.exit(server)
	r.pid[server] = 200
	r.accepting(3)
	r.recv(client, 3, "")
	return r.done()
}

// datagramRun is an exchange over UDP, one of whose datagrams goes to a port that nobody has.
func datagramRun() *evidence.Run {
	r := newRecord("udp.keeps-boundaries", "Two datagrams are two receives.")
	for i, text := range []string{"one", "two"} {
		c := r.whole(client, evidence.Call{Op: evidence.OpSend, Name: "sendto", FD: 3, Length: 3, Data: evidence.Bytes(text), Address: address(r.ServerAddress)}, 3)
		r.Packets = append(r.Packets, evidence.Packet{N: i + 1, Time: c.Exit + 1000, Data: datagram(text), Length: 45})
		r.recv(server, 4, text)
	}
	return r.done()
}

// datagram is an Ethernet frame with a UDP datagram from 127.0.0.1:40000 to port 8080, without a checksum.
func datagram(text string) []byte {
	frame := make([]byte, 14, 64)
	frame[12] = 8
	ip := []byte{0x45, 0, 0, byte(28 + len(text)), 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}
	udp := []byte{0x9c, 0x40, 0x1f, 0x90, 0, byte(8 + len(text)), 0, 0}
	return append(append(append(frame, ip...), udp...), text...)
}

// hostile is a text that tries everything: to end a script, to run one, to reorder a line, to clear a screen.
const hostile = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">" +
	"\x1b[2J\x1b]0;pwned\x07\u202egnp.exe\u2066\x00\xff\xfe'\"&amp;]]>--><svg onload=alert(1)>\n::error::fake\r\n::set-output name=x::y\n"

func hostileRun() *evidence.Run {
	r := newRecord("server/hostile"+hostile, hostile)
	r.listening(3, 10)
	r.socket(client, 3)
	r.connect(3)
	r.send(client, 3, hostile)
	r.run.Marks = append(r.run.Marks, evidence.Mark{Time: r.tick(), Name: hostile})
	r.run.Missing = append(r.run.Missing, evidence.Missing{What: "trace", Why: hostile})
	r.run.Outcomes = []evidence.Outcome{{
		End: server, PID: 200, Command: []string{"./" + hostile, hostile}, Stdout: evidence.Bytes(hostile), Stderr: evidence.Bytes(hostile),
		Started: r.run.Started, Ended: r.tick(), ExitCode: 1, InWords: "exited with " + hostile,
	}}
	return r.done()
}
