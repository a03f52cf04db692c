package report

import (
	"errors"
	"io"
	"strings"
	"testing"

	"tcpwitness/harness/rules"
)

func sampleFailure() Failure {
	return Failure{
		Result: Result{
			Finding: rules.Finding{
				Rule: "server.closes-accepted", Verdict: rules.Fail, Reason: "The accepted descriptor 4 was never closed.",
				Expected: "close(4), or the end of the process", Seen: "close(3) = 0\naccept(3) = -1 EBADF", Calls: []int{11, 13},
			},
			Files: Files{"server-plain.json", "server-plain.pcapng"},
		},
		Run: wrongCloseRun(), Output: "pcaps/runs/2030", Again: "go tool ginkgo --focus='server.closes-accepted' ./suites -- -server=./server",
	}
}

func TestFailureTellsAStudentAllInOrder(t *testing.T) {
	text := sampleFailure().String()
	at := 0
	for _, want := range []string{
		"FAIL server.closes-accepted  (must)\n", "claim:        The server closes the accepted descriptor", "expected:     close(4), or the end",
		"seen:         The accepted descriptor 4 was never closed.", "close(3) = 0", "client's calls", "✗ 11 close(3) = 0", "✗ 13 accept = -1 EBADF",
		"usual cause:  Until the last copy is closed", "source:       notes §4.6", "pcaps/runs/2030/server-plain.pcapng\n", "pcaps/runs/2030/server-plain.json\n",
		"calls 11, 13", "run it again:\n    go tool ginkgo --focus='server.closes-accepted' ./suites -- -server=./server\n",
	} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("it lacks %q, or has it too early:\n%s", want, text)
		}
		at += i
	}
}

func TestGoldenFailures(t *testing.T) {
	f := sampleFailure()
	golden(t, "failure.txt", f.String())
	f.Style.Language = Chinese
	golden(t, "failure-zh.txt", f.String())
}

func TestFailureKeepsToItsWidthAndLength(t *testing.T) {
	for name, run := range sampleRuns() {
		for _, width := range []int{80, 100, 140} {
			f := sampleFailure()
			f.Run, f.Style.Width, f.Calls, f.Frames = run, width, []int{3}, []int{2}
			text := f.String()
			ladder := 0
			for _, line := range strings.Split(text, "\n") {
				if columnsOf(line) > width && !strings.Contains(line, "ginkgo") && !strings.Contains(line, "not seen:") {
					t.Errorf("%s: %d columns of %d: %s", name, columnsOf(line), width, line)
				}
				if strings.Contains(line, "│") || strings.Contains(line, "client's calls") {
					ladder++
				}
			}
			if ladder == 0 || ladder > ladderLines {
				t.Errorf("%s: the ladder has %d lines", name, ladder)
			}
		}
	}
}

func TestTheCutLadderKeepsWhatIsCited(t *testing.T) {
	f := sampleFailure()
	f.Run, f.Calls, f.Frames = bulkRun(400), []int{90}, []int{301, 500}
	text := f.String()
	for _, want := range []string{"301", "500", "90 recv"} {
		if !strings.Contains(text, "✗") || !strings.Contains(text, want) {
			t.Errorf("the ladder lacks %s:\n%s", want, text)
		}
	}
}

func TestHostileTextInFailures(t *testing.T) {
	f := sampleFailure()
	f.Run = hostileRun()
	f.Reason, f.Expected, f.Seen, f.Variant, f.Again = hostile, hostile, hostile, hostile, hostile
	f.Files = Files{hostile, hostile}
	f.Output = hostile
	text := f.String()
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(line, " \t")
		if strings.HasPrefix(line, "::") && strings.Contains(line[2:], "::") || strings.Contains(line, "##[") {
			t.Errorf("a command to a CI system: %q", line)
		}
	}
	for _, bad := range []string{"\x1b", "\x07", "\x00", "\r", "\u202e", "\u2066"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q came through", bad)
		}
	}
}

func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"::error::x\n":             ": :error::x\n",
		"  ::set-output name=a::b": "  : :set-output name=a::b",
		"a ::error::x":             "a ::error::x",
		"::1:8080":                 "::1:8080",
		"x ##[group]y":             "x # #[group]y",
		"std::string":              "std::string",
		"line\n\t::warning::":      "line\n\t: :warning::",
	} {
		if got := harmless(in); got != want {
			t.Errorf("harmless(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAnnotation(t *testing.T) {
	actions := func(name string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[name] }
	f := sampleFailure()
	f.Seen = "100%\r\n::error::fake\x1b[31m"
	got := f.Annotation(actions)
	if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") || !strings.HasPrefix(got, "::error title=server.closes-accepted::The server closes") {
		t.Errorf("annotation: %q", got)
	}
	if !strings.Contains(got, "100%25") || strings.Contains(got, "\x1b") || strings.Contains(got, "\r") {
		t.Errorf("not escaped: %q", got)
	}
	if f.Annotation(func(string) string { return "" }) != "" {
		t.Error("an annotation outside of GitHub Actions")
	}
	f.Verdict = rules.Skip
	if f.Annotation(actions) != "" {
		t.Error("an annotation for a skip")
	}
}

func TestOtherVerdictsAsText(t *testing.T) {
	f := Failure{Result: result("server.replies", rules.Error, "packets were dropped", "over IPv6")}
	if text := f.String(); !strings.Contains(text, "ERROR of the harness server.replies  (must)  over IPv6") ||
		!strings.Contains(text, "because:      packets were dropped") || strings.Contains(text, "usual cause") {
		t.Errorf("error:\n%s", text)
	}
	f.Verdict, f.Rule = rules.Skip, "no.such-rule"
	if text := f.String(); !strings.Contains(text, "SKIP no.such-rule") {
		t.Errorf("skip:\n%s", text)
	}
	if _, err := f.WriteTo(&fullDisk{3}); !errors.Is(err, errFull) {
		t.Errorf("a failed write: %v", err)
	}
	if n, err := f.WriteTo(io.Discard); err != nil || n == 0 {
		t.Errorf("WriteTo = %d, %v", n, err)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "3": {3}, "1, 2": {1, 2}, "1–3, 7": {1, 2, 3, 7}, "1, 3–6": {1, 3, 4, 5, 6}, "5, 4": {5, 4}} {
		if got := ranges(numbers); got != want {
			t.Errorf("ranges(%v) = %q, want %q", numbers, got, want)
		}
	}
}
