package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// needUserNamespaces skips where the machine lets nobody enter one.
func needUserNamespaces(t *testing.T) {
	t.Helper()
	c := refused(program(t, "enter"))
	c.Stderr = nil
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Skip("no user namespaces here: ", err)
	}
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

func TestReexecutionMirrorsTheExitStatus(t *testing.T) {
	needUserNamespaces(t)
	if got := exitOf(t, unprivileged(t, program(t, "enter", "DO=exit 7")).Run()); got != 7 {
		t.Errorf("exit status %d, want the second self's 7", got)
	}
}

func TestReexecutionMirrorsDeathBySignal(t *testing.T) {
	needUserNamespaces(t)
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGINT, unix.SIGHUP} {
		if signal.Ignored(s) {
			continue // as under nohup: it is inherited
		}
		c := unprivileged(t, program(t, "enter", fmt.Sprint("DO=die ", int(s))))
		err := c.Run()
		if status := c.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != s {
			t.Errorf("ended with %v, want death by %v as the second self's", err, s)
		}
	}
	c := unprivileged(t, program(t, "enter", fmt.Sprint("DO=die ", int(unix.SIGSTKFLT))))
	if got, want := exitOf(t, c.Run()), 128+int(unix.SIGSTKFLT); got != want {
		t.Errorf("exit status %d, want %d", got, want)
	}
}

func TestReexecutionKeepsArgumentsAndFiles(t *testing.T) {
	needUserNamespaces(t)
	c := unprivileged(t, program(t, "enter", "DO=greet"))
	c.Args = append(c.Args, "-x", "two words")
	out, err := c.Output()
	if want := "entered greet [/proc/self/exe -x two words]\n"; err != nil || string(out) != want {
		t.Errorf("printed %q (%v), want %q", out, err, want)
	}
}

func TestAMarkThatIsNotOursMeansNoReexecution(t *testing.T) {
	needUserNamespaces(t)
	c := unprivileged(t, program(t, "enter", marker+"=junk", "DO=wait"))
	if pid, _ := started(t, c); pid != c.Process.Pid {
		t.Error("there was a second self")
	}
	c.Process.Signal(unix.SIGTERM)
	if got := exitOf(t, c.Wait()); got != 42 {
		t.Errorf("exit status %d, want 42", got)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	needUserNamespaces(t)
	c := unprivileged(t, program(t, "enter", "DO=wait"))
	started(t, c)
	c.Process.Signal(unix.SIGTERM)
	if got := exitOf(t, c.Wait()); got != 42 {
		t.Errorf("exit status %d, want 42 of the second self that caught SIGTERM", got)
	}
}

func TestWhatIsIgnoredStaysIgnored(t *testing.T) {
	needUserNamespaces(t)
	if !signal.Ignored(unix.SIGHUP) {
		signal.Ignore(unix.SIGHUP)
		defer signal.Reset(unix.SIGHUP)
	}
	c := unprivileged(t, program(t, "enter", "DO=wait"))
	second, _ := started(t, c)
	c.Process.Signal(unix.SIGHUP)
	unix.Kill(second, unix.SIGHUP)
	c.Process.Signal(unix.SIGTERM)
	if got := exitOf(t, c.Wait()); got != 42 {
		t.Errorf("exit status %d, want 42 of a second self that nohup protects from SIGHUP", got)
	}
}

// started starts a program, waits until it says "ready PID", and yields that id and what it prints next.
func started(t *testing.T, c *child) (pid int, out *bufio.Reader) {
	t.Helper()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	if _, err := fmt.Sscanf(line, "ready %d", &pid); err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	return pid, out
}

func TestASignalToTheGroupArrivesOnce(t *testing.T) {
	needUserNamespaces(t)
	c := unprivileged(t, program(t, "count-interrupts"))
	c.SysProcAttr.Setpgid = true
	_, out := started(t, c)
	unix.Kill(-c.Process.Pid, unix.SIGINT)
	if line, err := out.ReadString('\n'); line != "interrupted\n" {
		t.Fatalf("read %q (%v)", line, err)
	}
	c.Process.Signal(unix.SIGTERM)
	if got := exitOf(t, c.Wait()); got != 11 {
		t.Errorf("%d interrupts arrived, want 1", got-10)
	}
}

func TestTheSecondSelfDiesWithTheFirst(t *testing.T) {
	needUserNamespaces(t)
	c := unprivileged(t, program(t, "enter", "DO=wait"))
	second, out := started(t, c)
	if second == c.Process.Pid {
		t.Fatal("there was no second self")
	}
	c.Process.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	tooLong := context.AfterFunc(ctx, func() { unix.Kill(second, unix.SIGKILL) })
	// The pipe ends when the last process that has it is gone.
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v", rest, err)
	}
	if !tooLong() {
		t.Error("the second self has outlived the first")
	}
	c.Wait()
}

func TestProgramsHaveTheUsersOwnRights(t *testing.T) {
	needUserNamespaces(t)
	out, err := unprivileged(t, program(t, "report")).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			found[strings.TrimSuffix(fields[0], ":")] = fields[1]
		}
	}
	const none = "0000000000000000"
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if found[set] != none {
			t.Errorf("a program in a sandbox has %s %s, want none", set, found[set])
		}
	}
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534
	}
	if found["uid"] != fmt.Sprint(uid) {
		t.Errorf("a program in a sandbox has user id %q, want the user's own %d", found["uid"], uid)
	}
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if found["self"] != host {
		t.Errorf("the second self's network namespace is %s, want the host's %s", found["self"], host)
	}
	if found["child"] == host || found["child"] == "" {
		t.Errorf("the program's network namespace is %q, want its own", found["child"])
	}
}

func TestRefusalsAreSaidAndNotFatal(t *testing.T) {
	needUserNamespaces(t)
	for _, tc := range []struct {
		name  string
		kinds []string
	}{
		{"neither namespace", []string{"net", "user"}},
		{"user namespaces in which nothing is allowed", []string{"net"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := refused(program(t, "enter"), tc.kinds...).Output()
			if got := exitOf(t, err); got != 9 || !strings.HasPrefix(string(out), "refused: enter a user namespace: ") {
				t.Errorf("exit status %d, printed %q, want it to go on with a reason", got, out)
			}
		})
	}
}
