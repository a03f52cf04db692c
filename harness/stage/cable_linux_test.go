package stage_test

import (
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/stage"
	"tcpwitness/harness/wire"
)

// playOnWire plays a body in a scene on a wire and yields what came of it.
func playOnWire(t *testing.T, theatre *stage.Theatre, scene stage.WireScene, body func(s *stage.Stage)) (rules.Verdict, string, *evidence.Run) {
	t.Helper()
	s, err := theatre.Set(t.Context(), stage.Scene{Name: "test", Wire: &scene})
	if err != nil {
		t.Fatal(err)
	}
	verdict, reason := stage.Attempt(func() {
		s.NeedsWire()
		body(s)
	})
	return verdict, reason, s.Finish(t.Context())
}

func exchange(s *stage.Stage) {
	s.Exchange(s.Connection())
	s.Settle()
}

func TestARunOnAWireHoldsBothSides(t *testing.T) {
	scene := stage.WireScene{Options: wire.Options{Faults: []wire.Fault{wire.Lose(wire.FirstData(wire.Client))}}}
	verdict, reason, run := playOnWire(t, open(t), scene, exchange)
	if verdict != rules.Pass || len(run.Faults) > 0 {
		t.Fatal(verdict, reason, run.Faults)
	}
	lost, sides := 0, map[string]int{}
	for _, p := range run.Packets {
		sides[run.Interfaces[p.Interface].End]++
		if p.Fate == evidence.Lost {
			lost++
		}
	}
	if lost != 1 || sides[evidence.Client] != sides[evidence.Server]+1 || len(run.Calls) == 0 {
		t.Errorf("%d packets are lost, seen by side: %v, %d calls", lost, sides, len(run.Calls))
	}
}

func TestAFaultThatNeverMatchedMakesTheRunFaulty(t *testing.T) {
	scene := stage.WireScene{Options: wire.Options{Faults: []wire.Fault{wire.Lose(wire.RST)}}}
	_, _, run := playOnWire(t, open(t), scene, exchange)
	if len(run.Faults) != 1 || !strings.Contains(run.Faults[0], "never matched") {
		t.Errorf("the run's faults are %q", run.Faults)
	}
}

func TestTheTheatreChangesTheFaults(t *testing.T) {
	theatre := open(t)
	theatre.Faults = func([]wire.Fault) []wire.Fault { return []wire.Fault{wire.Lose(wire.RST)} }
	for _, scene := range []stage.WireScene{{}, {Scripted: evidence.Client}} {
		_, _, run := playOnWire(t, theatre, scene, func(*stage.Stage) {})
		if len(run.Faults) != 1 {
			t.Errorf("the run's faults are %q", run.Faults)
		}
	}
}

func TestWithoutNamespacesThereIsNoWire(t *testing.T) {
	theatre := stage.Open(sandbox.Ability{Isolation: sandbox.Shared, WhyShared: "as asked for"})
	defer theatre.Close()
	for _, scene := range []stage.WireScene{{}, {Scripted: evidence.Client}} {
		verdict, reason, run := playOnWire(t, theatre, scene, exchange)
		if why, lacks := run.Lacks(evidence.MissingNamespace, ""); verdict != rules.Skip || !lacks || !strings.Contains(reason, why) {
			t.Errorf("ended as %s: %s; missing %v", verdict, reason, run.Missing)
		}
	}
}

// TestAConnectInSYNReceivedEnds leaves a connect where a shutdown does not wake it.
func TestAConnectInSYNReceivedEnds(t *testing.T) {
	verdict, reason, run := playOnWire(t, open(t), stage.WireScene{Scripted: evidence.Server}, func(s *stage.Stage) {
		s.Client.Connecting(s.Client.Stream(), s.ServerAddress())
		if _, err := s.Peer.Receive(t.Context(), wire.SYN); err != nil {
			t.Error(err)
		}
		s.Peer.Send(wire.SYN)
		if _, err := s.Peer.Receive(t.Context(), wire.SYN|wire.ACK); err != nil {
			t.Error(err)
		}
	})
	if verdict != rules.Pass || len(run.Faults) > 0 {
		t.Error(verdict, reason, run.Faults)
	}
	if run.EndKind(evidence.Server) != "scripted" || run.EndKind(evidence.Client) != "in-process" {
		t.Errorf("the ends are %v", run.Ends)
	}
}
