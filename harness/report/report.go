// Package report turns findings and the runs they rest on into what people and machines read: the file
// conformance.json, the table at the end of a run, the text of a failure, the ladder and the other pictures
// of a scenario, and one HTML page with all of it.
//
// It only reads. Every picture comes from an [evidence.Run] alone, so a recorded run gives the same picture
// on any machine. What a program under test printed or sent is untrusted: it is shown as text, spelled out
// where it would move a cursor or reorder a line, and never interpreted.
package report

import (
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// Target says what was judged: "reference", or the program's path.
type Target struct {
	Client   string `json:"client"`
	Server   string `json:"server"`
	Dialogue string `json:"dialogue"`
}

// Files are the paths of what was kept of a scenario, relative to the folder of the run's output; empty
// where nothing was kept.
type Files struct {
	Run  string `json:"run,omitempty"`  // the evidence.Run as JSON
	Pcap string `json:"pcap,omitempty"` // its packets as pcapng
}

// Result is what one spec found out about one rule. A rule can have several: one over IPv4 and one over
// IPv6, say.
type Result struct {
	rules.Finding
	// Variant tells the rule's specs apart where it has several, as a phrase: "over IPv6".
	Variant string `json:"variant,omitempty"`
	Files   Files  `json:"files,omitzero"`
}

// Outcome is a whole run of the suites: what was judged, where, and what was found.
type Outcome struct {
	Host   evidence.Host
	Target Target
	// Chapters are those that ran; each of their rules is reported.
	Chapters []string
	Results  []Result
	// NotRun says why a rule of these chapters can be without a result, as a clause that can follow
	// "because": "the run was interrupted". Empty means that its spec was not selected.
	NotRun string
}

// weight orders levels from strict to loose.
func weight(level rules.Level) int {
	switch level {
	case rules.Must:
		return 0
	case rules.Should:
		return 1
	}
	return 2
}

// Binding says whether a failure of a rule of this level fails a run with that -level.
func Binding(level, upTo rules.Level) bool { return weight(level) <= weight(upTo) }
