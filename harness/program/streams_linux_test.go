package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.3.4.5")

func TestFeed(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, `while read line; do echo "got $line"; done; echo end`))
		for _, line := range []string{"one", "two"} {
			proc.Feed([]byte(line + "\n"))
			if err := proc.AwaitOutput(t.Context(), func(out, _ []byte) bool { return strings.HasSuffix(string(out), line+"\n") }); err != nil {
				t.Fatal(err)
			}
		}
		proc.CloseStdin()
		o := proc.Wait(t.Context())
		if string(o.Stdout) != "got one\ngot two\nend\n" || string(o.Stdin) != "one\ntwo\n" || !o.ExitedZero() {
			t.Errorf("%+v", o)
		}
	})
}

// What is fed before the end is delivered, however much it is.
func TestFeedMuch(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "wc -c"))
		for range 64 {
			proc.Feed(make([]byte, 100_000))
		}
		proc.CloseStdin()
		if o := proc.Wait(t.Context()); strings.TrimSpace(string(o.Stdout)) != "6400000" {
			t.Errorf("%s", o.Stdout)
		}
	})
}

// A program that does not read is not waited for, neither while it is fed nor at its end.
func TestFeedNobody(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "exec sleep 1000"))
		proc.Feed(make([]byte, 10_000_000))
		proc.CloseStdin()
		proc.Stop(ReasonNotNeeded)

		closes := g.start(t.Context(), shell(t, "exec 0<&-; echo closed; exec sleep 1000"))
		if err := closes.AwaitOutput(t.Context(), func(out, _ []byte) bool { return len(out) > 0 }); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			closes.Feed(make([]byte, 100_000))
		}
		closes.Stop(ReasonNotNeeded)
	})
}

func TestStdinStaysOpen(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "cat; echo end >&2"))
		awaitBlocked(t, proc)
		proc.CloseStdin()
		if o := proc.Wait(t.Context()); string(o.Stderr) != "end\n" {
			t.Errorf("%+v", o)
		}
	})
}

func TestOutputIsCut(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(shell(t, "yes | head -c 3000000; yes | head -c 2000 >&2"), func(s *Start) { s.Limits.Kept = 1000 })
		if len(o.Stdout) != 1000 || o.StdoutCut != 3_000_000-1000 || len(o.Stderr) != 1000 || o.StderrCut != 1000 || !o.ExitedZero() {
			t.Errorf("%d + %d, %d + %d, %s", len(o.Stdout), o.StdoutCut, len(o.Stderr), o.StderrCut, o.InWords)
		}
		if !bytes.HasPrefix(o.Stdout, []byte("y\ny\n")) {
			t.Errorf("%q", o.Stdout[:10])
		}
	})
}

func TestOutputWithoutEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(shell(t, "exec yes"))
		if !o.Stopped || o.StopReason != ReasonOutput || len(o.Stdout) != mib || o.StdoutCut < 63*mib || o.KilledBySignal() ||
			len(o.Limits) != 1 || o.Limits[0] != "output: more than 64 MiB printed" ||
			!strings.HasPrefix(o.InWords, "stopped by the harness at the output limit") {
			t.Errorf("%s %q %d+%d", o.InWords, o.Limits, len(o.Stdout), o.StdoutCut)
		}
	})
}

// Somebody else who has got hold of the streams delays nothing, and what was printed before is there.
func TestOutputGivenAway(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "read line; echo bye"))
		held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", proc.PID()), os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		input, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/0", proc.PID()), os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		proc.Feed(append([]byte("line\n"), make([]byte, 10_000_000)...)) // more than the pipe holds
		o := proc.Wait(t.Context())
		if string(o.Stdout) != "bye\n" || !o.ExitedZero() {
			t.Errorf("%+v", o)
		}
		held.Close()
		input.Close()
	})
}

// What stands in the pipe when the processes are gone is taken, also when nobody has read it yet.
func TestLeftInThePipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	nothing := func() {}
	s := &stream{file: r, kept: mib, limit: -1, changed: nothing, over: nothing, done: make(chan struct{})}
	close(s.done) // its goroutine was told to end before it read
	if _, err := w.WriteString("last words"); err != nil {
		t.Fatal(err)
	}
	s.finish()
	if data, cut := s.snapshot(); string(data) != "last words" || cut != 0 {
		t.Errorf("%q, %d", data, cut)
	}
}

// A grandchild that keeps the output open delays nothing.
func TestOutputKeptOpen(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "(sleep 1000 &) ; echo bye"))
		if err := proc.AwaitExit(t.Context()); err != nil {
			t.Fatal(err)
		}
		o := proc.Stop(ReasonNotNeeded)
		if o.InWords != "exited with status 0, leaving a process behind that had to be ended" || o.Survivors != 1 || !o.ExitedZero() ||
			string(o.Stdout) != "bye\n" {
			t.Errorf("%+v", o)
		}
	})
}

func TestAwaitOutputAtTheEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "echo something"))
		err := proc.AwaitOutput(t.Context(), func(out, _ []byte) bool { return strings.Contains(string(out), "else") })
		if !errors.Is(err, ErrEnded) {
			t.Errorf("%v", err)
		}
		silent := g.start(t.Context(), shell(t, "exec sleep 1000"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := silent.AwaitOutput(ctx, func(out, _ []byte) bool { return len(out) > 0 }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
