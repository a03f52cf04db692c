package calltrace

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

func lives(t testing.TB, mode string, more ...string) ran {
	t.Helper()
	return runProgram(t, compiled(t, "lives.c"), append([]string{mode}, more...)...)
}

// TestInheritance follows one socket into other processes by each way that there is, and demands that it
// keeps its identity. Each entry says what happens to the socket or sockets, as "NAME of FD" lines.
func TestInheritance(t *testing.T) {
	for mode, want := range map[string][]string{
		"forks":    {"fork", "shutdown A", "close A", "exit", "close A", "exit"},
		"vforks":   {"vfork", "execve", "exec A", "shutdown B", "exit", "exit"},
		"shared":   {"fork", "exit", "close A", "exit"},
		"rights":   {"recvmsg C", "shutdown C", "close C", "exit"},
		"getfd":    {"pidfd_getfd A", "close A", "shutdown A", "close A", "exit"},
		"replaces": {"dup2 A", "close A", "execve", "read A", "exit"},
		"unshares": {"close A", "shutdown A", "close A", "exit"},
	} {
		t.Run(mode, func(t *testing.T) {
			r := lives(t, mode).succeeded(t)
			letters := map[uint64]string{}
			var got []string
			for _, c := range r.calls {
				if c.Op == evidence.OpSocket {
					letters[c.NewSocket] = string(rune('A' + len(letters)))
					continue
				}
				line := c.Name
				if letter := letters[max(c.Socket, c.NewSocket)]; letter != "" {
					line += " " + letter
				}
				if c.Op == evidence.OpDup {
					line = c.Name + " " + letters[c.NewSocket]
				}
				got = append(got, line)
			}
			if got = got[1:]; mode == "rights" { // only what the receiver does with the socket
				i := slices.IndexFunc(r.calls, func(c evidence.Call) bool { return c.Op == evidence.OpDup })
				if i < 0 {
					t.Fatalf("no descriptor received\n%s", listing(r.calls))
				}
				got = got[len(got)-4:]
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q\n%s", got, want, listing(r.calls))
			}
		})
	}
}

func TestSharedTableIsSaid(t *testing.T) {
	if fork := lives(t, "shared").succeeded(t).one(t, evidence.OpFork); !fork.SharesFiles {
		t.Errorf("%+v does not say that the descriptors are shared", fork)
	}
	if fork := lives(t, "forks").succeeded(t).one(t, evidence.OpFork); fork.SharesFiles {
		t.Errorf("%+v says that the descriptors are shared", fork)
	}
}

// TestUntracedChild has a program ask for a child that nobody traces.
func TestUntracedChild(t *testing.T) {
	r := lives(t, "untraced").succeeded(t)
	fork := r.one(t, evidence.OpFork)
	if made := r.one(t, evidence.OpSocket); made.PID != fork.Child {
		t.Errorf("the child's socket is not recorded\n%s", listing(r.calls))
	}
	r = lives(t, "untraced3").succeeded(t)
	if c := r.one(t, evidence.OpRefused); c.Name != "clone3" || c.Errno != "ENOSYS" {
		t.Errorf("refused: %+v", c)
	}
}

// TestAdoptedChild has a program make a child whose parent it is not.
func TestAdoptedChild(t *testing.T) {
	for range 30 {
		r := lives(t, "adopted").succeeded(t)
		fork := r.one(t, evidence.OpFork)
		if made := r.one(t, evidence.OpSocket); made.PID != fork.Child || fork.PID != r.ending.PID || r.ending.Processes != 2 {
			t.Fatalf("%s", listing(r.calls))
		}
	}
}

func TestDaemonIsFollowed(t *testing.T) {
	trace, _ := start(t, Command{Path: compiled(t, "lives.c"), Args: []string{"lives", "daemonise"}})
	if first := trace.First(); first.PID != 0 && !isClosed(trace.Ended()) {
		t.Errorf("before its end: %+v", first)
	}
	<-trace.Ended()
	first := trace.First()
	ending, err := trace.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if first.PID != trace.PID() || first.Ended == 0 || first.Ended != ending.Ended || first.CPU != ending.CPU {
		t.Errorf("first %+v, in the end %+v", first, ending)
	}
	r := ran{calls: trace.Calls(), ending: ending}
	if made := r.one(t, evidence.OpSocket); made.PID == ending.PID {
		t.Errorf("the grandchild's socket is not recorded\n%s", listing(r.calls))
	}
	if ending.Survivors != 1 || ending.Processes != 3 {
		t.Errorf("%d survivors of %d processes, want 1 of 3", ending.Survivors, ending.Processes)
	}
	noneLeft(t, r.calls)
}

func TestExecFromAnotherThread(t *testing.T) {
	r := lives(t, "execthread").succeeded(t)
	for _, c := range r.calls {
		if c.PID != r.ending.PID {
			t.Errorf("call %d is one of process %d", c.N, c.PID)
		}
	}
	last := r.one(t, evidence.OpShutdown)
	if made := r.only(evidence.OpSocket); last.Socket != made[1].NewSocket || last.TID != r.ending.PID {
		t.Errorf("after exec: %+v", last)
	}
	if closed := r.one(t, evidence.OpClose); closed.Name != "exec" || closed.FD != 3 {
		t.Errorf("closed by exec: %+v", closed)
	}
	if exit := r.one(t, evidence.OpExit); exit.Entry >= exit.Exit || r.ending.CPU == 0 {
		t.Errorf("the last thread is not counted as such: %+v, processor time %v", exit, r.ending.CPU)
	}
}

func TestFirstThreadEndsBeforeTheOthers(t *testing.T) {
	r := lives(t, "leaderfirst")
	if !r.ending.Status.Exited() || r.ending.Status.ExitStatus() != 7 {
		t.Errorf("ended with %#x", r.ending.Status)
	}
	made := r.one(t, evidence.OpSocket)
	if made.NewSocket == 0 || made.TID == made.PID || len(made.Before) != 3 {
		t.Errorf("%+v", made)
	}
	if exit := r.one(t, evidence.OpExit); exit.Result != 7 {
		t.Errorf("%+v", exit)
	}
}

func TestManyThreads(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 2000
	r := lives(t, "threads", "2000").succeeded(t)
	if made, closed := r.only(evidence.OpSocket), r.only(evidence.OpClose); len(made) != n || len(closed) != n {
		t.Errorf("%d sockets, %d closes, want %d of each", len(made), len(closed), n)
	}
	if r.ending.Processes != 1 {
		t.Errorf("%d processes", r.ending.Processes)
	}
}

func TestManyProcesses(t *testing.T) {
	const n = 300
	r := lives(t, "storm", "300").succeeded(t)
	if forks, exits, made := r.only(evidence.OpFork), r.only(evidence.OpExit), r.only(evidence.OpSocket); len(forks) != n || len(exits) != n+1 || len(made) != n {
		t.Errorf("%d forks, %d exits, %d sockets, want %d", len(forks), len(exits), len(made), n)
	}
	noneLeft(t, r.calls)
}

// TestForksWithoutEnd bounds the number of threads.
func TestForksWithoutEnd(t *testing.T) {
	trace, _ := start(t, Command{Path: compiled(t, "lives.c"), Args: []string{"lives", "bomb"}, Limits: Limits{Threads: 200}})
	ending, err := trace.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if !ending.Status.Signaled() || ending.Status.Signal() != unix.SIGKILL || len(ending.Cut) != 1 || ending.Reason == "" {
		t.Errorf("%+v", ending)
	}
	noneLeft(t, trace.Calls())
}

// TestThreadsAreNotBlamedForEachOther has many threads make and close descriptors at the same time. None of
// them may seem to have got a descriptor that was open, or to have opened one by a connect.
func TestThreadsAreNotBlamedForEachOther(t *testing.T) {
	const rounds = 100
	r := runProgram(t, compiled(t, "pool.c"), "100").succeeded(t)
	count := map[evidence.Op]int{}
	for _, c := range r.calls {
		count[c.Op]++
		switch fresh := c.New(); {
		case c.Op == evidence.OpConnect && (c.Before == nil || len(fresh) != 0):
			t.Errorf("%s: open before %v, after %v", c, c.Before, c.After)
		case (c.Op == evidence.OpAccept || c.Op == evidence.OpSocket) && (c.NewFD == nil || !slices.Equal(fresh, []int{*c.NewFD})):
			t.Errorf("%s: open before %v, after %v", c, c.Before, c.After)
		}
	}
	if count[evidence.OpAccept] != 3*rounds || count[evidence.OpConnect] != 3*rounds || count[evidence.OpClose] != 6*rounds {
		t.Errorf("%v", count)
	}
}

// TestSlowTracer runs threads under a tracer that dawdles at every stop.
func TestSlowTracer(t *testing.T) {
	path := compiled(t, "pool.c")
	stops := 0
	r := run(t, Command{Path: path, Args: []string{path, "5"}, Pace: func() {
		stops++
		for range stops % 100 {
			runtime.Gosched()
		}
	}}).succeeded(t)
	if n := len(r.only(evidence.OpAccept)); n != 15 || stops < 100 {
		t.Errorf("%d accepts, %d stops", n, stops)
	}
}

func TestScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n/bin/true | /bin/cat\nexit 4\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := runProgram(t, path)
	if r.ending.Status.ExitStatus() != 4 || r.ending.Processes != 3 || len(r.only(evidence.OpExec)) != 3 {
		t.Errorf("%+v\n%s", r.ending, listing(r.calls))
	}
}
