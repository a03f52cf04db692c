package program

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"tcpwitness/harness/evidence"
)

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name    string
		program func(t *testing.T) Program
		words   string
		check   func(o *evidence.Outcome) bool
	}{
		{"zero", func(t *testing.T) Program { return shell(t, "exit 0") }, "exited with status 0",
			func(o *evidence.Outcome) bool { return o.ExitedZero() }},
		{"status", func(t *testing.T) Program { return shell(t, "exit 3") }, "exited with status 3",
			func(o *evidence.Outcome) bool { return o.ExitCode == 3 && o.EndedByItself() }},
		{"status 127", func(t *testing.T) Program { return shell(t, "exit 127") }, "exited with status 127",
			func(o *evidence.Outcome) bool { return o.ExitCode == 127 && o.StartError == "" }},
		{"status 254", func(t *testing.T) Program { return shell(t, "exit 254") }, "exited with status 254",
			func(o *evidence.Outcome) bool { return o.ExitCode == 254 && o.StartError == "" }},
		{"crash", func(t *testing.T) Program { return inC(t, "int main() { *(volatile int *)0 = 1; }") }, "killed by SIGSEGV",
			func(o *evidence.Outcome) bool { return o.Signal == "SIGSEGV" && o.KilledBySignal() && o.ExitCode == -1 }},
		{"abort", func(t *testing.T) Program { return inC(t, "int main() { abort(); }") }, "killed by SIGABRT",
			func(o *evidence.Outcome) bool { return o.KilledBySignal() }},
		{"own SIGKILL", func(t *testing.T) Program { return shell(t, "kill -KILL $$") }, "killed by SIGKILL",
			func(o *evidence.Outcome) bool { return o.KilledBySignal() && !o.Stopped }},
		{"own SIGTERM", func(t *testing.T) Program { return shell(t, "kill $$") }, "killed by SIGTERM",
			func(o *evidence.Outcome) bool { return o.KilledBySignal() && !o.Stopped }},
		{"SIGPIPE", func(t *testing.T) Program {
			return inC(t, `int main() { int s[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, s); close(s[0]); send(s[1], "x", 1, 0); return 9; }`)
		}, "killed by SIGPIPE", func(o *evidence.Outcome) bool { return o.KilledBySignal() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, g *ground) {
				o := g.run(c.program(t))
				words := c.words
				if g.trace && o.Signal == "SIGPIPE" {
					words += " while sending"
				}
				if o.InWords != words {
					t.Errorf("in words: %q, not %q", o.InWords, words)
				}
				if !c.check(o) {
					t.Errorf("outcome: %+v", o)
				}
				if o.Ended == 0 || o.Started == 0 || o.Ended < o.Started || o.PID == 0 || o.End != evidence.Server || len(o.Command) == 0 {
					t.Errorf("outcome: %+v", o)
				}
			})
		})
	}
}

func TestDeadline(t *testing.T) {
	for _, c := range []struct{ name, source, words string }{
		{"blocked in accept", `int main() {
			int s = socket(AF_UNIX, SOCK_STREAM, 0); sa_family_t f = AF_UNIX;
			bind(s, (void *)&f, sizeof f); listen(s, 1); accept(s, 0, 0); }`,
			"stopped by the harness at the deadline of 300 ms while blocked in accept"},
		{"blocked in recv", `int main() { int s[2]; char c; socketpair(AF_UNIX, SOCK_STREAM, 0, s); recv(s[0], &c, 1, 0); }`,
			"stopped by the harness at the deadline of 300 ms while blocked in recv"},
		{"busy", `int main() { for (;;); }`, "stopped by the harness at the deadline of 300 ms"},
		{"ignores SIGTERM and all else", `int main() { sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, 0);
			for (int i = 1; i < 65; i++) signal(i, SIG_IGN); for (;;) pause(); }`,
			"stopped by the harness at the deadline of 300 ms while blocked in pause"},
		{"stops itself", `int main() { raise(SIGSTOP); for (;;) raise(SIGSTOP); }`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, g *ground) {
				p := inC(t, c.source)
				// It has 300 ms in words; that it was in its call by then is seen to, whatever the machine does.
				ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(300*time.Millisecond))
				defer cancel()
				proc := g.start(context.Background(), p)
				if strings.Contains(c.words, "blocked") {
					awaitBlocked(t, proc)
				}
				o := proc.Wait(ctx)
				if c.words != "" && !strings.HasPrefix(o.InWords, "stopped by the harness at the deadline of ") ||
					c.words != "" && after(o.InWords, " while") != after(c.words, " while") {
					t.Errorf("in words: %q, not %q", o.InWords, c.words)
				}
				if !o.Stopped || o.StopReason != ReasonDeadline || o.Ended == 0 || o.EndedByItself() || o.KilledBySignal() {
					t.Errorf("outcome: %+v", o)
				}
			})
		})
	}
}

func after(s, part string) string {
	_, rest, _ := strings.Cut(s, part)
	return rest
}

// awaitBlocked waits until the program sleeps in a call.
func awaitBlocked(t *testing.T, p *Process) {
	t.Helper()
	for end := time.Now().Add(patience); blockedIn(p.PID()) == ""; {
		if time.Now().After(end) {
			t.Fatal("it does not block")
		}
	}
}

func TestDeadlineInWords(t *testing.T) {
	o := &evidence.Outcome{Stopped: true, StopReason: ReasonDeadline}
	if got := inWords(o, nil, "recv", 5*time.Second); got != "stopped by the harness at the deadline of 5 s while blocked in recv" {
		t.Error(got)
	}
	if got := seconds(1500 * time.Millisecond); got != "1.5 s" {
		t.Error(got)
	}
}

// A deadline that comes while the program is being started is a deadline all the same.
func TestDeadlineAtTheStart(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		for i := range 60 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*100*time.Microsecond)
			proc, err := shell(t, "sleep 1000").Start(ctx, Start{Trace: g.trace, Env: []string{g.marker}})
			if err == nil {
				if o := proc.Wait(context.Background()); !o.Stopped || o.StopReason != ReasonDeadline || o.KilledBySignal() {
					t.Fatalf("outcome after %d00 µs: %+v", i, o)
				}
			}
			cancel()
		}
	})
}

func TestStop(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(context.Background(), shell(t, "echo ready; sleep 1000"))
		if err := proc.AwaitOutput(t.Context(), func(out, _ []byte) bool { return string(out) == "ready\n" }); err != nil {
			t.Fatal(err)
		}
		o := proc.Stop(ReasonNotNeeded)
		if !strings.HasPrefix(o.InWords, "stopped by the harness when it was no longer needed") || !o.Stopped || o.Survivors != 0 {
			t.Errorf("outcome: %+v", o)
		}
		if again := proc.Stop("something else"); again != o || proc.Wait(t.Context()) != o {
			t.Error("the outcome changed")
		}
	})
}

// A program that ends by itself in the moment in which it was to be ended was not stopped.
func TestStoppedTooLate(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "read line; exit 3"))
		if !proc.mark(ReasonNotNeeded) {
			t.Fatal("somebody else was first")
		}
		proc.CloseStdin()
		if o := proc.Wait(t.Context()); o.InWords != "exited with status 3" || o.Stopped || o.StopReason != "" {
			t.Errorf("%+v", o)
		}
	})
}

// Interrupted runs are no deadline.
func TestInterrupted(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		ctx, cancel := context.WithCancel(context.Background())
		proc := g.start(ctx, shell(t, "sleep 1000"))
		cancel()
		if o := proc.Wait(context.Background()); o.StopReason != ReasonInterrupted || !o.Stopped {
			t.Errorf("outcome: %+v", o)
		}
	})
}

// The harness's own binary can play a part.
func TestRoleOfTheHarness(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		o := g.run(Program{Path: self, Args: []string{"{ip}", "{port}"}}.With("TCPWITNESS_TEST_ROLE=report"), func(s *Start) {
			s.IP, s.Port = loopback, 4711
		})
		if string(o.Stdout) != "played by [127.3.4.5 4711]\n" || !o.ExitedZero() {
			t.Errorf("%s, %q", o.InWords, o.Stdout)
		}
	})
}

// Where the record has no room for all calls, it is not taken for the whole.
func TestMoreCallsThanAreRecorded(t *testing.T) {
	g := newGround(t, true)
	loop := inC(t, `int main() { for (int i = 0; i < 1000; i++) listen(-1, 0); }`)
	proc := g.start(t.Context(), loop, func(s *Start) { s.Limits.Calls = 900 })
	if traced, _ := proc.Traced(); !traced {
		t.Skip("not traced")
	}
	o := proc.Wait(t.Context())
	traced, why := proc.Traced()
	if traced || !o.ExitedZero() || !strings.HasPrefix(why, "the record of its calls is not complete: it leaves out the last 10") {
		t.Errorf("%v, %q, %s", traced, why, o.InWords)
	}
}
