package program

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Programs that try to get away, or to take others with them.

func TestDaemon(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), inC(t, `int main() {
			if (fork()) return 0;
			setsid();
			if (fork()) return 0;
			for (int i = 0; i < 1024; i++) close(i);
			signal(SIGTERM, SIG_IGN); signal(SIGHUP, SIG_IGN); prctl(PR_SET_PDEATHSIG, 0);
			for (;;) pause(); }`))
		if err := proc.AwaitExit(t.Context()); err != nil {
			t.Fatal(err)
		}
		o := proc.Stop(ReasonNotNeeded)
		if !o.ExitedZero() || o.Survivors < 1 {
			t.Errorf("%+v", o)
		}
	})
}

// A child that outlives the first process by a moment, and prints, is waited for.
func TestLateChild(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, "(read line; echo $line) <&0 & exit 0"))
		if err := proc.AwaitExit(t.Context()); err != nil {
			t.Fatal(err)
		}
		proc.Feed([]byte("late\n"))
		if o := proc.Wait(t.Context()); o.InWords != "exited with status 0" || o.Survivors != 0 {
			t.Errorf("%+v", o)
		}
	})
}

func TestKillsEverybody(t *testing.T) {
	harness := os.Getpid()
	for script, words := range map[string]string{
		"kill -9 -1; kill -9 0":                                          "killed by SIGKILL",
		"trap '' TERM; kill -TERM 0; kill -TERM -1; exit 4":              "exited with status 4",
		"kill -STOP -1; exit 5":                                          "exited with status 5",
		fmt.Sprintf("kill -9 %d; kill -9 -%d; exit 6", harness, harness): "exited with status 6",
		"kill -9 $PPID 2>/dev/null; kill -9 1; kill -STOP $PPID; exit 7": "exited with status 7",
	} {
		t.Run(script, func(t *testing.T) {
			eachWay(t, func(t *testing.T, g *ground) {
				bystander := g.start(t.Context(), shell(t, "exec sleep 1000"))
				if o := g.run(shell(t, strings.ReplaceAll(script, "$PPID", "$(test $PPID = 0 && echo 1 || echo $PPID)"))); o.InWords != words {
					t.Errorf("%s, not %s", o.InWords, words)
				}
				if o := bystander.Stop(ReasonNotNeeded); !o.Stopped {
					t.Errorf("the other program: %s", o.InWords)
				}
			})
		})
	}
}

// bomb makes processes without end, but for the sake of the machine no more than 2000 that are there at once.
const bomb = `int main() {
	int *n = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (;;) {
		if (__sync_fetch_and_add(n, 1) >= 2000) for (;;) pause();
		if (fork() < 0) { __sync_fetch_and_sub(n, 1); usleep(1000); }
	} }`

func TestForkBomb(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		few := func(s *Start) { s.Limits.Processes = 400 }
		if !g.trace && !realRoot() {
			// An unprivileged user's is told that it can have no more, and goes on up to the deadline.
			if o := g.within(2*time.Second, inC(t, bomb), few); !o.Stopped {
				t.Errorf("%+v", o)
			}
			return
		}
		o := g.run(inC(t, bomb), few)
		if !o.Stopped || o.StopReason != ReasonProcesses || len(o.Limits) != 1 || o.Limits[0] != "processes: more than 400" {
			t.Errorf("%+v", o)
		}
	})
}

// Each process ends when it has made the next one, so that whoever looks comes too late.
func TestForkChain(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.within(500*time.Millisecond, inC(t, `int main() { for (;;) { setsid(); if (fork() > 0) _exit(0); } }`))
		if o.StartError != "" {
			t.Errorf("%+v", o)
		}
	})
}

func TestThreadBomb(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(inC(t, `void *idle(void *p) { for (;;) pause(); }
			int main() { pthread_t t; pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 65536);
			int n = 0; while (n < 3000 && !pthread_create(&t, &a, idle, 0)) n++;
			printf("%d\n", n); fflush(stdout); if (n < 3000) return 0; for (;;) pause(); }`), func(s *Start) { s.Limits.Processes = 400 })
		// Either it is told that it cannot have more, or it is ended.
		if n := strings.TrimSpace(string(o.Stdout)); n == "3000" && o.StopReason != ReasonProcesses {
			t.Errorf("%s threads, %+v", n, o)
		}
	})
}

// The program must not reach the process that keeps it, nor the harness, by debugging them.
func TestDebugsItsKeeper(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(inC(t, `#include <sys/ptrace.h>
			int main() {
			int above = getppid() ? getppid() : 1;
			int reached = !ptrace(PTRACE_ATTACH, above, 0, 0) || !ptrace(PTRACE_ATTACH, 1, 0, 0);
			kill(above, SIGSTOP); kill(1, SIGKILL); kill(above, SIGKILL); return reached; }`))
		if !o.ExitedZero() {
			t.Errorf("%+v", o)
		}
	})
}
