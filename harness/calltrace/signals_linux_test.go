package calltrace

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// signalled runs a mode of signals.c. Whenever a call is blocked, or the program is stopped, the next signal
// is sent, until there is none left. A negative one goes to the first thread alone.
func signalled(t testing.TB, mode string, signals ...unix.Signal) ran {
	t.Helper()
	path := compiled(t, "signals.c")
	trace, output := start(t, Command{Path: path, Args: []string{path, mode}})
	blocked := func(calls []evidence.Call) bool {
		last := -1
		for j, c := range calls {
			if c.Op == evidence.OpRecv || c.Op == evidence.OpWait {
				last = j
			}
		}
		return last >= 0 && calls[last].Blocked && !calls[last].Returned()
	}
	stopped := false
	for _, s := range signals {
		if !stopped {
			if err := trace.Await(deadline(t), blocked); err != nil {
				t.Fatalf("%v\n%s", err, listing(trace.Calls()))
			}
		}
		send := func() error { return unix.Kill(trace.PID(), s) }
		if s < 0 {
			send = func() error { return unix.Tgkill(trace.PID(), trace.PID(), -s) }
		}
		if err := send(); err != nil {
			t.Fatal(err)
		}
		switch s {
		case unix.SIGSTOP:
			awaitState(t, trace.PID(), 't')
			stopped = true
		case unix.SIGCONT:
			if stopped = false; mode != "traps" { // which goes on at once
				awaitState(t, trace.PID(), 'S')
			}
		}
	}
	ending, err := trace.Wait(deadline(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(trace.Calls()))
	}
	r := ran{trace.Calls(), ending, output()}
	checkRecord(t, r.calls)
	return r
}

// awaitState waits until the first thread of a process is in a state.
func awaitState(t testing.TB, pid int, state byte) {
	t.Helper()
	ctx := deadline(t)
	var b [512]byte
	for threadState(readProc(pid, "stat", b[:])) != state {
		if ctx.Err() != nil {
			t.Fatalf("process %d does not come into state %c: %s", pid, state, b[:])
		}
	}
}

func TestSignals(t *testing.T) {
	stop, cont, usr1, usr2 := unix.SIGSTOP, unix.SIGCONT, unix.SIGUSR1, unix.SIGUSR2
	for _, test := range []struct {
		name, mode string
		signals    []unix.Signal
		want       []string // receives, waits and what handlers send, in the order of entry
	}{
		{"handler", "eintr", []unix.Signal{usr1}, []string{"recvfrom EINTR", "write", "recvfrom"}},
		{"restarting handler", "restart", []unix.Signal{usr1}, []string{"recvfrom", "write"}},
		{"handler on another stack", "altstack", []unix.Signal{usr1}, []string{"recvfrom", "write"}},
		{"ignored signals", "ignored", []unix.Signal{usr1, usr1, usr1, usr2}, []string{"recvfrom", "write"}},
		{"ignored by default", "restart", []unix.Signal{unix.SIGWINCH, unix.SIGURG, unix.SIGCHLD, usr1}, []string{"recvfrom", "write"}},
		{"stopped and continued", "restart", []unix.Signal{stop, cont, stop, cont, usr1}, []string{"recvfrom", "write"}},
		{"stopped and killed by a handler's jump", "jump", []unix.Signal{stop, cont, usr1}, []string{"recvfrom EINTR", "sendto", "recvfrom"}},
		{"jump", "jump", []unix.Signal{usr1}, []string{"recvfrom EINTR", "sendto", "recvfrom"}},
		{"poll", "poll", []unix.Signal{usr1}, []string{"poll EINTR"}},
		{"poll stopped and continued", "polls", []unix.Signal{stop, cont, stop, cont, usr1}, []string{"poll EINTR", "write", "poll"}},
		{"signal with a value", "info", nil, []string{"write", "recvfrom"}},
		{"SIGTRAP of its own", "traps", []unix.Signal{unix.SIGTRAP}, []string{"recvfrom", "write"}},
		{"SIGTRAP right behind another signal", "traps", []unix.Signal{stop, -unix.SIGWINCH, unix.SIGTRAP, cont}, []string{"recvfrom", "write"}},
		{"the same call in the handler", "same", []unix.Signal{usr1}, []string{"recvfrom", "write", "recvfrom"}},
		{"signal to a thread in no call", "thread", []unix.Signal{usr1}, []string{"recvfrom", "write"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := signalled(t, test.mode, test.signals...).succeeded(t)
			var got []string
			for _, c := range r.calls {
				if c.Op != evidence.OpRecv && c.Op != evidence.OpSend && c.Op != evidence.OpWait {
					continue
				}
				if c.Name == "ppoll" {
					c.Name = "poll"
				}
				line := c.Name
				if c.Errno != "" {
					line += " " + c.Errno
				}
				if !c.Returned() {
					line += " ?"
				}
				got = append(got, line)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q\n%s", got, test.want, listing(r.calls))
			}
			if received := r.only(evidence.OpRecv); test.mode == "same" && received[0].Exit < received[1].Exit {
				t.Errorf("the handler's call was taken for the interrupted one\n%s", listing(r.calls))
			}
		})
	}
}

func TestJobControl(t *testing.T) { runProgram(t, compiled(t, "signals.c"), "jobs").succeeded(t) }

func TestDeathsBySignal(t *testing.T) {
	for mode, want := range map[string]struct {
		signal unix.Signal
		last   string
	}{
		"segv":       {unix.SIGSEGV, `sendto(3, "before", 6, 0) = 6`},
		"pipe":       {unix.SIGPIPE, `sendto(3, "broken", 6, 0) = -1 EPIPE`},
		"pipethread": {unix.SIGPIPE, `sendto(3, "broken", 6, 0) = -1 EPIPE`},
		"abort":      {unix.SIGABRT, `recvfrom(3, …, 1, MSG_DONTWAIT) = -1 EAGAIN`},
	} {
		t.Run(mode, func(t *testing.T) {
			r := runProgram(t, compiled(t, "signals.c"), mode)
			if !r.ending.Status.Signaled() || r.ending.Status.Signal() != want.signal {
				t.Errorf("ended with %#x, want %v", r.ending.Status, want.signal)
			}
			if r.ending.Last == nil || r.ending.Last.String() != want.last {
				t.Errorf("last call %v, want %s", r.ending.Last, want.last)
			}
			if exit := r.one(t, evidence.OpExit); exit.Arg != int64(want.signal) {
				t.Errorf("%+v", exit)
			}
		})
	}
}

func TestKilledInACall(t *testing.T) {
	r := signalled(t, "restart", unix.SIGKILL)
	if r.ending.Last == nil || r.ending.Last.Op != evidence.OpRecv || r.ending.Last.Returned() || !r.ending.Last.Blocked {
		t.Errorf("last call: %v", r.ending.Last)
	}
}
