package report

import (
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// sampleRuns are the runs that pictures are kept of.
func sampleRuns() map[string]*evidence.Run {
	return map[string]*evidence.Run{
		"reference": referenceRun(), "wrong-close": wrongCloseRun(), "refused": refusedRun(), "two-clients": twoClientsRun(),
		"wire": wireRun(), "reordered": reorderedRun(), "forked": forkedRun(), "spins": pollingRun(1000), "bulk": bulkRun(60),
		"udp": datagramRun(), "hostile": hostileRun(),
	}
}

// sampleMarks are the verdicts that the pictures show.
func sampleMarks(name string) Marks {
	switch name {
	case "wrong-close":
		return Marks{Calls: []int{11, 13}, Broken: true}
	case "reference":
		return Marks{Frames: []int{1, 2, 3}, Calls: []int{4}}
	}
	return Marks{}
}

func sampleOutcome() (Outcome, map[string]*evidence.Run) {
	runs := map[string]*evidence.Run{}
	var results []Result
	add := func(run *evidence.Run, f rules.Finding) {
		runs[run.Scenario] = run
		f.Scenario = run.Scenario
		results = append(results, Result{Finding: f})
	}
	reference := referenceRun()
	add(wrongCloseRun(), rules.Finding{
		Rule: "server.closes-accepted", Verdict: rules.Fail, Reason: "The accepted descriptor 4 was never closed.",
		Expected: "close(4), or the end of the process", Seen: "close(3) = 0", Calls: []int{11, 13},
	})
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
