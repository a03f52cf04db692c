package calltrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// workshop holds the compiled programs of one test run.
var workshop struct {
	folder string
	mu     sync.Mutex
	built  map[string]error
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "calltrace-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		if err := os.Chmod(folder, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		workshop.folder, workshop.built = folder, map[string]error{}
		return m.Run()
	}())
}

// compiled is the path of a program of testdata, compiled by gcc or go once in a test run.
func compiled(t testing.TB, source string, flags ...string) string {
	t.Helper()
	name := strings.NewReplacer(".", "-", "/", "-").Replace(source) + strings.Join(flags, "")
	path := filepath.Join(workshop.folder, name)
	workshop.mu.Lock()
	defer workshop.mu.Unlock()
	err, done := workshop.built[name]
	if !done {
		err = build(source, path, flags)
		workshop.built[name] = err
	}
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build(source, path string, flags []string) error {
	command := exec.Command("gcc", append([]string{"-O1", "-Wall", "-pthread", "-o", path, filepath.Join("testdata", source)}, flags...)...)
	if strings.HasSuffix(source, ".go") {
		command = exec.Command("go", "build", "-o", path, "./testdata/"+filepath.Base(source))
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, out)
	}
	return nil
}

// ran is a traced program that has ended.
type ran struct {
	calls  []evidence.Call
	ending Ending
	stdout string
}

const patience = 5 * time.Minute // for what takes milliseconds, on a machine under any load

// deadline is the context of a test.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start traces a program with its standard output on a pipe. Its standard error is that of the test.
func start(t testing.TB, cmd Command) (*Trace, func() string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if cmd.End == "" {
		cmd.End = evidence.Server
	}
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	trace, err := Start(deadline(t), cmd)
	if err != nil {
		read.Close()
		t.Fatal(err)
	}
	output := make(chan string, 1)
	go func() {
		defer read.Close()
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := read.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				output <- all.String()
				return
			}
		}
	}()
	return trace, func() string { return <-output }
}

// run traces a program to its end.
func run(t testing.TB, cmd Command) ran {
	t.Helper()
	trace, output := start(t, cmd)
	ending, err := trace.Wait(deadline(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(trace.Calls()))
	}
	r := ran{trace.Calls(), ending, output()}
	checkRecord(t, r.calls)
	return r
}

func runProgram(t testing.TB, path string, args ...string) ran {
	t.Helper()
	return run(t, Command{Path: path, Args: append([]string{path}, args...)})
}

// succeeded demands that the program exited with status 0.
func (r ran) succeeded(t testing.TB) ran {
	t.Helper()
	if !r.ending.Status.Exited() || r.ending.Status.ExitStatus() != 0 {
		t.Fatalf("the program ended with %#x, output %q\n%s", r.ending.Status, r.stdout, listing(r.calls))
	}
	return r
}

func (r ran) only(op evidence.Op) []evidence.Call {
	var calls []evidence.Call
	for _, c := range r.calls {
		if c.Op == op {
			calls = append(calls, c)
		}
	}
	return calls
}

// one is the single call of an operation.
func (r ran) one(t testing.TB, op evidence.Op) evidence.Call {
	t.Helper()
	calls := r.only(op)
	if len(calls) != 1 {
		t.Fatalf("%d calls of %s, want one\n%s", len(calls), op, listing(r.calls))
	}
	return calls[0]
}

func listing(calls []evidence.Call) string {
	var b strings.Builder
	for i, c := range calls {
		if i == 200 {
			fmt.Fprintf(&b, "… %d more\n", len(calls)-i)
			break
		}
		fmt.Fprintf(&b, "%3d %d/%d %-8s %s", c.N, c.PID, c.TID, c.Op, c)
		if c.Socket != 0 || c.NewSocket != 0 {
			fmt.Fprintf(&b, "  socket %d, new %d", c.Socket, c.NewSocket)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// checkRecord demands what holds for every record.
func checkRecord(t testing.TB, calls []evidence.Call) {
	t.Helper()
	for i, c := range calls {
		switch {
		case c.N != i+1:
			t.Errorf("call %d has number %d", i+1, c.N)
		case c.Entry == 0 || c.Exit != 0 && c.Exit < c.Entry:
			t.Errorf("call %d: entry %d, exit %d", c.N, c.Entry, c.Exit)
		case c.PID == 0 || c.TID == 0 || c.Name == "" || c.Op == "" || c.End == "":
			t.Errorf("call %d is not whole: %+v", c.N, c)
		case c.Errno != "" && c.Result != -1:
			t.Errorf("call %d: result %d with %s", c.N, c.Result, c.Errno)
		}
	}
}

// noneLeft demands that no process of those in the record is there any more, as a process or as a zombie
// that is ours.
func noneLeft(t testing.TB, calls []evidence.Call) {
	t.Helper()
	for _, c := range calls {
		for _, pid := range []int{c.PID, c.Child} {
			if pid == 0 {
				continue
			}
			if err := unix.Kill(pid, 0); err == nil {
				if group, parent := family(pid); group == pid && parent == os.Getpid() {
					t.Errorf("process %d is still there", pid)
				}
			}
		}
	}
}
