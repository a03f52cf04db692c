package rules

import (
	"net/netip"
	"slices"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// The addresses of made-up records.
var (
	serverAddress = netip.MustParseAddrPort("127.77.1.2:23456")
	clientAddress = addrPort("127.88.3.4:40312")
	laterAddress  = netip.MustParseAddrPort("127.88.3.4:40313")
)

// Processes of made-up records.
const (
	programPID = 100
	harnessPID = 1
)

// tape writes a made-up record step by step, each step a microsecond after the last.
type tape struct {
	run   *evidence.Run
	now   evidence.Time
	end   string // whose calls are written; see as
	pid   int
	tid   int
	id    uint64 // the last identity of a socket
	wires map[netip.AddrPort]*conversationtest.Script
}

func newTape(script *evidence.Script) *tape {
	t := &tape{now: 1_000_000_000, id: 5000, wires: map[netip.AddrPort]*conversationtest.Script{}}
	t.run = &evidence.Run{
		Schema: evidence.Schema, Scenario: script.Role + "/" + string(script.Scene), Address: serverAddress, Script: script,
	}
	return t.as(script.Role, programPID)
}

// as changes whose calls are written.
func (t *tape) as(end string, pid int) *tape {
	t.end, t.pid, t.tid = end, pid, pid
	return t
}

// thread changes the thread.
func (t *tape) thread(tid int) *tape {
	t.tid = tid
	return t
}

func (t *tape) tick() evidence.Time {
	t.now += 1000
	return t.now
}

func (t *tape) identity() uint64 {
	t.id++
	return t.id
}

// enter writes the entry of a call and yields its number.
func (t *tape) enter(c evidence.Call) int {
	c.N = len(t.run.Calls) + 1
	c.End, c.PID, c.TID, c.Entry = t.end, t.pid, t.tid, t.tick()
	if c.Name == "" {
		c.Name = string(c.Op)
	}
	t.run.Calls = append(t.run.Calls, c)
	return c.N
}

// leave writes the return of a call.
func (t *tape) leave(n int, change func(*evidence.Call)) *evidence.Call {
	c := &t.run.Calls[n-1]
	if change != nil {
		change(c)
	}
	if c.Errno != "" {
		c.Result = -1
	}
	c.Exit = t.tick()
	return c
}

// did writes a whole call.
func (t *tape) did(c evidence.Call) *evidence.Call { return t.leave(t.enter(c), nil) }

// handle is a descriptor with what stands behind it.
type handle struct {
	fd int
	id uint64
}

// socket writes a call of socket that yields a descriptor.
func (t *tape) socket(fd, domain, typ, protocol int) handle {
	h := handle{fd, t.identity()}
	t.did(evidence.Call{Op: evidence.OpSocket, FD: -1, Domain: domain, Type: typ, Protocol: protocol, Result: fd, NewFD: &h.fd, NewSocket: h.id})
	return h
}

// on writes a call on a descriptor, which succeeds with 0 unless it says otherwise.
func (t *tape) on(h handle, c evidence.Call) *evidence.Call {
	c.FD, c.Socket = h.fd, h.id
	return t.did(c)
}

// pending writes a call that does not return, and yields its number.
func (t *tape) pending(h handle, c evidence.Call) int {
	c.FD, c.Socket, c.Blocked = h.fd, h.id, true
	return t.enter(c)
}

func at(a netip.AddrPort) evidence.Address {
	family := domainInet
	if a.Addr().Is6() {
		family = domainInet6
	}
	return evidence.Address{Family: family, AddrPort: a}
}

// accepted writes the return of an accept.
func (t *tape) accepted(n, fd int, from netip.AddrPort, before ...int) handle {
	h := handle{fd, t.identity()}
	t.leave(n, func(c *evidence.Call) {
		c.Result, c.NewFD, c.NewSocket, c.Address = fd, &h.fd, h.id, at(from)
		c.Before = before
		c.After = append(slices.Clone(before), fd)
	})
	return h
}

func (t *tape) send(h handle, data string) *evidence.Call {
	return t.on(h, evidence.Call{Op: evidence.OpSend, Length: len(data), Data: evidence.Bytes(data), Result: len(data)})
}

func (t *tape) recv(h handle, room int, data string) *evidence.Call {
	return t.on(h, evidence.Call{Op: evidence.OpRecv, Length: room, Data: evidence.Bytes(data), Result: len(data)})
}

func (t *tape) failed(h handle, op evidence.Op, errno string) *evidence.Call {
	return t.on(h, evidence.Call{Op: op, Length: 128, Errno: errno})
}

func (t *tape) close(h handle) *evidence.Call { return t.on(h, evidence.Call{Op: evidence.OpClose}) }

// exit writes the end of a process.
func (t *tape) exit(status int, signal int64) {
	t.did(evidence.Call{Op: evidence.OpExit, FD: -1, Result: status, Arg: signal})
}

// fork writes a fork.
func (t *tape) fork(child int) {
	t.did(evidence.Call{Op: evidence.OpFork, FD: -1, Child: child, Result: child})
}

// wire is the capture of one client's connection.
func (t *tape) wire(client netip.AddrPort) *conversationtest.Script {
	if t.wires[client] == nil {
		s := conversationtest.New()
		s.ClientAddress, s.ServerAddress = client, serverAddress
		t.wires[client] = s.Reset()
	}
	return t.wires[client]
}

// packet writes one packet of a client's connection.
func (t *tape) packet(client netip.AddrPort, from string, flags conversation.Flags, data string) {
	s := t.wire(client)
	s.Send(from, flags, data, func(h *conversationtest.Header) { h.Packet.Time = t.tick() })
	p := s.Packets[len(s.Packets)-1]
	p.N = len(t.run.Packets) + 1
	t.run.Packets = append(t.run.Packets, p)
}

func (t *tape) handshake(client netip.AddrPort) {
	t.packet(client, evidence.Client, conversation.SYN, "")
	t.packet(client, evidence.Server, conversation.SYN|conversation.ACK, "")
	t.packet(client, evidence.Client, conversation.ACK, "")
}

// data writes a data segment and its acknowledgement.
func (t *tape) data(client netip.AddrPort, from, data string) {
	t.packet(client, from, conversation.PSH|conversation.ACK, data)
	t.packet(client, conversation.Other(from), conversation.ACK, "")
}

func (t *tape) fin(client netip.AddrPort, from string) {
	t.packet(client, from, conversation.FIN|conversation.ACK, "")
	t.packet(client, conversation.Other(from), conversation.ACK, "")
}

func (t *tape) rst(client netip.AddrPort, from string) {
	t.packet(client, from, conversation.RST|conversation.ACK, "")
}

// sceneEnds writes the mark that ends the scene.
func (t *tape) sceneEnds() {
	t.run.Marks = append(t.run.Marks, evidence.Mark{Time: t.tick(), Name: evidence.MarkSceneEnd})
}

// outcome writes what became of the program, which ended now.
func (t *tape) outcome(o evidence.Outcome) {
	o.End = t.run.Script.Role
	if o.PID == 0 {
		o.PID = programPID
	}
	if o.Ended == 0 {
		o.Ended = t.tick()
	}
	if o.Signal != "" {
		o.ExitCode = -1
	}
	t.run.Outcomes = append(t.run.Outcomes, o)
}

// frame is a text in the notes' frame.
func frame(text string) string { return text + strings.Repeat("\x00", 128-len(text)) }

// without takes calls or packets out of a record, as where they could not be seen.
func without(run *evidence.Run, what ...string) *evidence.Run {
	if slices.Contains(what, evidence.MissingTrace) {
		run.Calls = slices.DeleteFunc(run.Calls, func(c evidence.Call) bool { return c.End == run.Script.Role })
		run.Missing = append(run.Missing, evidence.Missing{What: evidence.MissingTrace, End: run.Script.Role, Why: "ptrace is forbidden here"})
	}
	if slices.Contains(what, evidence.MissingCapture) {
		run.Packets = nil
		run.Missing = append(run.Missing, evidence.Missing{What: evidence.MissingCapture, Why: "CAP_NET_RAW is missing"})
	}
	return run
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
