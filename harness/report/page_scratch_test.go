package report

import (
	"os"
	"testing"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

func sampleOutcome() (Outcome, map[string]*evidence.Run) {
	runs := map[string]*evidence.Run{}
	var results []Result
	add := func(run *evidence.Run, f rules.Finding) {
		runs[run.Scenario] = run
		f.Scenario = run.Scenario
		results = append(results, Result{Finding: f})
	}
	reference, wrong := referenceRun(), wrongCloseRun()
	add(wrong, rules.Finding{Rule: "server.closes-accepted", Verdict: rules.Fail, Reason: "The accepted descriptor 4 was never closed.", Expected: "close(4), or the end of the process", Seen: "close(3) = 0", Calls: []int{11, 13}})
	add(reference, rules.Finding{Rule: "server.ends-with-fin", Verdict: rules.Pass, Frames: []int{8, 9}})
	add(reference, rules.Finding{Rule: "server.call-order", Verdict: rules.Pass, Calls: []int{2, 3, 4}})
	add(reference, rules.Finding{Rule: "server.prints-message", Verdict: rules.Skip, Reason: "no output"})
	add(twoClientsRun(), rules.Finding{Rule: "server.serves-in-any-order", Verdict: rules.Pass})
	add(bulkRun(400), rules.Finding{Rule: "tcp.byte-stream-splits", Verdict: rules.Pass, Frames: []int{4, 5}})
	add(wireRun(), rules.Finding{Rule: "tcp.retransmits-lost", Verdict: rules.Pass, Frames: []int{7, 8}})
	add(refusedRun(), rules.Finding{Rule: "client.checks-connect", Verdict: rules.Pass, Calls: []int{2}})
	add(hostileRun(), rules.Finding{Rule: "server.reply-clean", Verdict: rules.Fail, Reason: hostile, Expected: hostile, Seen: hostile})
	return Outcome{
		Host: reference.Host, Target: Target{"reference", "./server" + hostile, "reference"},
		Chapters: []string{"server", "client", "tcp"}, Results: results, NotRun: "the run was interrupted",
	}, runs
}

func samplePage() Page {
	o, runs := sampleOutcome()
	return Page{Outcome: o, Level: rules.Must, Load: func(r Result) (*evidence.Run, error) { return runs[r.Scenario], nil }}
}

func TestScratchPage(t *testing.T) {
	out := os.Getenv("SCRATCH")
	if out == "" {
		t.Skip("scratch")
	}
	if err := samplePage().Write(out); err != nil {
		t.Fatal(err)
	}
}
