package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
)

func TestMain(m *testing.M) {
	beActor()
	sandbox.EnterOrExit()
	os.Exit(m.Run())
}

// record is the committed record of a scene.
func record(t testing.TB, name string) *evidence.Run {
	t.Helper()
	run, err := evidence.Load(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func named(t testing.TB, name string) *scene {
	t.Helper()
	all := scenes()
	at := slices.IndexFunc(all, func(s *scene) bool { return s.name == name })
	if at < 0 {
		t.Fatalf("there is no scene %s", name)
	}
	return all[at]
}

// TestThePagesAreThoseOfTheRecords makes the pages and pictures again from the committed records. That also
// looks up every number and checks every claim.
func TestThePagesAreThoseOfTheRecords(t *testing.T) {
	files, err := published(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the records give: run `go run ./pcaps/lecture -draw`", name)
		}
	}
	for _, s := range scenes() {
		files[s.name+".json"], files[s.name+".pcapng"] = nil, nil
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, known := files[entry.Name()]; !known && filepath.Ext(entry.Name()) != ".go" {
			t.Errorf("%s belongs to no scene", entry.Name())
		}
	}
}

func TestEverySceneIsOnBothPages(t *testing.T) {
	for _, p := range pages() {
		text, err := os.ReadFile(p.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range scenes() {
			for _, part := range []string{
				"](#" + s.name + ")", `<a id="` + s.name + `">`, s.title.In(p.language), "(" + s.name + ".pcapng)", "](" + s.name,
			} {
				if !strings.Contains(string(text), part) {
					t.Errorf("%s: %q is not in %s", s.name, part, p.file)
				}
			}
		}
	}
}

// TestEachSceneSaysThreeSentences keeps the texts as short as they are meant to be, in both languages, and has
// both name the same points.
func TestEachSceneSaysThreeSentences(t *testing.T) {
	place := regexp.MustCompile(`\{(\w+)\}`)
	for _, s := range scenes() {
		if n := len(regexp.MustCompile(`\.(\s|$)`).FindAllString(s.says.En, -1)); n != 3 {
			t.Errorf("%s: %d sentences in English", s.name, n)
		}
		if n := strings.Count(s.says.Zh, "。"); n != 3 {
			t.Errorf("%s: %d sentences in Chinese", s.name, n)
		}
		said := func(text string) []string {
			var names []string
			for _, m := range place.FindAllStringSubmatch(text, -1) {
				names = append(names, m[1])
			}
			slices.Sort(names)
			return slices.Compact(names)
		}
		if en, zh := said(s.says.En), said(s.says.Zh); !slices.Equal(en, zh) {
			t.Errorf("%s: the English text names %v, the Chinese one %v", s.name, en, zh)
		}
	}
}

func TestEachFrameHasItsComment(t *testing.T) {
	for _, s := range scenes() {
		run := record(t, s.name)
		analysis := conversation.Analyse(run)
		for _, p := range run.Packets {
			if want := analysis.Comment(p.N); want == "" || !strings.HasPrefix(p.Comment, want) {
				t.Errorf("%s: frame %d says %q, and is %q", s.name, p.N, p.Comment, want)
			}
		}
	}
}

func TestTheRecordsAreSmallAndTellNothingOfTheMachine(t *testing.T) {
	const mostOfARecord, mostOfAll = 30_000, 2_000_000
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		if filepath.Ext(entry.Name()) == ".json" && info.Size() > mostOfARecord {
			t.Errorf("%s has %d bytes", entry.Name(), info.Size())
		}
	}
	if total > mostOfAll {
		t.Errorf("the set has %d bytes", total)
	}
	for _, s := range scenes() {
		run := record(t, s.name)
		if len(run.Faults) > 0 || len(run.Missing) > 0 {
			t.Errorf("%s: faults %v, missing %v", s.name, run.Faults, run.Missing)
		}
		for _, e := range run.Ends {
			if len(e.Command) > 0 {
				t.Errorf("%s: the %s's command line is kept: %v", s.name, e.Name, e.Command)
			}
		}
		for _, id := range s.rules {
			if _, known := rules.Lookup(id); !known {
				t.Errorf("%s names the rule %s, which the catalogue does not have", s.name, id)
			}
		}
		if !slices.Equal(run.Rules, s.rules) || run.Title != s.title.En {
			t.Errorf("%s: the record has rules %v and title %q", s.name, run.Rules, run.Title)
		}
	}
}

// TestAPointThatIsGoneIsMissed takes each frame and each call that a page names out of the record: then the
// page cannot be written, or says something else.
func TestAPointThatIsGoneIsMissed(t *testing.T) {
	english := pages()[0]
	section := func(c chapter) string {
		var b strings.Builder
		english.section(&b, 1, c)
		return b.String()
	}
	for _, s := range scenes() {
		whole, err := s.tell(record(t, s.name))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.points {
			run := record(t, s.name)
			without(run, p.call, whole.view.numbers[p.name])
			if cut, err := s.tell(run); err == nil && section(cut) == section(whole) {
				t.Errorf("%s: without {%s} the page says the same", s.name, p.name)
			}
		}
	}
}

// without takes a frame or a call out of a record and numbers the rest anew.
func without(run *evidence.Run, call bool, n int) {
	if call {
		run.Calls = slices.Delete(run.Calls, n-1, n)
		for i := range run.Calls {
			run.Calls[i].N = i + 1
		}
		return
	}
	run.Packets = slices.Delete(run.Packets, n-1, n)
	for i := range run.Packets {
		run.Packets[i].N = i + 1
	}
}

// TestFalseClaimsAreFound makes of each kind of claim one that the record contradicts.
func TestFalseClaimsAreFound(t *testing.T) {
	for name, of := range map[string]struct {
		scene string
		false claim
	}{
		"waits":           {"01-handshake", waits("listen")},
		"begunBefore":     {"03-data", begunBefore("recv", "ack")},
		"begunAfter":      {"01-handshake", begunAfter("connect", "syn")},
		"backAfter":       {"01-handshake", backAfter("listen", "syn")},
		"later":           {"07-four-way-close", later("end", "close2")},
		"sameDescriptor":  {"10-two-clients", sameDescriptor("accept1", "recvB")},
		"sameArgument":    {"10-two-clients", sameArgument("recvA", "recvB")},
		"otherDescriptor": {"10-two-clients", otherDescriptor("accept1", "recvA")},
		"none":            {"03-data", none(fromClient, data)},
		"some":            {"03-data", some(2, fromClient, data)},
		"frames":          {"01-handshake", frames(4)},
		"nothingBetween":  {"03-data", nothingBetween("data", "reply")},
		"noneBetween":     {"17-zero-window", noneBetween("first", "zero", fromClient, data)},
		"reaches":         {"07-four-way-close", reaches(evidence.Client, conversation.Closed, "ack2")},
		"silent":          {"02-refused", silent(evidence.Client)},
		"never":           {"14-killed-process", never(evidence.Client, evidence.OpConnect)},
		"killed":          {"18-time-wait", killed("exit")},
	} {
		v, err := named(t, of.scene).locate(record(t, of.scene))
		if err != nil {
			t.Fatal(err)
		}
		if of.false.holds(v) {
			t.Errorf("%s: it is not so that %s, and was taken to be", name, of.false.what)
		}
	}
	broken := *named(t, "01-handshake")
	broken.claims = append(slices.Clone(broken.claims), frames(4))
	if _, err := broken.tell(record(t, broken.name)); err == nil {
		t.Error("a scene with a false claim is told")
	}
}

func TestPointsStandInOrder(t *testing.T) {
	swapped := *named(t, "01-handshake")
	swapped.points = slices.Clone(swapped.points)
	slices.Reverse(swapped.points)
	if _, err := swapped.tell(record(t, swapped.name)); err == nil || !strings.Contains(err.Error(), "before it") {
		t.Errorf("frames in the wrong order yield %v", err)
	}
}

func TestATextNamesOnlyPoints(t *testing.T) {
	wrong := *named(t, "02-refused")
	wrong.says.Zh = "第 {nothing} 帧"
	if _, err := wrong.tell(record(t, wrong.name)); err == nil || !strings.Contains(err.Error(), "{nothing}") {
		t.Errorf("a text about what is no point yields %v", err)
	}
}

// TestLinksLead looks at every link of the pages of this folder and of the one above.
func TestLinksLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, file := range []string{"README.md", "README.zh.md", "../README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := link.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s has no link", file)
		}
		for _, m := range found {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), string(m[1]))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestChineseStandsOnOneLine(t *testing.T) {
	zh := pages()[1]
	for text, want := range map[string]string{
		"第 1 帧是\nSYN，第\n2 帧":   "第 1 帧是 SYN，第 2 帧",
		"由内核发出，\nACK 是确认；\n数据": "由内核发出，ACK 是确认；数据",
		"半关\n闭": "半关闭",
	} {
		if got := zh.wrapped(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := pages()[0].wrapped(strings.Repeat("word ", 40)); len(strings.Split(got, "\n")[0]) > columns {
		t.Errorf("a line is too long: %q", got)
	}
}
