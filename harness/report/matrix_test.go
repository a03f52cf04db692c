package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/rules"
)

func sampleMatrix() Matrix {
	some := func(ids ...string) (all []rules.Rule) {
		for _, id := range ids {
			r, _ := rules.Lookup(id)
			all = append(all, r)
		}
		return all
	}
	return Matrix{
		Rules: some("server.replies", "server.checks-bind", "close.sends-fin"),
		Kills: []Kill{
			{Fault: "mute", About: "It says nothing | at all.", Kind: "server", Names: []string{"server.replies"}, Fails: []string{"server.replies"}},
			{Fault: "blind", Kind: "server", Names: []string{"server.checks-bind"}, May: []string{"server.replies"}, Fails: []string{"server.checks-bind", "server.replies"}},
			{Fault: "deaf", Kind: "API", Names: []string{"close.sends-fin"}, Fails: []string{"close.sends-fin"}},
			{Fault: "lazy", Kind: "server", Unseen: "nobody can see <b>why</b>"},
		},
	}
}

func TestMatrixIsSquare(t *testing.T) {
	m := sampleMatrix()
	if amiss := m.Amiss(); amiss != nil {
		t.Error(amiss)
	}
	want := "3 of 3 rules were seen to fail; 3 of 3 faults were caught by the rules they name and by no others than they declare; 1 cannot be observed"
	if m.Summary() != want {
		t.Error(m.Summary())
	}
}

func TestMatrixIsNotSquare(t *testing.T) {
	for name, spoil := range map[string]struct {
		by   func(m *Matrix)
		says string
	}{
		"a rule is not reached":    {func(m *Matrix) { m.Kills = m.Kills[1:] }, "server.replies: no fault was seen to fail it"},
		"a companion does not do":  {func(m *Matrix) { m.Kills[0].Fails = nil }, "server.replies: no fault was seen to fail it"},
		"a fault is not caught":    {func(m *Matrix) { m.Kills[2].Wrong = []string{"close.sends-fin is pass"} }, "deaf: close.sends-fin is pass"},
		"a fault was not tried":    {func(m *Matrix) { m.Kills[2].Untried = "no compiler" }, "deaf: not tried: no compiler"},
		"a harness's own misjudge": {func(m *Matrix) { m.Kills[3].Wrong = []string{"server.replies fails and is not declared"} }, "lazy: server.replies fails"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sampleMatrix()
			spoil.by(&m)
			if !slices.ContainsFunc(m.Amiss(), func(line string) bool { return strings.HasPrefix(line, spoil.says) }) {
				t.Errorf("%q is not in %q", spoil.says, m.Amiss())
			}
		})
	}
}

func TestMatrixIsWritten(t *testing.T) {
	folder := t.TempDir()
	if err := sampleMatrix().Write(folder); err != nil {
		t.Fatal(err)
	}
	for file, parts := range map[string][]string{
		MatrixText: {"| server.replies | must | mute | 1 |", `It says nothing \| at all.`, "| blind | server |  | server.checks-bind | server.replies |"},
		MatrixPage: {`<td class="named" aria-label="named">●</td>`, `<td class="companion" aria-label="companion">○</td>`, "&lt;b&gt;why"},
	} {
		data, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !strings.Contains(string(data), part) {
				t.Errorf("%s: no %q in\n%s", file, part, data)
			}
		}
	}
}
