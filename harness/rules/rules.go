// Package rules is the catalogue of documented behaviours, and the checks that judge a program under test
// by its record.
//
// It promises no false verdicts: a check that could not see what it judges yields [Skip] with the reason, a
// fault of the harness yields [Error], and [Pass] is only said of what was seen. The tests of this module
// hold it to that with right programs in many ways of writing and with wrong ones for every rule.
package rules

import "slices"

// Level says how much a rule binds.
type Level string

// The levels, from strict to loose. A run's -level says up to which one a failure fails the run.
const (
	Must     Level = "must"     // documented in the notes
	Should   Level = "should"   // what the standards and experience add
	Platform Level = "platform" // a fact of Linux that POSIX leaves open
)

// Rule is one documented behaviour.
type Rule struct {
	ID         string   `json:"id"` // "chapter.slug", never renumbered
	Chapter    string   `json:"chapter"`
	Level      Level    `json:"level"`
	Documented bool     `json:"documented"` // D in the contract; false is X
	Sources    []string `json:"source"`     // "notes §4.4", "RFC 9293 §3.5", "POSIX", "Linux"
	Claim      string   `json:"claim"`      // one sentence
	// Note is the lecture note that a student reads when the rule fails: what it means and what usually
	// causes it, in one or two sentences.
	Note string `json:"note"`
}

// Verdict is the answer to one rule.
type Verdict string

// The verdicts.
const (
	Pass  Verdict = "pass"
	Fail  Verdict = "fail"
	Skip  Verdict = "skip"  // cannot be observed here, or does not apply; the reason says why
	Error Verdict = "error" // the harness itself failed
)

// Finding is the verdict on one rule with what it rests on.
type Finding struct {
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
	// Reason says in one sentence why; empty for a pass without anything to add.
	Reason string `json:"reason,omitempty"`
	// Expected and Seen are what a student compares, each a few lines at most; Seen is in the program's own
	// terms (`recv(4, …) = 0`).
	Expected string `json:"expected,omitempty"`
	Seen     string `json:"seen,omitempty"`
	// Scenario is the run that it rests on, Frames and Calls are numbers in that run.
	Scenario string `json:"scenario,omitempty"`
	Frames   []int  `json:"frames,omitempty"`
	Calls    []int  `json:"calls,omitempty"`
}

// Catalogue yields every rule, sorted by id.
func Catalogue() []Rule { return slices.Clone(catalogue) }

// Lookup yields the rule with that id.
func Lookup(id string) (Rule, bool) {
	for _, r := range catalogue {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// Chapters yields the names of the chapters in the order of the contract.
func Chapters() []string { return slices.Clone(chapters) }
