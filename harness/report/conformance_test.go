package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

func result(rule string, v rules.Verdict, reason, variant string) Result {
	return Result{Finding: rules.Finding{Rule: rule, Verdict: v, Reason: reason}, Variant: variant}
}

func TestWorstVerdictWins(t *testing.T) {
	const rule = "accept.fresh-descriptor"
	pass4, pass6 := result(rule, rules.Pass, "", "over IPv4"), result(rule, rules.Pass, "", "over IPv6")
	fail6 := result(rule, rules.Fail, "it was open before", "over IPv6")
	skip6 := result(rule, rules.Skip, "there is no IPv6 here", "over IPv6")
	skip4 := result(rule, rules.Skip, "there is no capture", "over IPv4")
	error4 := result(rule, rules.Error, "packets were dropped", "over IPv4")
	for name, c := range map[string]struct {
		results []Result
		verdict rules.Verdict
		reason  string
	}{
		"one pass":          {[]Result{pass4}, rules.Pass, ""},
		"two passes":        {[]Result{pass4, pass6}, rules.Pass, ""},
		"pass and fail":     {[]Result{pass4, fail6}, rules.Fail, "over IPv6: it was open before"},
		"error and fail":    {[]Result{error4, fail6}, rules.Fail, "over IPv6: it was open before"},
		"error and pass":    {[]Result{pass6, error4}, rules.Error, "over IPv4: packets were dropped"},
		"error and skip":    {[]Result{skip6, error4}, rules.Error, "over IPv4: packets were dropped"},
		"pass and skip":     {[]Result{pass4, skip6}, rules.Pass, "over IPv6: skipped: there is no IPv6 here"},
		"nothing but skips": {[]Result{skip4, skip6}, rules.Skip, "over IPv4: there is no capture; over IPv6: there is no IPv6 here"},
		"the same twice":    {[]Result{result(rule, rules.Skip, "no", ""), result(rule, rules.Skip, "no", "")}, rules.Skip, "no"},
		"no result":         {nil, rules.Skip, "its spec did not run because the run was interrupted"},
		"an odd verdict":    {[]Result{pass4, result(rule, "maybe", "?", "")}, "maybe", "?"},
	} {
		got := one(t, Outcome{Chapters: []string{"accept"}, Results: c.results, NotRun: "the run was interrupted"}.Conformance(), rule)
		if got.Verdict != c.verdict || got.Reason != c.reason {
			t.Errorf("%s: %s, %q; want %s, %q", name, got.Verdict, got.Reason, c.verdict, c.reason)
		}
	}
}

func one(t *testing.T, c Conformance, id string) Judged {
	t.Helper()
	i := slices.IndexFunc(c.Rules, func(j Judged) bool { return j.ID == id })
	if i < 0 {
		t.Fatalf("%s is not reported", id)
	}
	return c.Rules[i]
}

func TestEveryRuleOfAChapterThatRanAppearsOnce(t *testing.T) {
	c := Outcome{Chapters: []string{"accept", "udp"}, Results: []Result{result("close.sends-fin", rules.Pass, "", "")}}.Conformance()
	var want []string
	for _, r := range rules.Catalogue() {
		if r.Chapter == "accept" || r.Chapter == "udp" || r.ID == "close.sends-fin" {
			want = append(want, r.ID)
		}
	}
	var got []string
	for _, r := range c.Rules {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("reported %v, want %v", got, want)
	}
	if j := one(t, c, "accept.fresh-descriptor"); j.Reason != "its spec was not selected" {
		t.Errorf("a rule that was not selected: %q", j.Reason)
	}
	sum := 0
	for _, n := range c.Summary {
		sum += n.Pass + n.Fail + n.Skip + n.Error
	}
	if sum != len(want) || len(c.Summary) != 3 {
		t.Errorf("the summary counts %d verdicts of %d rules at %d levels", sum, len(want), len(c.Summary))
	}
}

func TestAResultForNoRuleIsAnError(t *testing.T) {
	c := Outcome{Results: []Result{result("accept.no-such-rule", rules.Pass, "", "")}}.Conformance()
	if j := one(t, c, "accept.no-such-rule"); j.Verdict != rules.Error || j.Level != rules.Must {
		t.Errorf("%+v", j)
	}
	if len(c.Failing(rules.Must)) != 1 {
		t.Error("it does not fail the run")
	}
}

func TestConformanceJSON(t *testing.T) {
	found := result("accept.fresh-descriptor", rules.Fail, "it <b>was</b> open", "")
	found.Frames, found.Calls = []int{1, 2, 3}, []int{4, 7}
	found.Files = Files{Run: "accept.fresh-descriptor.json", Pcap: "accept.fresh-descriptor.pcapng"}
	folder := t.TempDir()
	c := Outcome{
		Host:     evidence.Host{OS: "linux", Kernel: "6.18.0", Isolation: "namespace", Capture: true, Trace: true},
		Target:   Target{Client: "reference", Server: "/abs/path/server", Dialogue: "reference"},
		Chapters: []string{"accept"}, Results: []Result{found},
	}.Conformance()
	if err := c.Write(folder); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, ConformanceFile))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema  string
		Host    map[string]any
		Target  map[string]string
		Rules   []map[string]any
		Summary map[string]map[string]int
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "tcpwitness/1" || doc.Host["kernel"] != "6.18.0" || doc.Target["server"] != "/abs/path/server" {
		t.Errorf("schema, host or target: %s", raw)
	}
	if got := doc.Summary["must"]; !reflect.DeepEqual(got, map[string]int{"pass": 0, "fail": 1, "skip": 5, "error": 0}) {
		t.Errorf("summary of must: %v", got)
	}
	i := slices.IndexFunc(doc.Rules, func(r map[string]any) bool { return r["id"] == "accept.fresh-descriptor" })
	want := map[string]any{
		"id": "accept.fresh-descriptor", "chapter": "accept", "level": "must", "documented": true, "source": []any{"notes §4.4"},
		"claim": doc.Rules[i]["claim"], "verdict": "fail", "reason": "it <b>was</b> open",
		"evidence": map[string]any{
			"run": "accept.fresh-descriptor.json", "pcap": "accept.fresh-descriptor.pcapng",
			"frames": []any{1.0, 2.0, 3.0}, "calls": []any{4.0, 7.0},
		},
	}
	if !reflect.DeepEqual(doc.Rules[i], want) {
		t.Errorf("rule:\n%v\nwant\n%v", doc.Rules[i], want)
	}
	if _, has := doc.Rules[0]["evidence"]; has && doc.Rules[0]["verdict"] == "skip" {
		t.Error("a rule without evidence has some")
	}
}

func TestConformanceThatCannotBeWritten(t *testing.T) {
	err := Outcome{}.Conformance().Write(filepath.Join(t.TempDir(), "missing"))
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), ConformanceFile) {
		t.Errorf("error: %v", err)
	}
}

func TestResultsSurviveJSON(t *testing.T) {
	want := result("accept.fresh-descriptor", rules.Fail, "why", "over IPv6")
	want.Expected, want.Seen, want.Scenario, want.Frames, want.Calls = "a", "b", "s", []int{1}, []int{2}
	want.Files = Files{"a.json", "a.pcapng"}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v\n%s", err, got, raw)
	}
}

func TestLevelsBind(t *testing.T) {
	levels := []rules.Level{rules.Must, rules.Should, rules.Platform}
	for i, level := range levels {
		for j, upTo := range levels {
			if Binding(level, upTo) != (i <= j) {
				t.Errorf("a failure of level %s with -level=%s: %v", level, upTo, Binding(level, upTo))
			}
		}
	}
}
