package rules

import (
	"testing"

	"tcpwitness/harness/evidence"
)

// BenchmarkJudgePlain judges a server's plain exchange by every rule.
func BenchmarkJudgePlain(b *testing.B) {
	run := made{polls: true, pieces: ones(128)}.plain()
	b.ReportAllocs()
	for b.Loop() {
		Judge(run).Findings()
	}
}

// BenchmarkJudgeSpin judges a server that called recv 200,000 times in vain.
func BenchmarkJudgeSpin(b *testing.B) {
	run := made{loops: true}.badClient(evidence.SceneSilent)
	last := run.Calls[len(run.Calls)-2]
	for range 200_000 {
		last.N++
		last.Entry, last.Exit = last.Entry+1, last.Exit+1
		run.Calls = append(run.Calls, last)
	}
	for b.Loop() {
		Judge(run).Findings()
	}
}
