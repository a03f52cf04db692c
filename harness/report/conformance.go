package report

import (
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// ConformanceSchema names the version of conformance.json.
const ConformanceSchema = "tcpwitness/1"

// ConformanceFile is its name in the folder of a run's output.
const ConformanceFile = "conformance.json"

// Conformance is the content of conformance.json.
type Conformance struct {
	Schema string        `json:"schema"`
	Host   evidence.Host `json:"host"`
	Target Target        `json:"target"`
	// Rules holds each rule of the chapters that ran once, sorted by id.
	Rules   []Judged               `json:"rules"`
	Summary map[rules.Level]Counts `json:"summary"`
}

// Judged is a rule with the verdict of the whole run on it.
type Judged struct {
	ID         string        `json:"id"`
	Chapter    string        `json:"chapter"`
	Level      rules.Level   `json:"level"`
	Documented bool          `json:"documented"`
	Sources    []string      `json:"source"`
	Claim      string        `json:"claim"`
	Verdict    rules.Verdict `json:"verdict"`
	Reason     string        `json:"reason"` // why; empty for a pass with nothing to add
	Evidence   *Evidence     `json:"evidence,omitempty"`
}

// Evidence is what a verdict rests on. The paths are relative to the folder that holds conformance.json.
type Evidence struct {
	Run    string `json:"run,omitempty"`
	Pcap   string `json:"pcap,omitempty"`
	Frames []int  `json:"frames"` // frame numbers in the pcap
	Calls  []int  `json:"calls"`  // call numbers in the run
}

// Counts are verdicts.
type Counts struct {
	Pass  int `json:"pass"`
	Fail  int `json:"fail"`
	Skip  int `json:"skip"`
	Error int `json:"error"`
}

func (c *Counts) add(v rules.Verdict) {
	switch v {
	case rules.Pass:
		c.Pass++
	case rules.Fail:
		c.Fail++
	case rules.Skip:
		c.Skip++
	default:
		c.Error++
	}
}

// Conformance sums the run up, a rule at a time. Where a rule has several results the worst one counts: a
// failure before an error, an error before a pass; a pass beside a skip is a pass that says what was
// skipped, and only a rule whose every result is a skip is one.
func (o Outcome) Conformance() Conformance {
	c := Conformance{
		Schema: ConformanceSchema, Host: o.Host, Target: o.Target, Rules: []Judged{},
		Summary: map[rules.Level]Counts{rules.Must: {}, rules.Should: {}, rules.Platform: {}},
	}
	results := map[string][]Result{}
	for _, r := range o.Results {
		results[r.Rule] = append(results[r.Rule], r)
	}
	for _, rule := range rules.Catalogue() {
		found := results[rule.ID]
		delete(results, rule.ID)
		if len(found) == 0 && !slices.Contains(o.Chapters, rule.Chapter) {
			continue
		}
		c.Rules = append(c.Rules, judge(rule, found, o.NotRun))
	}
	for id, found := range results {
		c.Rules = append(c.Rules, unknown(id, found))
	}
	slices.SortFunc(c.Rules, func(a, b Judged) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range c.Rules {
		counts := c.Summary[r.Level]
		counts.add(r.Verdict)
		c.Summary[r.Level] = counts
	}
	return c
}

func judge(rule rules.Rule, found []Result, notRun string) Judged {
	j := Judged{
		ID: rule.ID, Chapter: rule.Chapter, Level: rule.Level, Documented: rule.Documented,
		Sources: rule.Sources, Claim: rule.Claim,
	}
	if len(found) == 0 {
		j.Verdict, j.Reason = rules.Skip, "its spec was not selected"
		if notRun != "" {
			j.Reason = "its spec did not run because " + notRun
		}
		return j
	}
	worst := slices.MinFunc(found, func(a, b Result) int { return severity(a.Verdict) - severity(b.Verdict) })
	j.Verdict = worst.Verdict
	j.Reason = reasons(found, worst)
	j.Evidence = evidenceOf(worst)
	return j
}

// severity orders verdicts: the smallest one decides.
func severity(v rules.Verdict) int {
	switch v {
	case rules.Fail:
		return 0
	case rules.Pass:
		return 2
	case rules.Skip:
		return 3
	}
	return 1
}

// reasons says why, and names the variant where there are several. A pass beside a skip says what was
// skipped: a reader must not take it for more than was seen.
func reasons(found []Result, worst Result) string {
	var said []string
	for _, r := range found {
		decides := r.Verdict == worst.Verdict && r.Reason != ""
		skipped := worst.Verdict == rules.Pass && r.Verdict == rules.Skip
		if !decides && !skipped {
			continue
		}
		reason := r.Reason
		if skipped {
			reason = strings.TrimSuffix("skipped: "+reason, ": ")
		}
		if len(found) > 1 && r.Variant != "" {
			reason = r.Variant + ": " + reason
		}
		if !slices.Contains(said, reason) {
			said = append(said, reason)
		}
	}
	return strings.Join(said, "; ")
}

func evidenceOf(r Result) *Evidence {
	if r.Files == (Files{}) && len(r.Frames) == 0 && len(r.Calls) == 0 {
		return nil
	}
	e := &Evidence{Run: r.Files.Run, Pcap: r.Files.Pcap, Frames: r.Frames, Calls: r.Calls}
	if e.Frames == nil {
		e.Frames = []int{}
	}
	if e.Calls == nil {
		e.Calls = []int{}
	}
	return e
}

// unknown reports results for a rule that the catalogue does not have: a fault of the suites that must not
// get lost.
func unknown(id string, found []Result) Judged {
	chapter, _, _ := strings.Cut(id, ".")
	return Judged{
		ID: id, Chapter: chapter, Level: rules.Must, Sources: []string{}, Verdict: rules.Error,
		Reason: "the catalogue has no such rule", Evidence: evidenceOf(found[0]),
	}
}

// Write puts conformance.json into the folder, whole or not at all.
func (c Conformance) Write(folder string) error {
	return evidence.WriteFile(filepath.Join(folder, ConformanceFile), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(c)
	})
}

// Failing lists the rules that fail a run with that -level: those of a binding level with a failure or an
// error of the harness.
func (c Conformance) Failing(upTo rules.Level) []Judged {
	var failing []Judged
	for _, r := range c.Rules {
		if Binding(r.Level, upTo) && (r.Verdict == rules.Fail || r.Verdict == rules.Error) {
			failing = append(failing, r)
		}
	}
	return failing
}

// Advice lists the rules that failed above the level: what the program could do better.
func (c Conformance) Advice(upTo rules.Level) []Judged {
	var advice []Judged
	for _, r := range c.Rules {
		if !Binding(r.Level, upTo) && (r.Verdict == rules.Fail || r.Verdict == rules.Error) {
			advice = append(advice, r)
		}
	}
	return advice
}
