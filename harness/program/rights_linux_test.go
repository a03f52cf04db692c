package program

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// status reads /proc/self/status of a program under test.
func (g *ground) status(change ...func(*Start)) map[string]string {
	o := g.run(Program{Path: "/bin/cat", Args: []string{"/proc/self/status"}}, change...)
	fields := map[string]string{}
	for line := range strings.Lines(string(o.Stdout)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

func TestRights(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		status := g.status()
		want := "0000000000000000"
		if realRoot() {
			want = fmt.Sprintf("%016x", uint64(keptOfRoot))
		}
		if status["CapEff"] != want || status["CapPrm"] != want {
			t.Errorf("capabilities: %s, %s, not %s", status["CapEff"], status["CapPrm"], want)
		}
		for _, none := range []string{"CapInh", "CapAmb", "SigBlk", "SigIgn"} {
			if status[none] != "0000000000000000" {
				t.Errorf("%s: %s", none, status[none])
			}
		}
		if status["NoNewPrivs"] != "1" || status["Umask"] != "0022" {
			t.Errorf("%q", status)
		}
		if uid := strconv.Itoa(os.Getuid()); strings.Fields(status["Uid"])[0] != uid {
			t.Errorf("uid %s, not %s", status["Uid"], uid)
		}
	})
}

// What the harness itself was given as ambient capabilities does not reach the program.
func TestAmbientCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("takes root")
	}
	eachWay(t, func(t *testing.T, g *ground) {
		status := g.status(func(s *Start) {
			s.Enter = func() error {
				header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
				var sets [2]unix.CapUserData
				if err := unix.Capget(&header, &sets[0]); err != nil {
					return err
				}
				sets[0].Inheritable |= 1 << unix.CAP_NET_RAW
				if err := unix.Capset(&header, &sets[0]); err != nil {
					return err
				}
				return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_RAW, 0, 0)
			}
		})
		for _, set := range []string{"CapInh", "CapAmb", "CapEff"} {
			n, err := strconv.ParseUint(status[set], 16, 64)
			if err != nil || n&(1<<unix.CAP_NET_RAW) != 0 {
				t.Errorf("%s: %s", set, status[set])
			}
		}
	})
}

// A signal that the harness ignores is not ignored in the program.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(syscall.SIGUSR2, syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGUSR2, syscall.SIGPIPE)
	eachWay(t, func(t *testing.T, g *ground) {
		if ignored := g.status()["SigIgn"]; ignored != "0000000000000000" {
			t.Errorf("ignored: %s", ignored)
		}
	})
}

// What others in the harness have open does not reach the program, marked or not.
func TestNoDescriptors(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		for range 20 {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0) // as a peer in the harness makes it
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
		}
		o := g.run(inC(t, `int main() { for (int i = 0; i < 100000; i++) if (fcntl(i, F_GETFD) >= 0) printf("%d ", i); }`))
		if string(o.Stdout) != "0 1 2 " {
			t.Errorf("open: %s", o.Stdout)
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "secret")
	t.Setenv("JAVA_HOME", "/opt/java")
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(Program{Path: "/usr/bin/env"}.With("OWN=1", "LANG=C"), func(s *Start) { s.Env = append(s.Env, "MORE=2") })
		env := map[string]string{}
		for line := range strings.Lines(string(o.Stdout)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			env[name] = value
		}
		if env["SECRET_TOKEN"] != "" || env["JAVA_HOME"] != "/opt/java" || env["OWN"] != "1" || env["LANG"] != "C" || env["MORE"] != "2" ||
			env["PATH"] != os.Getenv("PATH") || env["HOME"] == os.Getenv("HOME") || env["HOME"] != env["TMPDIR"] {
			t.Errorf("%q", env)
		}
	})
}

// Should memory run out, the harness is not the one to go.
func TestOutOfMemory(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(Program{Path: "/bin/cat", Args: []string{"/proc/self/oom_score_adj"}})
		if string(o.Stdout) != "1000\n" {
			t.Errorf("%q", o.Stdout)
		}
	})
}

// The thread on which Enter was called is not used for anything else afterwards.
func TestEnterIsOnAThreadOfItsOwn(t *testing.T) {
	if unix.Access("/proc/self/ns/net", unix.R_OK) != nil {
		t.Skip("no network namespaces")
	}
	eachWay(t, func(t *testing.T, g *ground) {
		const script = "readlink /proc/self/ns/net"
		entered := func(s *Start) { s.Enter = func() error { return unix.Unshare(unix.CLONE_NEWNET) } }
		own, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		proc, err := shell(t, script).Start(t.Context(), func() Start { s := Start{Trace: g.trace}; entered(&s); return s }())
		if err != nil {
			t.Skipf("no right to make network namespaces: %v", err)
		}
		if o := proc.Wait(t.Context()); strings.TrimSpace(string(o.Stdout)) == own {
			t.Error("the program is where the harness is")
		}
		runtime.GC()
		for _, task := range entries("/proc/self/task") {
			if at, err := os.Readlink("/proc/self/task/" + task + "/ns/net"); err == nil && at != own {
				t.Errorf("thread %s of the harness is still in %s", task, at)
			}
		}
	})
}
