package rules

import (
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

const millisecond = 1_000_000 // ns

// gaveUpServer is a server that reads half a message, waits for the rest as it is told, and closes. The
// client sends the rest before the wait, during it or after it.
func gaveUpServer(waits func(o *office, l, h handle), rest string) *evidence.Run {
	return gaveUpServerIn(evidence.ScenePlain, waits, rest)
}

func gaveUpServerIn(scene evidence.Scene, waits func(o *office, l, h handle), rest string) *evidence.Run {
	o := open(scene)
	l := o.listens(3)
	o.on(l, evidence.Call{Op: evidence.OpSetOption, Level: levelSocket, Option: 2})
	accept := o.accepts(l)
	p := o.connect(clientAddress, false)
	h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
	p.sends(text[:5])
	o.as(evidence.Server, programPID).recv(h, 4096, text[:5])
	if rest == "before" {
		p.sends(text[5:] + "\n")
	}
	o.as(evidence.Server, programPID)
	waits(o, l, h)
	o.as(evidence.Server, programPID).close(h)
	o.fin(clientAddress, evidence.Server)
	o.accepts(l)
	if rest == "after" {
		o.as(evidence.Client, harnessPID)
		o.send(p.h, text[5:]+"\n")
	}
	o.as(evidence.Client, harnessPID).recv(p.h, 4096, "")
	p.closes()
	return o.closes()
}

// expires is a wait of 50 ms in vain.
func (t *tape) expires(c evidence.Call) {
	n := t.enter(c)
	t.now += 60 * millisecond
	t.leave(n, nil)
}

func TestProgramsThatGiveUp(t *testing.T) {
	polls := func(timeout int64) func(o *office, l, h handle) {
		return func(o *office, _, h handle) {
			o.expires(evidence.Call{Op: evidence.OpWait, Name: "poll", FD: h.fd, Watched: []int{h.fd}, Arg: timeout})
		}
	}
	receives := func(limit bool) func(o *office, l, h handle) {
		return func(o *office, _, h handle) {
			if limit {
				o.on(h, evidence.Call{Op: evidence.OpSetOption, Level: levelSocket, Option: optionReceiveTime})
			}
			o.expires(evidence.Call{Op: evidence.OpRecv, FD: h.fd, Socket: h.id, Length: 4096, Errno: "EAGAIN"})
		}
	}
	for _, c := range []struct {
		name  string
		waits func(o *office, l, h handle)
		rest  string
		want  Verdict
	}{
		{"poll, and the rest came later", polls(50), "after", Skip},
		{"poll, and all had been sent", polls(50), "before", Fail},
		{"poll that may not wait", polls(0), "after", Fail},
		{"poll that has no limit", polls(-1), "after", Fail},
		{"a time limit for recv", receives(true), "after", Skip},
		{"a time limit for recv, and all had been sent", receives(true), "before", Fail},
		{"a recv that may not wait", receives(false), "after", Fail},
		{"something came after the wait", func(o *office, l, h handle) {
			polls(50)(o, l, h)
			o.recv(h, 4096, "")
		}, "after", Fail},
		{"poll said that there is something", func(o *office, _, h handle) {
			o.expires(evidence.Call{Op: evidence.OpWait, Name: "poll", FD: h.fd, Watched: []int{h.fd}, Arg: 50, Result: 1})
		}, "after", Fail},
		{"it waits for another", func(o *office, l, h handle) {
			o.expires(evidence.Call{Op: evidence.OpWait, Name: "poll", FD: l.fd, Watched: []int{l.fd}, Arg: 50})
		}, "after", Fail},
	} {
		f := Judge(gaveUpServer(c.waits, c.rest)).Finding("server.replies")
		if f.Verdict != c.want || c.want == Skip && !strings.Contains(f.Reason, "gave up before the client had said all") {
			t.Errorf("%s: %s (%s), want %s", c.name, f.Verdict, f.Reason, c.want)
		}
	}
	// What came before the talk is judged all the same, and what is not seen is not known to have given up.
	run := gaveUpServer(polls(50), "after")
	run.Script.Connections[0].Client = clientAddress
	if f := Judge(run).Finding("server.binds-given-address"); f.Verdict != Pass {
		t.Error(f)
	}
	run.Address = laterAddress
	if f := Judge(run).Finding("server.binds-given-address"); f.Verdict != Fail {
		t.Error(f)
	}
}

// A program that goes on receiving byte by byte until an alarm or another thread ends it is not accused. One that
// takes a piece for the whole is.
func TestProgramsThatLeaveWhileTheyReceive(t *testing.T) {
	recv := func(errno string) func(o *office, l, h handle) {
		return func(o *office, _, h handle) {
			o.expires(evidence.Call{Op: evidence.OpRecv, FD: h.fd, Socket: h.id, Length: 4096, Errno: errno})
		}
	}
	waits := func(name string, timeout int64, watched ...int) func(o *office, l, h handle) {
		return func(o *office, _, _ handle) {
			o.expires(evidence.Call{Op: evidence.OpWait, Name: name, FD: 9, Watched: watched, Arg: timeout, Result: 1})
		}
	}
	both := func(all ...func(o *office, l, h handle)) func(o *office, l, h handle) {
		return func(o *office, l, h handle) {
			for _, do := range all {
				do(o, l, h)
			}
		}
	}
	pieces := func(n int) func(o *office, l, h handle) {
		return func(o *office, l, h handle) {
			for range n {
				o.recv(h, 4096, "x")
			}
		}
	}
	for _, c := range []struct {
		name string
		does func(o *office, l, h handle)
		rest string
		want Verdict
	}{
		{"it leaves with what it has", func(*office, handle, handle) {}, "after", Fail},
		{"a signal interrupts it", recv("EINTR"), "after", Skip},
		{"a signal interrupts it, and all had been sent", recv("EINTR"), "before", Fail},
		{"it does not wait", recv("EAGAIN"), "after", Fail},
		{"its runtime waits", both(recv("EAGAIN"), waits("epoll_wait", -1)), "after", Skip},
		{"its runtime only looks", both(recv("EAGAIN"), waits("epoll_wait", 0)), "after", Fail},
		{"its runtime waits, but not for more", waits("epoll_wait", -1), "after", Fail},
		{"it waits for more", waits("poll", -1, 4, 7), "after", Skip},
		{"it waits for another", waits("poll", -1, 7), "after", Fail},
		{"it has gone on for long", pieces(manyPieces), "after", Skip},
		{"it has gone on for long, until it had no room", both(pieces(manyPieces), func(o *office, _, h handle) {
			o.recv(h, 1, "x")
		}), "after", Fail},
		{"it has gone on for a little", pieces(manyPieces - 2), "after", Fail},
		{"it replies with what it has", both(recv("EINTR"), func(o *office, _, h handle) {
			o.send(h, text[:5])
		}), "after", Fail},
	} {
		run := gaveUpServerIn(evidence.SceneByteByByte, c.does, c.rest)
		if c.name == "it replies with what it has" {
			for i := range run.Calls {
				if r := &run.Calls[i]; r.Op == evidence.OpRecv && r.End == evidence.Client {
					r.Result, r.Data = 5, evidence.Bytes(text[:5])
				}
			}
		}
		f := Judge(run).Finding("server.assembles-split-message")
		if f.Verdict != c.want || c.want == Skip && !strings.Contains(f.Reason, "gone on receiving") {
			t.Errorf("%s: %s (%s), want %s", c.name, f.Verdict, f.Reason, c.want)
		}
	}
}

// A client that something ends while the reply comes byte by byte is not accused, where it had gone on receiving
// or where that is not known. One that ends well, or dies of what it did, is.
func TestClientsThatLeaveWhileTheyReceive(t *testing.T) {
	for _, c := range []struct {
		name    string
		waits   bool // receives when it ends
		outcome evidence.Outcome
		blind   bool // it is not traced
		want    Verdict
	}{
		{"timeout(1)", true, evidence.Outcome{ExitCode: 124}, false, Skip},
		{"an alarm", true, evidence.Outcome{ExitCode: -1, Signal: "SIGALRM"}, false, Skip},
		{"it does not wait for its own thread", true, evidence.Outcome{}, false, Fail},
		{"a crash", true, evidence.Outcome{ExitCode: -1, Signal: "SIGSEGV"}, false, Fail},
		{"it fails on a piece", false, evidence.Outcome{ExitCode: 1}, false, Fail},
		{"not seen", false, evidence.Outcome{ExitCode: 1}, true, Skip},
		{"not seen, and it ended well", false, evidence.Outcome{}, true, Fail},
	} {
		script := made{echo: true}.script(evidence.SceneByteByByte, text)
		script.Role, script.Lines = evidence.Client, []evidence.Line{{Text: text, Message: true}}
		o := newTape(script)
		h := o.socket(3, domainInet, typeStream, 0)
		l := o.as(evidence.Server, harnessPID).socket(20, domainInet, typeStream, 0)
		accept := o.pending(l, evidence.Call{Op: evidence.OpAccept})
		o.as(evidence.Client, programPID).on(h, evidence.Call{Op: evidence.OpConnect, Address: at(serverAddress)})
		o.handshake(clientAddress)
		a := o.as(evidence.Server, harnessPID).accepted(accept, 21, clientAddress)
		o.as(evidence.Client, programPID).send(h, text+"\n")
		o.data(clientAddress, evidence.Client, text+"\n")
		o.as(evidence.Server, harnessPID).recv(a, 4096, text+"\n")
		o.send(a, text[:1])
		o.as(evidence.Client, programPID).recv(h, 4096, text[:1])
		if c.waits {
			o.pending(h, evidence.Call{Op: evidence.OpRecv, Length: 4096})
		}
		o.exit(c.outcome.ExitCode, 0)
		o.outcome(c.outcome)
		o.fin(clientAddress, evidence.Client)
		o.as(evidence.Server, harnessPID).recv(a, 4096, "")
		o.sceneEnds()
		if c.blind {
			without(o.run, evidence.MissingTrace)
		}
		f := Judge(o.run).Finding("client.assembles-split-reply")
		if f.Verdict != c.want || c.want == Skip && !strings.Contains(f.Reason, "how long it is to wait is not judged") {
			t.Errorf("%s: %s (%s), want %s", c.name, f.Verdict, f.Reason, c.want)
		}
	}
}

// What a program had no time for is not held against it, but for what it did already, and what it tries in vain.
func TestTimeIsUp(t *testing.T) {
	busy := func(given string, does func(o *office, l handle)) *evidence.Run {
		o := open(evidence.ScenePlain)
		if given != "" {
			o.run.Address = addrPort(given)
		}
		l := o.listens(3)
		does(o, l)
		o.run.Marks = append(o.run.Marks, evidence.Mark{Time: o.tick(), Name: evidence.MarkTimeUp})
		o.sceneEnds()
		o.outcome(evidence.Outcome{ExitCode: -1, Signal: "SIGKILL", Stopped: true, StopReason: "deadline"})
		return o.run
	}
	nothing := func(*office, handle) {}
	accepts := func(times int, errno string) func(o *office, l handle) {
		return func(o *office, l handle) {
			for range times {
				o.failed(l, evidence.OpAccept, errno)
				o.socket(9, domainInet, typeStream, 0)
			}
		}
	}
	for _, c := range []struct {
		name, rule, given string
		does              func(o *office, l handle)
		want              Verdict
	}{
		{"it worked", "server.replies", "", nothing, Skip},
		{"it worked, and was bound to another address", "server.binds-given-address", "127.77.1.3:23456", nothing, Fail},
		{"it tried again and again", "server.replies", "", accepts(8, "EMFILE"), Fail},
		{"it tried a few times", "server.replies", "", accepts(7, "EMFILE"), Skip},
		{"it did much, and all of it well", "server.replies", "", accepts(8, ""), Skip},
		{"it spun, and closed", "server.replies", "", func(o *office, l handle) {
			for range evidence.SpinCalls {
				o.failed(l, evidence.OpAccept, "EMFILE")
			}
			o.on(l, evidence.Call{Op: evidence.OpGetSockName})
		}, Fail},
	} {
		f := Judge(busy(c.given, c.does)).Finding(c.rule)
		if f.Verdict != c.want || c.want == Skip && !strings.Contains(f.Reason, "still at work") {
			t.Errorf("%s: %s (%s), want %s", c.name, f.Verdict, f.Reason, c.want)
		}
	}
}

// A server may wait for clients for a time of its own and then close.
func TestServerThatClosesBeforeAClientComes(t *testing.T) {
	for want, early := range map[Verdict]bool{Skip: true, Fail: false} {
		o := open(evidence.ScenePlain)
		l := o.listens(3)
		if !early {
			o.connect(clientAddress, true) // it was there, and did not get in
		}
		o.as(evidence.Server, programPID).expires(evidence.Call{Op: evidence.OpWait, Name: "select", FD: l.fd, Watched: []int{l.fd}, Arg: 50})
		o.close(l)
		if early {
			o.connect(clientAddress, true)
		}
		run := o.closes()
		if f := Judge(run).Finding("server.replies"); f.Verdict != want {
			t.Errorf("%s (%s), want %s", f.Verdict, f.Reason, want)
		}
	}
}

// Where a message ends with the connection, its end is part of it.
func TestServerThatGivesUpBeforeTheEnd(t *testing.T) {
	for want, ends := range map[Verdict]bool{Skip: false, Fail: true} {
		o := open(evidence.ScenePlain)
		o.run.Script.Framing = evidence.Framing{Kind: evidence.FramingEnd}
		o.run.Script.Connections[0].Message = evidence.Bytes(text)
		accept := o.accepts(o.listens(3))
		p := o.connect(clientAddress, false)
		h := o.as(evidence.Server, programPID).accepted(accept, 4, clientAddress, 0, 1, 2, 3)
		p.sends(text)
		o.as(evidence.Server, programPID).recv(h, 4096, text)
		if ends {
			p.shuts()
		}
		o.as(evidence.Server, programPID).expires(evidence.Call{Op: evidence.OpWait, Name: "poll", FD: h.fd, Watched: []int{h.fd}, Arg: 50})
		o.close(h)
		if !ends {
			p.shuts()
		}
		if f := Judge(o.closes()).Finding("server.replies"); f.Verdict != want {
			t.Errorf("%s (%s), want %s", f.Verdict, f.Reason, want)
		}
	}
}

// A client that does not wait for a late reply is not accused of having printed none.
func TestClientThatGivesUp(t *testing.T) {
	for want, early := range map[Verdict]bool{Skip: false, Fail: true} {
		script := made{echo: true}.script(evidence.ScenePlain, text)
		script.Role, script.Lines = evidence.Client, []evidence.Line{{Text: text, Message: true}}
		o := newTape(script)
		h := o.socket(3, domainInet, typeStream, 0)
		l := o.as(evidence.Server, harnessPID).socket(20, domainInet, typeStream, 0)
		accept := o.pending(l, evidence.Call{Op: evidence.OpAccept})
		o.as(evidence.Client, programPID).on(h, evidence.Call{Op: evidence.OpConnect, Address: at(serverAddress)})
		o.handshake(clientAddress)
		a := o.as(evidence.Server, harnessPID).accepted(accept, 21, clientAddress)
		o.as(evidence.Client, programPID).send(h, text+"\n")
		o.data(clientAddress, evidence.Client, text+"\n")
		o.as(evidence.Server, harnessPID).recv(a, 4096, text+"\n")
		if early {
			o.send(a, text+"\n")
		}
		o.as(evidence.Client, programPID).expires(evidence.Call{Op: evidence.OpWait, Name: "select", FD: h.fd, Watched: []int{h.fd}, Arg: 50})
		o.close(h)
		o.exit(1, 0)
		o.outcome(evidence.Outcome{ExitCode: 1})
		if !early {
			o.as(evidence.Server, harnessPID).send(a, text+"\n")
		}
		o.sceneEnds()
		if f := Judge(o.run).Finding("client.prints-reply"); f.Verdict != want {
			t.Errorf("%s (%s), want %s", f.Verdict, f.Reason, want)
		}
	}
}

// A server that asks for clients without waiting may sleep in between in a way that is not seen: it is accused
// only where it ended by itself and before a client came.
func TestServerThatAsksWithoutWaiting(t *testing.T) {
	for _, c := range []struct {
		name  string
		ended evidence.Outcome
		first bool // it ended before the client came
		want  Verdict
	}{
		{"it gave up", evidence.Outcome{ExitCode: 1}, true, Fail},
		{"it was stopped", evidence.Outcome{Stopped: true, StopReason: "CPU limit", Signal: "SIGKILL"}, true, Skip},
		{"it ended later", evidence.Outcome{ExitCode: 1}, false, Skip},
	} {
		o := open(evidence.ScenePlain)
		l := o.listens(3)
		for range 3 {
			o.failed(l, evidence.OpAccept, "EAGAIN")
		}
		if c.first {
			o.outcome(c.ended)
		}
		o.connect(clientAddress, true)
		if !c.first {
			o.outcome(c.ended)
		}
		o.sceneEnds()
		if f := Judge(o.run).Finding("server.waits-for-clients"); f.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, f.Verdict, f.Reason, c.want)
		}
	}
}
