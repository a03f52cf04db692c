package stage_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"tcpwitness/fixtures/reference"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/stage"
)

func TestMain(m *testing.M) {
	reference.Main()
	sandbox.EnterOrExit()
	gomega.RegisterFailHandler(func(message string, _ ...int) { panic(message) })
	os.Exit(m.Run())
}

func open(t testing.TB) *stage.Theatre {
	t.Helper()
	ability, err := sandbox.Probe(sandbox.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if !ability.Capture {
		t.Skip("no capture: " + ability.WhyNotCapture)
	}
	theatre := stage.Open(ability)
	t.Cleanup(func() { theatre.Close() })
	return theatre
}

func set(t testing.TB, theatre *stage.Theatre) *stage.Stage {
	t.Helper()
	s, err := theatre.Set(t.Context(), stage.Scene{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARunHoldsCallsAndPackets(t *testing.T) {
	theatre := open(t)
	s := set(t, theatre)
	verdict, reason := stage.Attempt(func() {
		c := s.Connection()
		if x := s.Exchange(c); !x.Whole() {
			t.Errorf("exchanged was %+v", x)
		}
		s.Settle()
	})
	if verdict != rules.Pass {
		t.Fatal(verdict, reason)
	}
	run := s.Finish(t.Context())
	if len(run.Faults) > 0 || len(run.Packets) < 5 {
		t.Errorf("%d packets, faults %v", len(run.Packets), run.Faults)
	}
	for i, p := range run.Packets {
		if p.N != i+1 {
			t.Errorf("packet %d has number %d", i+1, p.N)
		}
	}
	for _, c := range run.Calls {
		if !c.Returned() {
			t.Errorf("%s", c)
		}
	}
}

func TestHowASpecEnds(t *testing.T) {
	theatre := open(t)
	for _, one := range []struct {
		name string
		body func(s *stage.Stage)
		want rules.Verdict
	}{
		{"holds", func(*stage.Stage) {}, rules.Pass},
		{"an expectation does not hold", func(*stage.Stage) { gomega.Expect(1).To(gomega.Equal(2)) }, rules.Fail},
		{"a call that should block returns", func(s *stage.Stage) {
			c := s.Connection()
			s.Client.Closed(c.Client)
			s.Server.Receiving(c.Accepted, 1).AwaitBlocked()
		}, rules.Fail},
		{"the scene cannot be set", func(s *stage.Stage) { s.Client.Connected() }, rules.Error},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := set(t, theatre)
			verdict, reason := stage.Attempt(func() { one.body(s) })
			s.Finish(t.Context())
			if verdict != one.want {
				t.Errorf("ended as %s: %s", verdict, reason)
			}
			if verdict != rules.Pass && reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestBlockedCallsReturnWhenTheScenarioEnds(t *testing.T) {
	s := set(t, open(t))
	stage.Attempt(func() {
		c := s.Connection()
		s.Server.Receiving(c.Accepted, 1).AwaitBlocked()
		s.Server.Accepting(c.Listener).AwaitBlocked()
	})
	if run := s.Finish(t.Context()); len(run.Faults) > 0 {
		t.Error(run.Faults)
	}
}

// BenchmarkScenario is a whole scenario: sandbox and capture from the pool, an in-process connection with
// a message each way and its close, and the record in memory. It reports the medians in µs of the whole and
// of its parts.
func BenchmarkScenario(b *testing.B) {
	theatre := open(b)
	var takes, plays, ends, wholes []time.Duration
	for b.Loop() {
		began := time.Now()
		s := set(b, theatre)
		taken := time.Now()
		c := s.Connection()
		if !s.Exchange(c).Whole() {
			b.Fatal("the exchange was not whole")
		}
		s.Client.Closed(c.Client)
		s.Server.Closed(c.Accepted)
		played := time.Now()
		if run := s.Finish(b.Context()); len(run.Packets) == 0 {
			b.Fatal("nothing was captured")
		}
		takes, plays = append(takes, taken.Sub(began)), append(plays, played.Sub(taken))
		ends, wholes = append(ends, time.Since(played)), append(wholes, time.Since(began))
	}
	for _, part := range []struct {
		name  string
		times []time.Duration
	}{{"take", takes}, {"play", plays}, {"end", ends}, {"whole", wholes}} {
		slices.Sort(part.times)
		b.ReportMetric(float64(part.times[len(part.times)/2])/float64(time.Microsecond), "µs-"+part.name)
	}
}
