package calltrace

import (
	"context"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// The cost of a trace, beside that of no trace and of strace on the same calls. The three take turns, so that
// other load disturbs them alike, and should be on one processor (placement alone changes a ping-pong
// fivefold):
//
//	taskset -c 0 go test -run '^$' -bench . -benchtime 5x ./harness/calltrace
//
// The times are processor time, of program and tracer together, and wall time, in ms a run.
var straceCommand = []string{
	"strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e",
	"trace=network,read,write,readv,writev,close,dup,dup2,dup3,fcntl,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait",
}

// BenchmarkPingPong exchanges 20,000 frames of 128 bytes each way between two processes: every call of it is
// traced.
func BenchmarkPingPong(b *testing.B) { benchmark(b, compiled(b, "pingpong.c"), "20000") }

// BenchmarkMixed makes 2,000,000 calls that are none of ours, and among them 2,000 sends and receives and
// 200 cycles of connect, accept and close.
func BenchmarkMixed(b *testing.B) { benchmark(b, compiled(b, "mixed.c"), "2000000", "2000", "200") }

// BenchmarkStart runs a program that does nothing.
func BenchmarkStart(b *testing.B) { benchmark(b, compiled(b, "nothing.c", "-static")) }

func benchmark(b *testing.B, path string, args ...string) {
	if runtime.GOMAXPROCS(0) < 2 {
		// With one processor the runtime takes it from the tracer whenever a call takes longer than 20 µs.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	command := append([]string{path}, args...)
	ways := []*way{
		{name: "native", run: func() { runPlain(b, command) }},
		{name: "strace", run: func() { runPlain(b, append(slices.Clone(straceCommand), command...)) }},
		{name: "trace", run: func() { runTraced(b, command) }},
	}
	if _, err := exec.LookPath("strace"); err != nil {
		ways = slices.Delete(ways, 1, 2)
	}
	for b.Loop() {
		for _, w := range ways {
			w.measure(b)
		}
	}
	for _, w := range ways {
		b.ReportMetric(float64(w.cpu.Microseconds())/1000/float64(b.N), w.name+"-cpu-ms")
		b.ReportMetric(float64(w.wall.Microseconds())/1000/float64(b.N), w.name+"-wall-ms")
	}
	if len(ways) == 3 {
		b.ReportMetric(float64(ways[2].cpu)/float64(ways[1].cpu), "of-strace-cpu")
		b.ReportMetric(float64(ways[2].wall)/float64(ways[1].wall), "of-strace-wall")
	}
	b.ReportMetric(0, "ns/op") // of all three together: says nothing
}

// way is a way to run a program, and what that has cost so far.
type way struct {
	name      string
	run       func()
	cpu, wall time.Duration
}

func (w *way) measure(b *testing.B) {
	cpu, began := processorTime(b), time.Now()
	w.run()
	w.cpu += processorTime(b) - cpu
	w.wall += time.Since(began)
}

func runPlain(b *testing.B, command []string) {
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

func runTraced(b *testing.B, command []string) {
	trace, err := Start(context.Background(), Command{End: evidence.Server, Path: command[0], Args: command})
	if err != nil {
		b.Fatal(err)
	}
	ending, err := trace.Wait(context.Background())
	if err != nil || ending.Status != 0 || len(ending.Cut) > 0 {
		b.Fatalf("%+v, %v", ending, err)
	}
}

func processorTime(b *testing.B) time.Duration {
	var total time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if err := unix.Getrusage(who, &usage); err != nil {
			b.Fatal(err)
		}
		total += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return total
}
