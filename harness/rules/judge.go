package rules

import (
	"fmt"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
)

// check answers one rule on one record. It need not set Rule and Scenario.
type check func(r *record) Finding

// question is a rule of the program chapters: the scenes in which it is judged, and how.
type question struct {
	rule   string
	scenes []evidence.Scene
	check  check
}

// questions are all rules of the program chapters.
func questions() []question {
	return slices.Concat(serverQuestions(), clientQuestions(), exampleQuestions())
}

// Judged lists the scenes in which a rule of the program chapters is judged, none for other rules.
func Judged(id string) []evidence.Scene {
	for _, q := range questions() {
		if q.rule == id {
			return slices.Clone(q.scenes)
		}
	}
	return nil
}

// Judgement holds runs with one program under test and answers the rules about it. It is not for use from
// several goroutines at once.
type Judgement struct {
	runs []*evidence.Run
	// records are made when first needed.
	records map[*evidence.Run]*record
}

// Judge prepares the judgement of runs, of which those without a script are left aside.
func Judge(runs ...*evidence.Run) *Judgement {
	j := &Judgement{records: map[*evidence.Run]*record{}}
	for _, run := range runs {
		if run != nil && run.Script != nil {
			j.runs = append(j.runs, run)
		}
	}
	return j
}

// Finding answers one rule from all runs in which it is judged: the worst finding of a scene counts, a
// failure before an error before a pass before a skip. A rule without any such run is skipped.
func (j *Judgement) Finding(id string) Finding {
	for _, q := range questions() {
		if q.rule == id {
			return j.answer(q)
		}
	}
	return Finding{Rule: id, Verdict: Skip, Reason: "it is not a rule about a program under test"}
}

// Findings answers every rule that is judged in one of the runs, in the order of the contract.
func (j *Judgement) Findings() []Finding {
	var all []Finding
	for _, q := range questions() {
		if slices.ContainsFunc(j.runs, q.asks) {
			all = append(all, j.answer(q))
		}
	}
	return all
}

// asks says whether the rule is judged in a run.
func (q question) asks(run *evidence.Run) bool {
	return slices.Contains(q.scenes, run.Script.Scene) && chapterOf(q.rule) == chapterFor(run.Script)
}

func chapterOf(id string) string {
	chapter, _, _ := strings.Cut(id, ".")
	return chapter
}

func chapterFor(s *evidence.Script) string {
	switch s.Scene {
	case evidence.SceneSocketExample, evidence.SceneBindExample, evidence.SceneBindExampleInUse:
		return "example"
	}
	return s.Role
}

func (j *Judgement) answer(q question) Finding {
	var found []Finding
	for _, run := range j.runs {
		if q.asks(run) {
			f := j.judge(q, run)
			f.Rule, f.Scenario = q.rule, run.Scenario
			found = append(found, f)
		}
	}
	return worst(q.rule, found)
}

// judge answers a rule in one run. Whatever a record holds, judging it must not end the harness.
func (j *Judgement) judge(q question, run *evidence.Run) (f Finding) {
	defer func() {
		if failure := recover(); failure != nil {
			f = Finding{Verdict: Error, Reason: fmt.Sprintf("the record could not be judged: %v", failure)}
		}
	}()
	switch {
	case run.Script.Unplayed != "":
		return skip("the scene was not played, because " + run.Script.Unplayed)
	case len(run.Faults) > 0:
		return Finding{Verdict: Error, Reason: "the harness failed: " + strings.Join(run.Faults, "; ")}
	}
	if j.records[run] == nil {
		j.records[run] = newRecord(run)
	}
	r := j.records[run]
	if o := r.outcome(); o != nil && o.StartError != "" {
		return fail("a program that can be started", o.StartError).because("the program could not be started")
	}
	return r.patient(q.rule, q.check(r))
}

// rank orders verdicts from the one that counts least.
func rank(v Verdict) int { return slices.Index([]Verdict{Skip, Pass, Error, Fail}, v) }

// worst is the finding that counts among those of several scenes. A pass names the scenes that could not
// be judged, and carries the evidence of the first that could.
func worst(rule string, found []Finding) Finding {
	if len(found) == 0 {
		return Finding{Rule: rule, Verdict: Skip, Reason: "no scene that shows it was played"}
	}
	counts := found[0]
	for _, f := range found[1:] {
		if rank(f.Verdict) > rank(counts.Verdict) {
			counts = f
		}
	}
	if counts.Verdict != Pass || len(found) == 1 {
		return counts
	}
	for _, f := range found {
		if f.Verdict == Skip {
			counts.Reason = strings.TrimPrefix(counts.Reason+"; not judged in "+f.Scenario+": "+f.Reason, "; ")
		}
	}
	return counts
}
