//go:build amd64 || arm64

package calltrace

import (
	"context"
	"testing"

	"tcpwitness/harness/evidence"
)

// Who sleeps between two tries does not spin, in whatever way it sleeps; who only gives way, or is stopped by
// the trace, does.
func TestSleepBetweenTries(t *testing.T) {
	path := compiled(t, "vain.c")
	for _, c := range []struct {
		asks, rests string
		spins       bool
	}{
		{"recv", "nothing", true}, {"recv", "yield", true}, {"recv", "signal", true}, {"poll", "nothing", true},
		{"recv", "nanosleep", false}, {"recv", "condition", false}, {"poll", "nanosleep", false},
	} {
		t.Run(c.asks+" and "+c.rests, func(t *testing.T) {
			trace, err := Start(context.Background(), Command{End: evidence.Server, Path: path, Args: []string{path, c.asks, c.rests}})
			if err != nil {
				t.Fatal(err)
			}
			if ending, err := trace.Wait(context.Background()); err != nil || ending.Status != 0 {
				t.Fatalf("%+v, %v", ending, err)
			}
			if first, n := evidence.Spin(trace.Calls()); (n > 0) != c.spins {
				t.Errorf("%d calls in a row, from %s", n, first.String())
			}
		})
	}
}
