package rules

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"tcpwitness/harness/evidence"
)

func TestShortTimeoutsAreWaiting(t *testing.T) {
	run := made{polls: true}.plain()
	for i := range run.Calls {
		if c := &run.Calls[i]; c.Op == evidence.OpWait {
			c.Blocked, c.Arg, c.Result, c.Exit = false, 10, 0, c.Entry+1
		}
	}
	if f := Judge(run).Finding("server.waits-for-clients"); f.Verdict != Pass {
		t.Errorf("got %+v", f)
	}
}

func TestAskingWithoutWaiting(t *testing.T) {
	run := made{polls: true}.plain()
	for i := range run.Calls {
		if c := &run.Calls[i]; c.Op == evidence.OpWait {
			c.Op, c.Name, c.Blocked = evidence.OpFcntl, "ioctl", false
		}
	}
	if f := Judge(run).Finding("server.waits-for-clients"); f.Verdict != Skip {
		t.Errorf("got %+v", f)
	}
}

// TestWhatProgramsPrintIsHarmless wants that nothing a program printed or sent reaches a terminal or a log
// as it is.
func TestWhatProgramsPrintIsHarmless(t *testing.T) {
	const hostile = "\x1b[2J\u202e\n::error::fake\r\x00\xff"
	runs := []*evidence.Run{
		made{printsText: func(string) string { return hostile }, printsPeer: nil}.plain(),
		made{reply: func(string) string { return hostile }, stderr: hostile}.plain(),
		maid{prints: func(string) string { return hostile }, message: func(string) string { return hostile }}.plain(),
		maid{status: 1, stderr: hostile, goesOn: true}.refused(),
		noArguments(evidence.Server, evidence.Outcome{Stdout: evidence.Bytes(hostile), ExitCode: 1}),
	}
	for _, run := range runs {
		for _, f := range Judge(run).Findings() {
			for _, text := range []string{f.Reason, f.Expected, f.Seen} {
				if strings.ContainsFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
					t.Errorf("%s says %q", f.Rule, text)
				}
				for line := range strings.Lines(text) {
					if strings.HasPrefix(line, "::") {
						t.Errorf("%s says %q", f.Rule, text)
					}
				}
			}
		}
	}
}

// FuzzJudge judges records that were read from JSON: whatever they hold, judging comes to an end.
func FuzzJudge(f *testing.F) {
	for _, run := range []*evidence.Run{
		made{}.plain(), made{echo: true, forks: true}.plain(), made{echo: true}.twoClients(), made{}.restart(true),
		maid{nonblocking: true}.plain(), maid{}.shortSend(), maid{goesOn: true}.refused(),
	} {
		data, err := json.Marshal(run)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var run evidence.Run
		if json.Unmarshal(data, &run) != nil {
			return
		}
		for _, finding := range Judge(&run).Findings() {
			if strings.Contains(finding.Reason, "could not be judged") {
				t.Errorf("%+v", finding)
			}
		}
	})
}
