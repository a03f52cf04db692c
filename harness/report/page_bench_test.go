package report

import (
	"fmt"
	"io"
	"testing"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// largePage has so many scenarios of so many segments each.
func largePage(scenarios, segments int) Page {
	run := bulkRun(segments)
	catalogue := rules.Catalogue()
	var results []Result
	for i := range scenarios {
		results = append(results, Result{
			Finding: rules.Finding{Rule: catalogue[i%len(catalogue)].ID, Verdict: rules.Pass, Scenario: fmt.Sprintf("scenario %d", i), Frames: []int{1, 2, 3}},
			Variant: fmt.Sprintf("variant %d", i/len(catalogue)),
		})
	}
	return Page{Outcome: Outcome{Results: results}, Load: func(Result) (*evidence.Run, error) { return run, nil }}
}

func BenchmarkPageOfAReferenceRun(b *testing.B) {
	run := referenceRun()
	page := largePage(160, 1)
	page.Load = func(Result) (*evidence.Run, error) { return run, nil }
	for b.Loop() {
		if err := page.render(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSceneOfAThousandPackets(b *testing.B) {
	page := largePage(1, 667)
	for b.Loop() {
		if err := page.render(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFailureText(b *testing.B) {
	f := Failure{Result: Result{Finding: rules.Finding{Rule: "server.closes-accepted", Verdict: rules.Fail, Calls: []int{11}}}, Run: wrongCloseRun()}
	for b.Loop() {
		_ = f.String()
	}
}
