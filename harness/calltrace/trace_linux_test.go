package calltrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

func TestProgramsThatCannotStart(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(folder, "empty")
	if err := os.WriteFile(empty, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		cmd  Command
		want error
	}{
		"missing":        {Command{Path: filepath.Join(folder, "missing")}, syscall.ENOENT},
		"folder":         {Command{Path: folder}, syscall.EACCES},
		"not executable": {Command{Path: plain}, syscall.EACCES},
		"bad script":     {Command{Path: script}, syscall.ENOENT},
		"no format":      {Command{Path: empty}, syscall.ENOEXEC},
		"no folder":      {Command{Path: "/bin/true", Dir: filepath.Join(folder, "missing")}, syscall.ENOENT},
		"enter":          {Command{Path: "/bin/true", Enter: func() error { return broken }}, broken},
		"started":        {Command{Path: "/bin/true", Started: func(int) error { return broken }}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(deadline(t), test.cmd)
			if !errors.Is(err, test.want) || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.cmd.Path) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Start(ctx, Command{Path: "/bin/true"}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestProbe(t *testing.T) {
	if err := Probe(); err != nil {
		t.Error(err)
	}
}

// TestSurroundings looks at what a program finds around it.
func TestSurroundings(t *testing.T) {
	inherited, err := unix.Dup(1) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	folder := t.TempDir()
	var started int
	r := run(t, Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", `echo "$0 $1 $KEY $(pwd) $(ulimit -n)"; ls /proc/self/fd; cat /proc/self/status; cat`, "zero", "one"},
		Env: []string{"KEY=value", "PATH=/bin:/usr/bin"}, Dir: folder,
		Started: func(pid int) error {
			started = pid
			return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 321, Max: 321}, nil)
		},
	}).succeeded(t)
	if first, _, _ := strings.Cut(r.stdout, "\n"); first != "sh one value "+folder+" 321" && first != "zero one value "+folder+" 321" {
		t.Errorf("%q", first)
	}
	if started != r.ending.PID {
		t.Errorf("started %d, process %d", started, r.ending.PID)
	}
	_, rest, _ := strings.Cut(r.stdout, "\n")
	open, status, _ := strings.Cut(rest, "Name:")
	if open != "0\n1\n2\n3\n" { // 3 is the folder that is listed
		t.Errorf("open descriptors: %q", open)
	}
	for _, line := range []string{"SigBlk:", "SigIgn:", "SigCgt:"} {
		if line += "\t0000000000000000\n"; !strings.Contains(status, line) {
			t.Errorf("no %q in\n%s", line, status)
		}
	}
}

// TestUntouched has a program look at its registers and at the memory below its stack before anything else.
func TestUntouched(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the program is in the assembly of amd64")
	}
	runProgram(t, compiled(t, "untouched.c", "-nostdlib", "-static")).succeeded(t)
}

func TestProcessorTime(t *testing.T) {
	r := run(t, Command{Path: "/bin/sh", Args: []string{"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"}})
	if wall := r.ending.Ended.Sub(r.ending.Started); r.ending.CPU < time.Millisecond || r.ending.CPU > 4*wall {
		t.Errorf("processor time %v in %v", r.ending.CPU, wall)
	}
	if r.ending.Status.ExitStatus() != 3 || r.ending.Processes != 1 || r.ending.Survivors != 0 {
		t.Errorf("%+v", r.ending)
	}
	trace, _ := start(t, Command{Path: "/bin/sh", Args: []string{"sh", "-c", "while :; do :; done"}})
	for ctx := deadline(t); trace.CPU() < 10*time.Millisecond; {
		if ctx.Err() != nil {
			t.Fatalf("processor time of a busy process: %v", trace.CPU())
		}
	}
	trace.Kill("done")
	if ending, err := trace.Wait(deadline(t)); err != nil || ending.CPU < 10*time.Millisecond || trace.CPU() != 0 {
		t.Errorf("%+v, %v, left %v", ending, err, trace.CPU())
	}
	if r := signalled(t, "restart", unix.SIGKILL); r.ending.CPU <= 0 {
		t.Errorf("processor time of a killed process: %v", r.ending.CPU)
	}
}

func TestOwnThreadIsNotTheMainOne(t *testing.T) {
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			done := make(chan bool)
			go onOwnThread(func() { done <- unix.Gettid() == unix.Getpid() })
			if <-done {
				t.Error("on the main thread")
			}
		})
	}
	all.Wait()
}

// TestThreadsWithChildren looks for the thread on which other code has started a process.
func TestThreadsWithChildren(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() == unix.Getpid() {
		t.Skip("on the main thread, which may have any children")
	}
	command := exec.Command("/bin/sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if !hasChildren() {
		t.Error("the child is not seen")
	}
	mine, tracers := unix.Gettid(), 0
	if onOwnThread(func() { tracers = unix.Gettid() }); tracers == mine {
		t.Error("a tracer would run on the thread with the child")
	}
	command.Process.Kill()
	if command.Wait(); hasChildren() {
		t.Error("a child is left")
	}
}

func TestAwait(t *testing.T) {
	path := compiled(t, "signals.c")
	trace, _ := start(t, Command{Path: path, Args: []string{path, "eintr"}})
	made, err := trace.AwaitCall(deadline(t), func(c *evidence.Call) bool { return c.Op == evidence.OpSocket && c.Returned() })
	if err != nil || made.NewFD == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	if again, err := trace.AwaitCall(deadline(t), func(c *evidence.Call) bool { return c.N == made.N }); err != nil || again.N != made.N {
		t.Fatalf("a call that was made before: %+v, %v", again, err)
	}
	blocked := func(calls []evidence.Call) bool {
		last := calls[len(calls)-1]
		return last.Op == evidence.OpRecv && last.Blocked
	}
	if err := trace.Await(deadline(t), blocked); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := trace.Await(ctx, func([]evidence.Call) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("await without end: %v", err)
	}
	if _, err := trace.AwaitCall(ctx, func(*evidence.Call) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("await without end: %v", err)
	}
	if _, err := trace.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait without end: %v", err)
	}
	if calls := trace.Calls(); calls[len(calls)-1].Returned() || !calls[len(calls)-1].Blocked {
		t.Errorf("%s", listing(calls))
	}
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			if err := trace.Await(deadline(t), func([]evidence.Call) bool { return false }); !errors.Is(err, ErrEnded) {
				t.Errorf("await what does not come: %v", err)
			}
		})
		waiting.Go(func() {
			if _, err := trace.AwaitCall(deadline(t), func(*evidence.Call) bool { return false }); !errors.Is(err, ErrEnded) {
				t.Errorf("await what does not come: %v", err)
			}
		})
	}
	trace.Kill("no longer needed")
	trace.Kill("again")
	waiting.Wait()
	if ending, err := trace.Wait(deadline(t)); err != nil || ending.Reason != "no longer needed" {
		t.Errorf("%+v, %v", ending, err)
	}
	<-trace.Ended()
}

func TestContextEndsTheProgram(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	trace, err := Start(ctx, Command{End: evidence.Client, Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	cancel(errors.New("deadline of the scenario"))
	ending, err := trace.Wait(deadline(t))
	if err != nil || ending.Reason != "deadline of the scenario" || ending.Status.Signal() != unix.SIGKILL {
		t.Errorf("%+v, %v", ending, err)
	}
}

// TestAlteredSends cuts sends short, by argument and in memory, and demands that the program is otherwise
// undisturbed.
func TestAlteredSends(t *testing.T) {
	path := compiled(t, "pieces.c")
	cuts := 0
	r := run(t, Command{Path: path, Alter: func(c *evidence.Call, to func() evidence.Address) int {
		if c.Op != evidence.OpSend || c.Length != len(c.Data) {
			t.Errorf("asked about %s", c)
		}
		if c.Length < 100 {
			return 0
		}
		cuts++
		return 7
	}}).succeeded(t)
	sends := r.only(evidence.OpSend)
	total := 0
	for _, c := range sends {
		total += c.Result
		if c.Altered != "" && (c.Result != 7 || len(c.Data) != 7 || c.Altered != fmt.Sprintf("length cut from %d to 7", c.Length)) {
			t.Errorf("%s: %+v", c, c)
		}
	}
	if cuts < 20 || total != 4*128 {
		t.Errorf("%d cuts, %d bytes\n%s", cuts, total, listing(r.calls))
	}
}

// TestFaultOfTheTracer has the tracer panic in the middle of a trace.
func TestFaultOfTheTracer(t *testing.T) {
	stops := 0
	path := compiled(t, "pingpong.c")
	trace, err := Start(deadline(t), Command{End: evidence.Server, Path: path, Args: []string{path, "1000000"}, Pace: func() {
		if stops++; stops == 500 {
			panic("fault")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ending, err := trace.Wait(deadline(t))
	if err == nil || !strings.Contains(err.Error(), "fault") || ending.Reason == "" {
		t.Errorf("%+v, %v", ending, err)
	}
	<-trace.Ended()
	noneLeft(t, trace.Calls())
}

func TestLimitsOfTheRecord(t *testing.T) {
	path := compiled(t, "pingpong.c")
	r := run(t, Command{Path: path, Args: []string{path, "500"}, Limits: Limits{Calls: 100, Data: 16, TotalData: 400}}).succeeded(t)
	if len(r.calls) != 100 || len(r.ending.Cut) != 2 {
		t.Errorf("%d calls, cut %q", len(r.calls), r.ending.Cut)
	}
	kept := 0
	for _, c := range r.calls {
		kept += len(c.Data)
		if len(c.Data) > 16 {
			t.Errorf("call %d keeps %d bytes", c.N, len(c.Data))
		}
	}
	if kept > 400 {
		t.Errorf("%d bytes kept", kept)
	}
}

// TestManyTraces runs traces side by side, and other children beside them that are waited for as usual.
func TestManyTraces(t *testing.T) {
	path := compiled(t, "pingpong.c")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				r := run(t, Command{Path: path, Args: []string{path, "20"}}).succeeded(t)
				if n := len(r.only(evidence.OpSend)); n != 40 {
					t.Errorf("%d sends", n)
				}
			}
		})
		all.Go(func() {
			for i := range 20 {
				err := exec.Command("/bin/sh", "-c", fmt.Sprintf("exit %d", i)).Run()
				var exit *exec.ExitError
				if i > 0 && (!errors.As(err, &exit) || exit.ExitCode() != i) || i == 0 && err != nil {
					t.Errorf("child %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
}

// TestExactCounts runs the same program over and over.
func TestExactCounts(t *testing.T) {
	times := 1000
	if testing.Short() {
		times = 50
	}
	path := compiled(t, "mixed.c")
	for i := range times {
		r := run(t, Command{Path: path, Args: []string{path, "40", "16", "4"}}).succeeded(t)
		want := map[evidence.Op]int{
			evidence.OpExec: 1, evidence.OpSocket: 5, evidence.OpBind: 1, evidence.OpListen: 1, evidence.OpGetSockName: 1,
			evidence.OpConnect: 4, evidence.OpAccept: 4, evidence.OpSend: 8, evidence.OpRecv: 8, evidence.OpClose: 9, evidence.OpExit: 1,
		}
		got := map[evidence.Op]int{}
		for _, c := range r.calls {
			got[c.Op]++
			if !c.Succeeded() {
				t.Errorf("%s", c)
			}
		}
		for op, n := range want {
			if got[op] != n || len(got) != len(want) {
				t.Fatalf("run %d: %v, want %v\n%s", i, got, want, listing(r.calls))
			}
		}
	}
}
