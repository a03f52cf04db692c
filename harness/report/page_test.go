package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

func rendered(t *testing.T, p Page) string {
	t.Helper()
	folder := t.TempDir()
	if err := p.Write(folder); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, PageFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// scenesIn unpacks the scenarios of a page.
func scenesIn(t *testing.T, html string) []scene {
	t.Helper()
	var scenes []scene
	for _, m := range regexp.MustCompile(`<script type="application/gzip" id="scene-\d+">([A-Za-z0-9+/=]*)</script>`).FindAllStringSubmatch(html, -1) {
		packed, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		var s scene
		if err := json.NewDecoder(zip).Decode(&s); err != nil {
			t.Fatal(err)
		}
		scenes = append(scenes, s)
	}
	return scenes
}

func TestPageNeedsNothingElse(t *testing.T) {
	html := rendered(t, samplePage())
	if found := regexp.MustCompile(`(?i)(src|href)\s*=\s*"?(https?:|//|data:)`).FindString(html); found != "" {
		t.Errorf("it loads something: %s", found)
	}
	if strings.Contains(html, "@import") || strings.Contains(html, "url(") {
		t.Error("its style loads something")
	}
	script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(html, -1)
	if len(script) != 1 {
		t.Fatalf("%d scripts run", len(script))
	}
	sum := sha256.Sum256([]byte(script[0][1]))
	if want := "sha256-" + base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(html, strings.ReplaceAll(want, "+", "&#43;")) {
		t.Errorf("the policy does not name the script: %s", want)
	}
}

func TestHostileTextIsEscapedInThePage(t *testing.T) {
	html := rendered(t, samplePage())
	for _, bad := range []string{"<img", "<svg onload", "\x1b", "\u202e", "\u2066", "\x00", "<script>document"} {
		if strings.Contains(html, bad) {
			t.Errorf("%q stands in the page", bad)
		}
	}
	if !strings.Contains(html, "&lt;/script&gt;") {
		t.Error("the hostile text is not shown at all")
	}
}

func TestScenariosAreKeptOnce(t *testing.T) {
	scenes := scenesIn(t, rendered(t, samplePage()))
	var names []string
	for _, s := range scenes {
		names = append(names, s.Scenario)
	}
	if len(names) != 7 || slices.Index(names, "server/plain") < 0 {
		t.Errorf("scenes: %q", names)
	}
}

func TestPageReadsRunsFromItsFolder(t *testing.T) {
	folder := t.TempDir()
	files, err := referenceRun().Save(folder)
	if err != nil {
		t.Fatal(err)
	}
	good := result("server.replies", rules.Pass, "", "")
	good.Files = Files{files.JSON, files.Pcapng}
	lost := result("server.replies", rules.Pass, "", "over IPv6")
	lost.Files = Files{Run: "lost.json"}
	if err := (Page{Outcome: Outcome{Results: []Result{good, lost}}}).Write(folder); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(folder, PageFile))
	if err != nil {
		t.Fatal(err)
	}
	scenes := scenesIn(t, string(raw))
	if len(scenes) != 2 || len(scenes[0].Packets) != 11 || len(scenes[0].Pictures) < 5 {
		t.Fatalf("%d scenes", len(scenes))
	}
	if len(scenes[1].Notes) != 1 || !strings.Contains(scenes[1].Notes[0], "lost.json") {
		t.Errorf("a run that cannot be read: %q", scenes[1].Notes)
	}
}

func TestPageThatCannotBeWritten(t *testing.T) {
	if err := samplePage().Write(filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), PageFile) {
		t.Errorf("error: %v", err)
	}
	for _, room := range []int{10, 50_000, 150_000} {
		if err := samplePage().render(&fullDisk{room}); !errors.Is(err, errFull) {
			t.Errorf("a disk with room for %d bytes: %v", room, err)
		}
	}
}

func TestSceneKeepsWithinBounds(t *testing.T) {
	run := bulkRun(4000)
	run.Outcomes = []evidence.Outcome{{End: server, Stdout: bytes.Repeat([]byte("x"), 10<<20), StdoutCut: 5}}
	s := sceneOf(run, Marks{})
	if len(s.Packets) != mostPagePackets || s.MorePackets != len(run.Packets)-mostPagePackets {
		t.Errorf("%d packets, %d more", len(s.Packets), s.MorePackets)
	}
	raw, err := json.Marshal(s)
	if err != nil || len(raw) > 8<<20 {
		t.Errorf("%d bytes of JSON (%v)", len(raw), err)
	}
	if out := s.Ends[0].Stdout; !strings.HasSuffix(out, "… 10420229 more bytes") {
		t.Errorf("output ends with %q", out[max(0, len(out)-60):])
	}
}

func TestEverySentenceAboutPacketsIsThereInChinese(t *testing.T) {
	have := chinesePackets().Templates
	for _, kind := range conversation.Kinds() {
		if have[kind] == "" {
			t.Errorf("%s lacks its Chinese", kind)
		}
	}
	english := conversation.English().Templates
	place := regexp.MustCompile(`\{[a-z]+\}`)
	for kind, sentence := range have {
		for _, p := range place.FindAllString(sentence, -1) {
			if english[kind] == "" {
				t.Errorf("%s is no sentence", kind)
			} else if !strings.Contains(english[kind], p) && p != "{other}" && p != "{end}" {
				t.Errorf("%s speaks of %s in Chinese only", kind, p)
			}
		}
	}
}
