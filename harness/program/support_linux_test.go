package program

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tcpwitness/harness/evidence"
)

// patience is how long a test waits for what has to come at once. It is long because machines can be busy;
// nothing is judged by it.
const patience = 60 * time.Second

// mark is a variable in the environment of every program of a test, by which its processes are found.
const mark = "TCPWITNESS_TEST_MARK"

// ground is a place for a test's programs, which sees that they leave nothing behind.
type ground struct {
	t      *testing.T
	trace  bool
	temp   string // where working folders are made
	marker string
}

// eachWay runs a test for untraced and for traced programs.
func eachWay(t *testing.T, test func(t *testing.T, g *ground)) {
	for _, trace := range []bool{false, true} {
		name := map[bool]string{false: "untraced", true: "traced"}[trace]
		t.Run(name, func(t *testing.T) { test(t, newGround(t, trace)) })
	}
}

func newGround(t *testing.T, trace bool) *ground {
	t.Helper()
	g := &ground{t: t, trace: trace, temp: tempDir(t), marker: fmt.Sprintf("%s=%s-%d", mark, t.Name(), time.Now().UnixNano())}
	t.Setenv("TMPDIR", g.temp)
	before := openDescriptors(t)
	t.Cleanup(func() {
		if left := g.processes(); len(left) > 0 {
			t.Errorf("processes were left behind: %v", left)
		}
		if left := entries(g.temp); len(left) > 0 {
			t.Errorf("files were left behind: %v", left)
		}
		if after := openDescriptors(t); len(after) > len(before) {
			t.Errorf("descriptors before: %v\nafter: %v", before, after)
		}
		if left := zombies(); len(left) > 0 {
			t.Errorf("children were left behind: %v", left)
		}
	})
	return g
}

// tempDir is in memory where that is possible: some tests make thousands of files.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "program-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// start starts a program that must not outlive the test.
func (g *ground) start(ctx context.Context, p Program, change ...func(*Start)) *Process {
	g.t.Helper()
	s := Start{End: evidence.Server, Trace: g.trace, Env: []string{g.marker}}
	for _, c := range change {
		c(&s)
	}
	proc, err := p.Start(ctx, s)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { proc.Stop(ReasonNotNeeded) })
	if traced, why := proc.Traced(); g.trace && !traced {
		g.t.Skipf("not traced: %s", why)
	}
	return proc
}

// run runs a program to its end.
func (g *ground) run(p Program, change ...func(*Start)) *evidence.Outcome {
	g.t.Helper()
	return g.within(patience, p, change...)
}

// within runs a program to its end or to a deadline.
func (g *ground) within(d time.Duration, p Program, change ...func(*Start)) *evidence.Outcome {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	proc := g.start(ctx, p, change...)
	o := proc.Wait(context.Background())
	g.t.Logf("%s (stdout %q, stderr %q, limits %q)", o.InWords, shorten(o.Stdout), shorten(o.Stderr), o.Limits)
	return o
}

// processes finds those that carry the marker, by pid.
func (g *ground) processes() []string {
	var found []string
	for _, name := range entries("/proc") {
		env, err := os.ReadFile("/proc/" + name + "/environ")
		if err != nil || !bytes.Contains(env, []byte(g.marker)) {
			continue
		}
		command, _ := os.ReadFile("/proc/" + name + "/cmdline")
		found = append(found, name+" "+strings.ReplaceAll(string(command), "\x00", " "))
	}
	return found
}

// zombies lists this process's children, which a test that is over has none of.
func zombies() []string {
	var found []string
	for _, pid := range childrenOf(os.Getpid()) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		found = append(found, fmt.Sprintf("%d %s", pid, bytes.TrimSpace(name)))
	}
	return found
}

func entries(dir string) []string {
	list, _ := os.ReadDir(dir)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// descriptors says of each open descriptor what it is.
func openDescriptors(t *testing.T) []string {
	t.Helper()
	// The poller opens its own with the first file that needs it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.SetDeadline(time.Time{})
	r.Close()
	w.Close()
	names := entries("/proc/self/fd")
	for i, name := range names {
		target, _ := os.Readlink("/proc/self/fd/" + name)
		names[i] += "→" + target
	}
	return names
}

func shorten(b []byte) string {
	if len(b) > 300 {
		return string(b[:300]) + "…"
	}
	return string(b)
}

// shell is a program that runs a shell script.
func shell(t *testing.T, script string) Program {
	t.Helper()
	return Program{Path: "/bin/sh", Args: []string{"-c", script}}
}

var compiled struct {
	mu  sync.Mutex
	dir string
	by  map[string]string
}

// inC compiles a program in C, once for all tests.
func inC(t *testing.T, source string) Program {
	t.Helper()
	compiled.mu.Lock()
	defer compiled.mu.Unlock()
	if path, ok := compiled.by[source]; ok {
		return Program{Path: path}
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no gcc")
	}
	path := filepath.Join(compiled.dir, fmt.Sprintf("program-%d", len(compiled.by)))
	const headers = "#define _GNU_SOURCE\n#include <errno.h>\n#include <fcntl.h>\n#include <pthread.h>\n#include <signal.h>\n" +
		"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/mman.h>\n#include <sys/prctl.h>\n#include <sys/resource.h>\n" +
		"#include <sys/socket.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n#include <sys/types.h>\n#include <sys/wait.h>\n#include <unistd.h>\n"
	cmd := exec.Command(gcc, "-x", "c", "-w", "-O1", "-pthread", "-o", path, "-")
	cmd.Stdin = strings.NewReader(headers + source)
	cmd.Env = append(os.Environ(), "TMPDIR="+compiled.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	compiled.by[source] = path
	return Program{Path: path}
}

func TestMain(m *testing.M) {
	switch os.Getenv("TCPWITNESS_TEST_ROLE") {
	case "report":
		report()
		return
	case "harness":
		beHarness()
		return
	}
	settleIn()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	syscall.Umask(0o022)
	dir, err := os.MkdirTemp("", "program-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	compiled.dir, compiled.by = dir, map[string]string{}
	return m.Run()
}

// report is what this binary prints when it is run as a program under test.
func report() { fmt.Println("played by", os.Args[1:]) }
