package report

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// expand opens a rule and waits for its first picture.
func (b *browser) expand(rule string) {
	b.t.Helper()
	b.do(
		chromedp.Click(chromedp.CSS(`[id="`+rule+`"]>summary`)),
		chromedp.WaitVisible(chromedp.CSS(`[id="`+rule+`"] .picture.ladder`)),
	)
}

func (b *browser) noComplaints() {
	b.t.Helper()
	if said := b.complaints(); len(said) > 0 {
		b.t.Errorf("the page complains: %s", strings.Join(said, "\n"))
	}
	if title := ask[string](b, "document.title"); strings.HasPrefix(title, "pwned") {
		b.t.Errorf("a program under test ran script in the page")
	}
}

func TestPageShowsARuleWithItsEvidence(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	b.picture("page")
	if first := ask[string](b, "document.querySelector('.rule').id"); first != "server.closes-accepted" {
		t.Errorf("the first rule is %s, not the one that fails the run", first)
	}
	b.expand("server.closes-accepted")
	if n := ask[int](b, "document.querySelectorAll('.picture.ladder .band.broken').length"); n != 2 {
		t.Errorf("%d rows are marked as broken, want the two calls that the verdict cites", n)
	}
	body := ask[string](b, "document.querySelector('[id=\"server.closes-accepted\"] .body').innerText")
	for _, want := range []string{"Until the last copy is closed", "notes §4.6", "never closed", "close(4), or the end", "calls 11, 13", "Packets (6)", "Calls (13)"} {
		if !strings.Contains(body, want) {
			t.Errorf("the rule does not show %q:\n%s", want, body)
		}
	}
	b.picture("rule")
	b.noComplaints()
}

func TestPageFilters(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	shown := func() int { return ask[int](b, "document.querySelectorAll('.rule:not([hidden])').length") }
	all := shown()
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "byte stream"))
	if n := shown(); n == 0 || n >= all {
		t.Errorf("the search shows %d of %d rules", n, all)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), " no rule says this"))
	if n := shown(); n != 0 {
		t.Errorf("nonsense finds %d rules", n)
	}
	if said := ask[string](b, "document.querySelector('#count').innerText"); said != fmt.Sprintf("0 of %d rules", all) {
		t.Errorf("the count says %q", said)
	}
	ask[bool](b, `document.querySelector("#search").value = ""; document.querySelector("#search").dispatchEvent(new Event("input", {bubbles: true}))`)
	b.do(chromedp.Click(chromedp.CSS(`[value=skip]`)), chromedp.Click(chromedp.CSS(`[value=pass]`)))
	if n := shown(); n != 2 {
		t.Errorf("%d rules failed, want 2", n)
	}
	b.do(chromedp.Click(chromedp.CSS(`[value=pass]`)), chromedp.Click(chromedp.CSS(`.link[data-chapter=tcp]`)))
	if n := shown(); n != 2 {
		t.Errorf("chapter tcp shows %d rules, want its two passes", n)
	}
	b.noComplaints()
}

func TestPageFollowsFramesBothWays(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "#server.ends-with-fin")
	scope := `[id="server.ends-with-fin"] `
	b.do(chromedp.WaitVisible(chromedp.CSS(scope + `.picture.ladder`)))
	// From the picture to the list, by keyboard.
	b.do(
		chromedp.Focus(chromedp.CSS(scope+`.hit[data-frame="8"]`)), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS(scope+`tr[data-frame="8"].flash`)),
	)
	if !ask[bool](b, `document.activeElement.closest("tr").dataset.frame === "8"`) {
		t.Error("the keyboard does not stand on the row that was followed")
	}
	if !ask[bool](b, `document.querySelector('`+scope+`tr[data-frame="8"]').classList.contains("cited")`) {
		t.Error("the frame that the verdict cites is not marked in the list")
	}
	// The row's fields and bytes.
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(scope+`.hex`)))
	detail := ask[string](b, `document.querySelector('`+scope+`tr[data-frame="8"]+tr').innerText`)
	for _, want := range []string{"FIN, ACK", "127.0.0.1:8080", "FIN-WAIT-1", "0000  ", "checksum"} {
		if !strings.Contains(detail, want) {
			t.Errorf("the packet does not show %q:\n%s", want, detail)
		}
	}
	b.picture("packet")
	// And back to the picture.
	b.do(chromedp.Click(chromedp.CSS(scope+`tr[data-frame="8"]+tr button`)), chromedp.WaitVisible(chromedp.CSS(scope+`.picture .flash[data-frame="8"]`)))
	// A call as well.
	b.do(
		chromedp.Click(chromedp.CSS(scope+`.picture.ladder .hit[data-call="11"] text`)),
		chromedp.WaitVisible(chromedp.CSS(scope+`tr[data-call="11"].flash`)),
	)
	b.noComplaints()
}

func TestPageThemesAndLanguages(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	background := func() string { return ask[string](b, "getComputedStyle(document.documentElement).backgroundColor") }
	const white, black = "rgb(255, 255, 255)", "rgb(21, 23, 28)"
	b.media("prefers-color-scheme", "light")
	if got := background(); got != white {
		t.Errorf("light: %s", got)
	}
	b.media("prefers-color-scheme", "dark")
	if got := background(); got != black {
		t.Errorf("dark, as the system has it: %s", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#theme"))) // light
	if got := background(); got != white {
		t.Errorf("light, chosen on a dark system: %s", got)
	}
	b.media("prefers-color-scheme", "light")
	b.do(chromedp.Click(chromedp.CSS("#theme"))) // dark
	if got := background(); got != black {
		t.Errorf("dark, chosen on a light system: %s", got)
	}
	b.expand("tcp.retransmits-lost")
	b.picture("dark")
	claim := `document.querySelector('[id="tcp.retransmits-lost"] .claim').innerText`
	if got := ask[string](b, claim); !strings.HasPrefix(got, "A lost data segment") {
		t.Errorf("English: %q", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#language")))
	if got := ask[string](b, claim); strings.Contains(got, "segment") || got == "" {
		t.Errorf("Chinese: %q", got)
	}
	if got := ask[string](b, "document.documentElement.lang"); got != "zh" {
		t.Errorf("lang is %q", got)
	}
	if got := ask[string](b, `document.querySelector('[id="tcp.retransmits-lost"] .picture.ladder').textContent`); !strings.Contains(got, "客户端的调用") {
		t.Errorf("the ladder has no Chinese heading")
	}
	b.picture("chinese")
	b.noComplaints()
}

func TestPageOnPaper(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	b.do(chromedp.Click(chromedp.CSS("#theme")), chromedp.Click(chromedp.CSS("#theme"))) // dark
	b.expand("server.closes-accepted")
	b.onPaper()
	if got := ask[string](b, "getComputedStyle(document.documentElement).backgroundColor"); got != "rgb(255, 255, 255)" {
		t.Errorf("the dark theme is printed as %s", got)
	}
	for _, what := range []string{".tools", ".filters"} {
		if got := ask[string](b, "getComputedStyle(document.querySelector('"+what+"')).display"); got != "none" {
			t.Errorf("%s is printed", what)
		}
	}
	if wide := ask[bool](b, "document.querySelector('.picture.ladder').getBoundingClientRect().right <= document.documentElement.clientWidth"); !wide {
		t.Error("the ladder does not fit on the paper")
	}
	b.noComplaints()
}

func TestPageOnAPhone(t *testing.T) {
	b := openBrowser(t)
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	b.open(samplePage(), "")
	for _, rule := range []string{"", "server.reply-clean", "server.closes-accepted", "tcp.byte-stream-splits"} {
		if rule != "" {
			b.expand(rule)
			ask[bool](b, `(() => { for (const d of document.querySelectorAll('[id="`+rule+`"] .part')) d.fillNow(); return true })()`)
		}
		if wide := ask[int](b, "document.documentElement.scrollWidth"); wide > 390 {
			culprit := ask[string](b, `[...document.querySelectorAll("body *")].filter(n => !n.closest(".scroll") && n.getBoundingClientRect().right > 391).map(n => n.tagName + "." + n.className).slice(0, 5).join(", ")`)
			t.Errorf("with %q open the page is %d wide on a phone of 390: %s", rule, wide, culprit)
		}
	}
	b.picture("phone")
	b.noComplaints()
}

func TestPageNamesWhatCanBeClicked(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	b.expand("server.closes-accepted")
	ask[bool](b, `(() => { for (const d of document.querySelectorAll('.part')) d.fillNow(); return true })()`)
	nameless := ask[[]string](b, `[...document.querySelectorAll("button, summary, a, input, select, [role=button], [tabindex]")].filter(n => {
		const name = n.getAttribute("aria-label") || n.innerText || n.textContent || (n.labels && [...n.labels].map(l => l.textContent).join(" ")) || "";
		return !name.trim();
	}).map(n => n.outerHTML.slice(0, 120))`)
	if len(nameless) > 0 {
		t.Errorf("without a name: %s", strings.Join(nameless, "\n"))
	}
	if broken := ask[int](b, `document.querySelectorAll("parsererror").length`); broken != 0 {
		t.Errorf("%d pictures are no XML", broken)
	}
}

func TestHostileOutputStaysText(t *testing.T) {
	b := openBrowser(t)
	b.open(samplePage(), "")
	b.expand("server.reply-clean")
	ask[bool](b, `(() => { for (const d of document.querySelectorAll('[id="server.reply-clean"] .part')) d.fillNow(); return true })()`)
	text := ask[string](b, `document.querySelector('[id="server.reply-clean"]').innerText`)
	for _, want := range []string{"</script><script>", `\u202e`, `\x1b[2J`, `\0`, "<svg onload=alert(1)>"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not stand in the page as text", want)
		}
	}
	if n := ask[int](b, `document.querySelectorAll("img, iframe, object, embed, .rule script").length`); n != 0 {
		t.Errorf("%d elements came out of what a program printed", n)
	}
	b.noComplaints()
}

func TestPageOfTenMegabytesOfOutput(t *testing.T) {
	run := hostileRun()
	run.Outcomes[0].Stdout = evidence.Bytes(strings.Repeat(hostile, 10<<20/len(hostile)))
	page := Page{
		Outcome: Outcome{Results: []Result{{Finding: rules.Finding{Rule: "server.prints-message", Verdict: rules.Fail, Scenario: "x"}}}},
		Load:    func(Result) (*evidence.Run, error) { return run, nil },
	}
	b := openBrowser(t)
	file := b.open(page, "#server.prints-message")
	b.do(chromedp.WaitVisible(chromedp.CSS(`.picture.ladder`)))
	ask[bool](b, `(() => { for (const d of document.querySelectorAll('.part')) d.fillNow(); return true })()`)
	if text := ask[string](b, `[...document.querySelectorAll("pre")].map(p => p.textContent).join("")`); !strings.Contains(text, "more bytes") {
		t.Error("the page does not say that output was cut")
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
		t.Errorf("the page has %d bytes (%v)", info.Size(), err)
	}
	b.noComplaints()
}

func TestTheBrowserTestsNoticeScript(t *testing.T) {
	b := openBrowser(t)
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/bad.html", []byte("<!doctype html><title>x</title><script>document.title='pwned';console.error('no')</script><p>here"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate("file://"+folder+"/bad.html"), chromedp.WaitVisible(chromedp.CSS("p")))
	if ask[string](b, "document.title") != "pwned" || len(b.complaints()) == 0 {
		t.Error("a page that runs script and complains goes unnoticed")
	}
}
