package report

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// A picture that stands alone has its colours in its attributes, and a dark one for each.
func TestPicturesAloneNeedNoCustomProperties(t *testing.T) {
	attribute := regexp.MustCompile(` (fill|stroke)="([^"]*)"| style="([^"]*)"`)
	for name, run := range sampleRuns() {
		for _, p := range Pictures(run, PictureOptions{Marks: sampleMarks(name)}) {
			style, drawing, found := strings.Cut(p.SVG, "</style>")
			if !found {
				t.Fatalf("%s %s has no style sheet", name, p.Name)
			}
			if at := strings.Index(p.SVG, "var("); at >= 0 {
				t.Errorf("%s %s: %s", name, p.Name, p.SVG[max(0, at-60):at+20])
			}
			for _, m := range attribute.FindAllStringSubmatch(drawing, -1) {
				rule := "[" + m[1] + `="` + m[2] + `"]{`
				if m[3] != "" {
					rule = `[style="` + m[3] + `"]{`
				}
				if m[2] != "none" && !strings.Contains(style, rule) {
					t.Errorf("%s %s: %s has no dark colour", name, p.Name, m[0])
				}
			}
		}
	}
}

// What a program says is never taken for the name of a colour.
func TestTextKeepsTheNamesOfColours(t *testing.T) {
	run := refusedRun()
	run.Title = `var(--ink) ="var(--ink)" style="fill:var(--bad)"`
	svg := Draw(run, DrawOptions{}).SVG(PictureOptions{})
	if want := `var(--ink) =&#34;var(--ink)&#34; style=&#34;fill:var(--bad)&#34;`; !strings.Contains(svg, want) {
		t.Errorf("the title is not there as it was given")
	}
}

// The segments about a closed window say so, and those about an open one do not.
func TestAClosedWindowIsExplained(t *testing.T) {
	r := newRecord("window", "")
	r.listening(3, 10)
	a := r.accepting(3)
	r.socket(client, 3)
	r.connect(3)
	r.accepted(a, 4)
	r.send(client, 3, "data")
	r.Send(server, ack, "", conversationtest.Window(9000)) // wider than before, and was not closed
	r.Send(server, ack, "", conversationtest.Window(0))
	r.pass(200 * time.Millisecond)
	r.Send(client, ack, "", conversationtest.Seq(4))
	r.Send(server, ack, "", conversationtest.Window(0))
	r.Send(server, ack, "", conversationtest.Window(4000))
	r.send(client, 3, "more")
	text := Draw(r.done(), DrawOptions{}).Text(Style{Width: 160}, Marks{})
	for remark, want := range map[string]int{"window is zero": 2, "window probe": 1, "window opens again": 1} {
		if got := strings.Count(text, remark); got != want {
			t.Errorf("%q stands there %d times, not %d\n%s", remark, got, want, text)
		}
	}
}

// The legend explains what is there, and nothing else.
func TestTheLegendExplainsWhatIsThere(t *testing.T) {
	plain := newRecord("legend", "")
	plain.socket(client, 3)
	bare := Draw(plain.done(), DrawOptions{}).SVG(PictureOptions{})
	full := Draw(referenceRun(), DrawOptions{}).SVG(PictureOptions{})
	for _, words := range []string{">listens<", ">waits in the call<"} {
		if strings.Contains(bare, words) || !strings.Contains(full, words) {
			t.Errorf("%s stands in the wrong legend", words)
		}
	}
}

// Rows beside each other that a verdict cites have one band.
func TestBandsHaveNoSeams(t *testing.T) {
	marks := Marks{Frames: []int{1, 2, 3}}
	svg := Draw(referenceRun(), DrawOptions{Marks: marks}).SVG(PictureOptions{Marks: marks})
	if n := strings.Count(svg, `fill="#e7f0fd"/>`); n != 1 {
		t.Errorf("%d bands for three rows beside each other", n)
	}
}

// Few moments are spread out, so that each can be seen; many are drawn to scale.
func TestFewMomentsAreSpreadOut(t *testing.T) {
	moments := func(n int) (times []evidence.Time) {
		for i := range n {
			times = append(times, evidence.Time(i))
		}
		return times
	}
	few := newTimeScale(append(moments(3), 10_000_000), 0, 1000)
	if !few.widened || few.at[1]-few.at[0] < widestStep {
		t.Errorf("places %v, widened %v", few.at, few.widened)
	}
	many := newTimeScale(moments(1000), 0, 1000)
	if many.widened || many.at[len(many.at)-1] > 1000.1 {
		t.Errorf("widened %v, up to %v", many.widened, many.at[len(many.at)-1])
	}
}
