package stage_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/dialogue"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/stage"
)

const bindRule = "example.bind-reports-success"

// onHost has the bind example play on the machine's own loopback, where its port may be another's.
func onHost(t *testing.T) *stage.Player {
	t.Helper()
	ability, err := sandbox.Probe(sandbox.Shared)
	if err != nil {
		t.Fatal(err)
	}
	theatre := stage.Open(ability)
	t.Cleanup(func() { theatre.Close() })
	spoken, err := dialogue.Load(dialogue.Default)
	if err != nil {
		t.Fatal(err)
	}
	return &stage.Player{Theatre: theatre, Program: stage.ReferenceProgram("bind-example").Bare(), Dialogue: spoken, Role: evidence.Server, Kind: "reference"}
}

func TestPortOfAnotherProgram(t *testing.T) {
	player := onHost(t)
	listener, err := net.Listen("tcp4", "0.0.0.0:8080")
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	run := player.Play(t.Context(), evidence.SceneBindExample)
	finding := rules.Judge(run).Finding(bindRule)
	if finding.Verdict != rules.Skip || !strings.Contains(finding.Reason, "0.0.0.0:8080 is in use by another program") {
		t.Errorf("%s: %s", finding.Verdict, finding.Reason)
	}
}

func TestScenesWithTheSamePortTakeTurns(t *testing.T) {
	player := onHost(t)
	listener, err := net.Listen("tcp4", "0.0.0.0:8080")
	if err != nil {
		t.Skip(err)
	}
	listener.Close()
	var playing sync.WaitGroup
	for _, scene := range []evidence.Scene{evidence.SceneBindExample, evidence.SceneBindExampleInUse, evidence.SceneBindExample, evidence.SceneBindExampleInUse} {
		playing.Go(func() {
			run := player.Play(t.Context(), scene)
			if finding := rules.Judge(run).Finding(bindRule); finding.Verdict != rules.Pass {
				t.Errorf("%s: %s: %s", scene, finding.Verdict, finding.Reason)
			}
		})
	}
	playing.Wait()
}

// Whoever has locked the file that turns are taken by holds a scene up, and not for ever.
func TestTurnThatNeverComes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	file, err := os.Create(filepath.Join(os.TempDir(), "tcpwitness-port-8080"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	player := onHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run := player.Play(ctx, evidence.SceneBindExample)
	if len(run.Faults) != 1 || !strings.Contains(run.Faults[0], "somebody has locked") {
		t.Error(run.Faults)
	}
}
