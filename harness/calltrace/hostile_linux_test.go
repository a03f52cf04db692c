package calltrace

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

func hostile(t testing.TB, mode string, more ...string) ran {
	t.Helper()
	return runProgram(t, compiled(t, "hostile.c"), append([]string{mode}, more...)...)
}

func TestRefusedCalls(t *testing.T) {
	want := map[string]string{"io_uring_setup": "ENOSYS", "io_setup": "ENOSYS", "userfaultfd": "ENOSYS", "ptrace": "EPERM"}
	seen := map[string]bool{}
	for _, c := range hostile(t, "refused").succeeded(t).only(evidence.OpRefused) {
		if want[c.Name] != c.Errno {
			t.Errorf("%s fails with %s", c.Name, c.Errno)
		}
		seen[c.Name] = true
	}
	if refused := hostile(t, "refused").only(evidence.OpRefused); len(seen) != len(want) || len(refused) != 6 {
		t.Errorf("recorded as refused: %v\n%s", seen, listing(refused))
	}
}

func TestForeignCallsAreRefused(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("int 0x80 and x32 are of amd64")
	}
	refused := hostile(t, "foreign").succeeded(t).only(evidence.OpRefused)
	if len(refused) != 2 || !strings.HasPrefix(refused[0].Name, "system call 102 of") || refused[1].Name != "x32 system call 41" {
		t.Errorf("refused: %v", refused)
	}
}

func TestFilterOfTheProgramsOwn(t *testing.T) {
	r := hostile(t, "ownfilter").succeeded(t)
	if c := r.one(t, evidence.OpSend); string(c.Data) != "seen" {
		t.Errorf("%+v", c)
	}
}

func TestNonsense(t *testing.T) {
	hostile(t, "badpointers").succeeded(t)
	hostile(t, "random", "1", "60").succeeded(t)
	hostile(t, "vanishing", "300").succeeded(t)
	hostile(t, "undumpable").succeeded(t)
}

func TestEndsInTheMiddleOfCalls(t *testing.T) {
	r := hostile(t, "exitincall")
	if r.ending.Status.ExitStatus() != 3 {
		t.Errorf("ended with %#x", r.ending.Status)
	}
	r = hostile(t, "deaths", "60").succeeded(t)
	if forks, exits := r.only(evidence.OpFork), r.only(evidence.OpExit); len(forks) != 60 || len(exits) != 61 {
		t.Errorf("%d forks, %d exits", len(forks), len(exits))
	}
	noneLeft(t, r.calls)
}

func TestMoreDescriptorsThanAreNoted(t *testing.T) {
	const n = 1000
	r := hostile(t, "crowd", strconv.Itoa(n)).succeeded(t)
	made := r.only(evidence.OpSocket)
	if len(made) != n+2 {
		t.Fatalf("%d sockets", len(made))
	}
	if first, last := made[2], made[len(made)-1]; len(first.After) != len(first.Before)+1 || last.Before != nil || last.After != nil || last.NewSocket == 0 {
		t.Errorf("first %+v\nlast %+v", first, last)
	}
	open := map[int]bool{}
	for _, c := range r.calls {
		if c.NewFD != nil {
			open[*c.NewFD] = true
		}
		if c.Op == evidence.OpClose && c.Errno == "" {
			delete(open, c.FD)
		}
	}
	if len(open) != 0 {
		t.Errorf("%d sockets are not recorded as closed", len(open))
	}
}

// TestListsAreBounded gives the record room for a hundred descriptor numbers.
func TestListsAreBounded(t *testing.T) {
	path := compiled(t, "mixed.c")
	r := run(t, Command{Path: path, Args: []string{path, "0", "0", "50"}, Limits: Limits{Numbers: 100}}).succeeded(t)
	kept := 0
	for _, c := range r.calls {
		kept += len(c.Before) + len(c.After) + len(c.Watched)
		if c.Op == evidence.OpConnect && (c.Before == nil) != (c.After == nil) {
			t.Errorf("%+v", c)
		}
	}
	if kept == 0 || kept > 110 || len(r.ending.Cut) != 1 {
		t.Errorf("%d numbers kept, cut: %q", kept, r.ending.Cut)
	}
}

// TestBusyThreadsDoNotStarveOthers has threads that call without end, and one that must get through.
func TestBusyThreadsDoNotStarveOthers(t *testing.T) {
	path := compiled(t, "hostile.c")
	run(t, Command{Path: path, Args: []string{path, "hogs", "6"}, Limits: Limits{Calls: 1000}}).succeeded(t)
}

// TestKilledAtAnyMoment kills a program after each of its first events.
func TestKilledAtAnyMoment(t *testing.T) {
	path := compiled(t, "pingpong.c")
	for n := range 120 {
		trace, _ := start(t, Command{Path: path, Args: []string{path, "1000000"}})
		if n > 0 {
			_, err := trace.AwaitCall(deadline(t), func(c *evidence.Call) bool { return c.N >= n })
			if err != nil {
				t.Fatal(err)
			}
		}
		trace.Kill("enough")
		ending, err := trace.Wait(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if ending.Reason != "enough" || !ending.Status.Signaled() || ending.Status.Signal() != unix.SIGKILL {
			t.Fatalf("%+v", ending)
		}
		noneLeft(t, trace.Calls())
	}
}
