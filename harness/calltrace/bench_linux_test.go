package calltrace

import (
	"context"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// The cost of a trace, beside that of no trace and of strace on the same calls. Times of one run can be
// compared when everything is on one processor (placement alone changes a ping-pong fivefold):
//
//	taskset -c 0 go test -run '^$' -bench . -benchtime 5x ./harness/calltrace
//
// cpu-ms/op is the processor time of program and tracer together, which other load disturbs least.
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
	plain := func(b *testing.B, command []string) {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	b.Run("native", func(b *testing.B) { measured(b, func() { plain(b, command) }) })
	b.Run("strace", func(b *testing.B) {
		if _, err := exec.LookPath("strace"); err != nil {
			b.Skip(err)
		}
		measured(b, func() { plain(b, append(append([]string(nil), straceCommand...), command...)) })
	})
	b.Run("calltrace", func(b *testing.B) {
		calls := 0
		measured(b, func() {
			trace, err := Start(context.Background(), Command{End: evidence.Server, Path: path, Args: command})
			if err != nil {
				b.Fatal(err)
			}
			ending, err := trace.Wait(context.Background())
			if err != nil || ending.Status != 0 {
				b.Fatalf("%+v, %v", ending, err)
			}
			calls = trace.journal.n
		})
		b.ReportMetric(float64(calls), "calls/op")
	})
}

// measured reports the processor time too.
func measured(b *testing.B, once func()) {
	before := processorTime(b)
	for b.Loop() {
		once()
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
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
