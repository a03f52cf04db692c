package program

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What a run of the smallest program costs, from start to outcome.
func BenchmarkRun(b *testing.B) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		b.Skip("there is no gcc")
	}
	path := filepath.Join(b.TempDir(), "smallest")
	cmd := exec.Command(gcc, "-x", "c", "-static", "-o", path, "-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stdin.Write([]byte("int main() { return 0; }"))
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, s Start) {
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			proc, err := Program{Path: path}.Start(b.Context(), s)
			if err != nil {
				b.Fatal(err)
			}
			if o := proc.Wait(b.Context()); !o.ExitedZero() {
				b.Fatalf("%+v", o)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-median")
		b.ReportMetric(float64(took[0].Microseconds()), "µs-least")
	}
	b.Run("bare", func(b *testing.B) { // for comparison
		for b.Loop() {
			if err := exec.Command(path).Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("untraced", func(b *testing.B) { run(b, Start{}) })
	b.Run("traced", func(b *testing.B) { run(b, Start{Trace: true}) })
}
