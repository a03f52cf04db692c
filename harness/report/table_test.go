package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tcpwitness/harness/rules"
)

func tableOf(t *testing.T, results []Result, style Style, level rules.Level) string {
	t.Helper()
	var b strings.Builder
	table := Table{
		Conformance: Outcome{Chapters: []string{"accept", "server"}, Results: results}.Conformance(),
		Level:       level, Output: "pcaps/runs/2030-01-02", Page: "pcaps/runs/2030-01-02/report.html", Style: style,
	}
	if _, err := table.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sampleResults() []Result {
	return []Result{
		result("accept.fresh-descriptor", rules.Pass, "", ""), result("accept.fills-peer-address", rules.Fail, "port 36895 and not 8080", ""),
		result("server.reply-clean", rules.Fail, "128 bytes\n::error::fake "+strings.Repeat("long ", 40), ""),
		result("accept.empty-nonblocking", rules.Skip, "no", ""),
	}
}

func TestTable(t *testing.T) {
	text := tableOf(t, sampleResults(), Style{}, rules.Must)
	for _, want := range []string{
		"chapter      pass   fail   skip\n", "accept          1      1      5\n", "server          ·      1     23\n", "together        1      2     28\n",
		"failed the run (1)\n  accept.fills-peer-address  port 36895 and not 8080\n",
		"advice, does not fail the run at -level=must (1)\n  server.reply-clean  128 bytes\\n::error::fake",
		"evidence: pcaps/runs/2030-01-02\n", "report.html\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if columnsOf(line) > 80 {
			t.Errorf("%d columns: %s", columnsOf(line), line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("a command to a CI system: %s", line)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colours without a terminal")
	}
	if strings.Contains(text, "error\n") {
		t.Error("a column for errors where there are none")
	}
}

func TestTableByLevel(t *testing.T) {
	text := tableOf(t, sampleResults(), Style{}, rules.Platform)
	if !strings.Contains(text, "failed the run (2)") || strings.Contains(text, "advice") {
		t.Errorf("at -level=platform:\n%s", text)
	}
}

func TestTableWithErrorsColoursAndChinese(t *testing.T) {
	results := append(sampleResults(), result("server.replies", rules.Error, "packets were dropped", ""))
	text := tableOf(t, results, Style{Colour: true}, rules.Must)
	if !strings.Contains(text, "\x1b[") || !strings.Contains(text, "error") || !strings.Contains(text, "the harness failed: packets were dropped") {
		t.Errorf("%s", text)
	}
	if text := tableOf(t, results, Style{Language: Chinese}, rules.Must); !strings.Contains(text, "合计") || !strings.Contains(text, "证据：") {
		t.Errorf("%s", text)
	}
}

func TestTableNamesAFewAndCountsTheRest(t *testing.T) {
	var results []Result
	for _, r := range rules.Catalogue() {
		results = append(results, result(r.ID, rules.Fail, "no", ""))
	}
	text := tableOf(t, results, Style{}, rules.Must)
	failing := len(Outcome{Results: results}.Conformance().Failing(rules.Must))
	if want := fmt.Sprintf("… and %d more: see conformance.json", failing-listed); !strings.Contains(text, want) {
		t.Errorf("it lacks %q:\n%s", want, text)
	}
}

// fullDisk takes so many bytes and no more.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return 0, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

func TestTableTellsOfAFailedWrite(t *testing.T) {
	if _, err := (Table{Conformance: Outcome{Chapters: []string{"tcp"}}.Conformance()}).WriteTo(&fullDisk{40}); !errors.Is(err, errFull) {
		t.Errorf("error: %v", err)
	}
}

func TestLanguageOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        Language
	}{
		{nil, English}, {map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese}, {map[string]string{"LANG": "C"}, English},
		{map[string]string{"LANG": "zh_TW", "LC_ALL": "de_DE.UTF-8"}, English}, {map[string]string{"LC_MESSAGES": "zh", "LANG": "C"}, Chinese},
	} {
		if got := LanguageOf(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: %s", c.environment, got)
		}
	}
}

func TestWrapAndClip(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    []string
	}{
		{"one two three", 7, []string{"one two", "three"}}, {"", 5, []string{""}}, {"abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"a b\nc", 10, []string{"a b", "c"}}, {"四次挥手与半关闭", 6, []string{"四次挥", "手与半", "关闭"}}, {"用 send() 发送", 9, []string{"用 send()", "发送"}},
	} {
		if got := wrap(c.text, c.columns); strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("wrap(%q, %d) = %q", c.text, c.columns, got)
		}
	}
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{{"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"三次握手", 5, "三次…"}, {"x", 0, ""}, {"", 3, ""}} {
		if got := clip(c.text, c.columns); got != c.want {
			t.Errorf("clip(%q, %d) = %q", c.text, c.columns, got)
		}
	}
}
