package rules

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

// exampleRecords are those of the notes' smaller programs, right ones and wrong ones.
func exampleRecords() []recorded {
	socket := func(scene evidence.Scene, o evidence.Outcome, calls func(*tape)) *evidence.Run {
		t := newTape(&evidence.Script{Scene: scene, Role: evidence.Client})
		calls(t)
		t.exit(o.ExitCode, 0)
		t.outcome(o)
		t.sceneEnds()
		return t.run
	}
	stream := func(t *tape) { t.close(t.socket(3, domainInet, typeStream, 0)) }
	datagram := func(t *tape) { t.close(t.socket(3, domainInet, 2, 0)) }
	bind := func(address, errno string) func(t *tape) {
		return func(t *tape) {
			h := t.socket(3, domainInet, typeStream, 0)
			t.on(h, evidence.Call{Op: evidence.OpBind, Address: at(addrPort(address)), Errno: errno})
		}
	}
	prints := func(s string) evidence.Outcome { return evidence.Outcome{Stdout: evidence.Bytes(s)} }
	const sockets, binds = "example.socket-prints-descriptor", "example.bind-reports-success"
	in := evidence.SceneSocketExample
	return []recorded{
		{name: "sockfd = 3", run: socket(in, prints("sockfd = 3\n"), stream)},
		{name: "another number", run: socket(in, prints("sockfd = 5\n"), stream), fails: map[string]string{sockets: `"sockfd = 5"`}},
		{name: "nothing printed", run: socket(in, prints(""), stream), fails: map[string]string{sockets: "nothing on standard output"}},
		{name: "no stream socket", run: socket(in, prints("sockfd = 3\n"), datagram), fails: map[string]string{sockets: "no stream socket"}},
		{name: "sockfd = -1, untraced", run: without(socket(in, prints("sockfd = -1\n"), stream), evidence.MissingTrace), fails: map[string]string{sockets: "-1"}},
		{name: "sockfd = 3, untraced", run: without(socket(in, prints("sockfd = 3\n"), stream), evidence.MissingTrace), skips: map[string]string{sockets: "ptrace"}},
		{name: "bound", run: socket(evidence.SceneBindExample, prints("Bind successful\n"), bind("0.0.0.0:8080", ""))},
		{name: "no htons", run: socket(evidence.SceneBindExample, prints("Bind successful\n"), bind("0.0.0.0:36895", "")),
			fails: map[string]string{binds: "port 36895 is 8080 with its two bytes the wrong way round"}},
		{name: "one address only", run: socket(evidence.SceneBindExample, prints("Bind successful\n"), bind("127.0.0.1:8080", "")), fails: map[string]string{binds: "any address"}},
		{name: "says nothing", run: socket(evidence.SceneBindExample, prints(""), bind("0.0.0.0:8080", "")), fails: map[string]string{binds: "nothing on standard output"}},
		{name: "port in use", run: socket(evidence.SceneBindExampleInUse, evidence.Outcome{ExitCode: 1, Stderr: evidence.Bytes("fail to bind\n")}, bind("0.0.0.0:8080", "EADDRINUSE"))},
		{name: "success with the port in use", run: socket(evidence.SceneBindExampleInUse, prints("Bind successful\n"), bind("0.0.0.0:8080", "EADDRINUSE")),
			fails: map[string]string{binds: "no word of success"}},
		{name: "silent with the port in use", run: socket(evidence.SceneBindExampleInUse, evidence.Outcome{ExitCode: 1}, bind("0.0.0.0:8080", "EADDRINUSE")),
			fails: map[string]string{binds: "nothing on standard error"}},
	}
}

func TestExamples(t *testing.T) { checkAll(t, exampleRecords()) }

func allRecords() []recorded {
	return slices.Concat(rightServers(), wrongServers(), rightClients(), wrongClients(), exampleRecords())
}

func programRule(id string) bool {
	return slices.Contains([]string{"server", "client", "example"}, chapterOf(id))
}

func TestEveryProgramRuleHasAQuestion(t *testing.T) {
	var catalogued, asked []string
	for _, r := range Catalogue() {
		if programRule(r.ID) {
			catalogued = append(catalogued, r.ID)
		}
	}
	for _, q := range questions() {
		asked = append(asked, q.rule)
		if len(q.scenes) == 0 {
			t.Errorf("%s is judged in no scene", q.rule)
		}
	}
	slices.Sort(asked)
	if !slices.Equal(asked, catalogued) {
		t.Errorf("asked are\n%q\ncatalogued\n%q", asked, catalogued)
	}
}

// TestEveryRuleHasAWrongRecord wants for each rule a record that it passes and one that it fails, and one
// that nothing else fails, unless there cannot be one.
func TestEveryRuleHasAWrongRecord(t *testing.T) {
	inherent := map[string]string{
		"server.stream-socket":             "what is no stream socket cannot listen, so nobody is served either",
		"client.stream-socket":             "what is no stream socket reaches no TCP server, so nothing is sent either",
		"client.talks-on-its-socket":       "what is sent elsewhere does not arrive",
		"client.connects-to-given-address": "what connects elsewhere sends nothing here",
		"client.sends-after-connect":       "what sends before it connects breaks the order of calls too",
	}
	passed, failed, alone := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range allRecords() {
		for id := range c.fails {
			failed[id] = true
			alone[id] = alone[id] || len(c.fails) == 1
		}
		for _, f := range Judge(c.run).Findings() {
			passed[f.Rule] = passed[f.Rule] || f.Verdict == Pass
		}
	}
	for _, q := range questions() {
		if !passed[q.rule] {
			t.Errorf("no record passes %s", q.rule)
		}
		if !failed[q.rule] {
			t.Errorf("no record fails %s", q.rule)
		}
		if !alone[q.rule] && inherent[q.rule] == "" {
			t.Errorf("no record fails %s alone", q.rule)
		}
		if alone[q.rule] && inherent[q.rule] != "" {
			t.Errorf("a record fails %s alone after all", q.rule)
		}
	}
}

// TestLessEvidenceNeverTurnsAVerdict judges every record again without its trace, its capture, and both: a
// rule may then be skipped, and otherwise must be judged as before.
func TestLessEvidenceNeverTurnsAVerdict(t *testing.T) {
	// What a record without a trace cannot tell apart, with the reason why it is judged all the same.
	known := map[string]string{
		"closes all and does not end: server.closes-listener": "it should have ended and did not",
		"misses the port in use: server.checks-bind":          "it was told the port and did not say that it is taken",
		"sends before connect: client.sends-after-connect":    "the first byte on the wire did follow the handshake",
		"ignores that it was refused: client.checks-connect":  "it said that something failed, and exited non-zero",
	}
	judged := map[string]map[string]int{}
	for _, missing := range [][]string{{evidence.MissingTrace}, {evidence.MissingCapture}, {evidence.MissingTrace, evidence.MissingCapture}} {
		name := "without " + strings.Join(missing, " and ")
		judged[name] = map[string]int{}
		full, poor := allRecords(), allRecords()
		for i := range full {
			before := map[string]Finding{}
			for _, f := range Judge(full[i].run).Findings() {
				before[f.Rule] = f
			}
			for _, f := range Judge(without(poor[i].run, missing...)).Findings() {
				was := before[f.Rule]
				if known[full[i].name+": "+f.Rule] != "" {
					continue
				}
				if f.Verdict == Error || f.Verdict == Fail && was.Verdict != Fail || f.Verdict == Pass && was.Verdict == Fail {
					t.Errorf("%s, %s: %s is judged %s, and was %s:\n%s\n%s\n%s", full[i].name, name, f.Rule, f.Verdict, was.Verdict, f.Reason, f.Expected, f.Seen)
				}
				if f.Verdict == Pass || f.Verdict == Fail {
					judged[name][f.Rule]++
				}
				checkEvidence(t, poor[i].run, f)
			}
		}
	}
	for name, rules := range judged {
		var never []string
		for _, q := range questions() {
			if rules[q.rule] == 0 {
				never = append(never, q.rule)
			}
		}
		t.Logf("%s never judged: %v", name, never)
	}
	if rules := judged["without trace"]; rules["server.ends-with-fin"] == 0 || rules["server.replies"] == 0 || rules["client.closes"] == 0 {
		t.Error("without a trace too little is judged")
	}
}

func TestFaultsOfTheHarnessAreErrors(t *testing.T) {
	for _, c := range []recorded{rightServers()[0], wrongServers()[3]} {
		c.run.Faults = []string{"3 packets were dropped by the capture"}
		for _, f := range Judge(c.run).Findings() {
			if f.Verdict != Error || !strings.Contains(f.Reason, "dropped by the capture") {
				t.Errorf("%s is judged %s because %q", f.Rule, f.Verdict, f.Reason)
			}
		}
	}
}

func TestSceneThatWasNotPlayed(t *testing.T) {
	run := &evidence.Run{Scenario: "server/two-clients", Script: &evidence.Script{Scene: evidence.SceneTwoClients, Role: evidence.Server,
		Unplayed: "the dialogue does not say that the server is concurrent"}}
	f := Judge(run).Finding("server.serves-in-any-order")
	if f.Verdict != Skip || !strings.Contains(f.Reason, "not concurrent") && !strings.Contains(f.Reason, "does not say") {
		t.Errorf("got %+v", f)
	}
	if f := Judge().Finding("server.replies"); f.Verdict != Skip || f.Reason == "" {
		t.Errorf("without any run: %+v", f)
	}
	if f := Judge(run).Finding("accept.fresh-descriptor"); f.Verdict != Skip {
		t.Errorf("a rule of another chapter: %+v", f)
	}
}

func TestProgramThatCannotBeStarted(t *testing.T) {
	run := &evidence.Run{Scenario: "server/plain", Script: made{}.script(evidence.ScenePlain, text),
		Outcomes: []evidence.Outcome{{End: evidence.Server, StartError: "start ./server: exec format error", ExitCode: -1}}}
	for _, f := range Judge(run).Findings() {
		if f.Verdict != Fail || !strings.Contains(f.Seen, "exec format error") {
			t.Errorf("got %+v", f)
		}
	}
}

func TestWorstFindingOfSeveralScenesCounts(t *testing.T) {
	const id = "server.survives-reset"
	before, after := made{}.badClient(evidence.SceneResetBefore), made{}.badClient(evidence.SceneResetAfter)
	if f := Judge(before, after).Finding(id); f.Verdict != Pass || f.Reason == "" {
		t.Errorf("both pass: %+v", f)
	}
	dies := made{signal: "SIGPIPE"}.badClient(evidence.SceneResetAfter)
	if f := Judge(before, dies).Finding(id); f.Verdict != Fail || f.Scenario != "server/reset-after-message" {
		t.Errorf("one fails: %+v", f)
	}
	after.Faults = []string{"the capture ended early"}
	if f := Judge(before, after).Finding(id); f.Verdict != Error {
		t.Errorf("one is an error: %+v", f)
	}
	if f := Judge(dies, after).Finding(id); f.Verdict != Fail {
		t.Errorf("one fails and one is an error: %+v", f)
	}
	unplayed := made{}.badClient(evidence.SceneResetAfter)
	unplayed.Script.Unplayed = "the client sends nothing"
	f := Judge(unplayed, before).Finding(id)
	if f.Verdict != Pass || !strings.Contains(f.Reason, "not judged in server/reset-after-message") {
		t.Errorf("one passes and one is skipped: %+v", f)
	}
}

// TestMangledRecordsDoNoHarm judges records from which calls were taken, as a trace that was cut might leave them.
func TestMangledRecordsDoNoHarm(t *testing.T) {
	for _, c := range allRecords() {
		for i := range c.run.Calls {
			mangled := *c.run
			mangled.Calls = slices.Delete(slices.Clone(c.run.Calls), i, i+1)
			for _, f := range Judge(&mangled).Findings() {
				if f.Verdict == Error {
					t.Fatalf("%s without call %d: %+v", c.name, i+1, f)
				}
			}
		}
	}
}

func TestJudgingDoesNotChangeTheRecord(t *testing.T) {
	for _, c := range allRecords() {
		before := make([]string, len(c.run.Calls))
		for i := range c.run.Calls {
			before[i] = c.run.Calls[i].String()
		}
		first := Judge(c.run).Findings()
		second := Judge(c.run).Findings()
		for i := range c.run.Calls {
			if c.run.Calls[i].String() != before[i] {
				t.Errorf("%s: call %d was %s and is %s", c.name, i+1, before[i], c.run.Calls[i].String())
			}
		}
		if !slices.EqualFunc(first, second, func(a, b Finding) bool {
			return a.Rule == b.Rule && a.Verdict == b.Verdict && a.Reason == b.Reason && a.Seen == b.Seen && slices.Equal(a.Calls, b.Calls)
		}) {
			t.Errorf("%s is judged in another way the second time", c.name)
		}
	}
}

func TestJudgedScenes(t *testing.T) {
	if got := Judged("client.survives-closed-server"); len(got) != 3 {
		t.Errorf("got %v", got)
	}
	if Judged("socket.domains") != nil {
		t.Error("a rule of another chapter is judged in a scene")
	}
	played := map[evidence.Scene]bool{}
	for _, q := range questions() {
		for _, s := range q.scenes {
			played[s] = true
		}
	}
	if len(played) != 20 {
		t.Errorf("%d scenes are judged: %v", len(played), slices.Sorted(maps.Keys(played)))
	}
}
