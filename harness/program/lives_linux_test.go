package program

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Two programs at one time do not have the same process number, or what they call after it would be the same.
func TestNumbers(t *testing.T) {
	if unix.Access("/proc/sys/kernel/ns_last_pid", unix.F_OK) != nil {
		t.Skip("this kernel cannot be told")
	}
	eachWay(t, func(t *testing.T, g *ground) {
		var procs []*Process
		for range 5 {
			procs = append(procs, g.start(t.Context(), shell(t, "echo $$; read wait")))
		}
		seen := map[string]bool{}
		for _, p := range procs {
			if err := p.AwaitOutput(t.Context(), func(out, _ []byte) bool { return strings.HasSuffix(string(out), "\n") }); err != nil {
				t.Fatal(err)
			}
			seen[string(p.Stdout())] = true
		}
		if len(seen) != len(procs) {
			t.Errorf("numbers: %v", seen)
		}
	})
}

func TestMany(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				proc, err := shell(t, fmt.Sprintf("read x; echo $x; exit %d", i)).Start(t.Context(), Start{Trace: g.trace, Env: []string{g.marker}})
				if err != nil {
					t.Error(err)
					return
				}
				proc.Feed(fmt.Appendf(nil, "line %d\n", i))
				if o := proc.Wait(t.Context()); o.ExitCode != i || string(o.Stdout) != fmt.Sprintf("line %d\n", i) {
					t.Errorf("%d: %+v", i, o)
				}
			})
		}
		all.Wait()
	})
}

// When the harness is killed its programs go with it.
func TestHarnessIsKilled(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		p := inC(t, `#include <netinet/in.h>
			int main(int c, char **v) {
			struct sockaddr_in a = {AF_INET, htons(atoi(v[1])), {htonl(INADDR_LOOPBACK)}};
			int s = socket(AF_INET, SOCK_STREAM, 0);
			if (connect(s, (struct sockaddr *)&a, sizeof a)) return 1;
			if (!fork()) { setsid(); for (;;) pause(); }
			write(s, "ready\n", 6); for (;;) pause(); }`)
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		cmd := exec.Command(self, p.Path, port)
		cmd.Env = append(os.Environ(), "TCPWITNESS_TEST_ROLE=harness", "TMPDIR="+t.TempDir())
		if g.trace {
			cmd.Env = append(cmd.Env, "TCPWITNESS_TEST_TRACE=1")
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		alive, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer alive.Close()
		buf := make([]byte, 10)
		if n, err := alive.Read(buf); err != nil || string(buf[:n]) != "ready\n" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		// The end of the stream comes when the last process that has it open is gone.
		if n, err := alive.Read(buf); n != 0 {
			t.Errorf("%q, %v", buf[:n], err)
		}
	})
}

// beHarness starts a program that holds a connection open, and waits for ever.
func beHarness() {
	p := Program{Path: os.Args[1], Args: os.Args[2:]}
	proc, err := p.Start(context.Background(), Start{Trace: os.Getenv("TCPWITNESS_TEST_TRACE") != ""})
	if err != nil {
		panic(err)
	}
	proc.Wait(context.Background())
}
