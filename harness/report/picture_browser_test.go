package report

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// faultyTexts looks in every picture of a page for texts that stand on each other or are cut off.
const faultyTexts = `[...document.querySelectorAll("svg")].flatMap(svg => {
	const frame = svg.getBoundingClientRect(), name = svg.parentNode.id, found = [];
	const texts = [...svg.querySelectorAll("text")].map(node => [node.textContent, node.getBoundingClientRect()]).filter(([, b]) => b.width > 0);
	for (const [text, b] of texts)
		if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1) found.push(name + ": cut off: " + text);
	for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
		const a = texts[i][1], b = texts[j][1];
		const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
		if (wide > 2 && high > 5) found.push(name + ": " + texts[j][0] + " and " + texts[i][0] + " stand on each other");
	}
	return found;
})`

// showPictures opens a page with pictures under each other.
func (b *browser) showPictures(pictures []Picture) {
	b.t.Helper()
	var page strings.Builder
	page.WriteString("<!doctype html><meta charset=utf-8><title>pictures</title><body style='margin:0'>")
	for _, p := range pictures {
		fmt.Fprintf(&page, "<div id=%q>%s</div>", p.Name, p.SVG)
	}
	page.WriteString("<p id=end>end")
	file := filepath.Join(b.t.TempDir(), "pictures.html")
	if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Navigate("file://"+file), chromedp.WaitReady(chromedp.CSS("#end")))
}

func TestNothingOverlapsAndNothingIsCutOff(t *testing.T) {
	b := openBrowser(t)
	var names []string
	runs := sampleRuns()
	for name := range runs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, language := range []Language{English, Chinese} {
		var pictures []Picture
		for _, name := range names {
			for _, p := range Pictures(runs[name], PictureOptions{Language: language, Marks: sampleMarks(name)}) {
				p.Name = string(language) + " " + name + " " + p.Name
				pictures = append(pictures, p)
			}
		}
		if len(pictures) < 40 {
			t.Fatalf("only %d pictures to look at", len(pictures))
		}
		b.showPictures(pictures)
		for _, fault := range ask[[]string](b, faultyTexts) {
			t.Error(fault)
		}
	}
	b.noComplaints()
}

// The pictures that lecturers show are looked at too.
func TestNothingOverlapsInTheLectureSet(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "pcaps", "lecture", "*.svg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	b := openBrowser(t)
	var pictures []Picture
	for _, file := range files {
		svg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, Picture{Name: filepath.Base(file), SVG: string(svg)})
	}
	b.showPictures(pictures)
	for _, fault := range ask[[]string](b, faultyTexts) {
		t.Error(fault)
	}
	b.noComplaints()
}

func TestOverlapsAreNoticed(t *testing.T) {
	b := openBrowser(t)
	c := canvas{}
	c.label(10, 20, 14, "", "", both("one text"))
	c.label(12, 24, 14, "", "", both("another text"))
	c.label(90, 90, 14, "", "", both("too far to the right"))
	b.showPictures([]Picture{{Name: "bad", SVG: c.picture("bad", 120, 100, both("bad"))}})
	faults := strings.Join(ask[[]string](b, faultyTexts), "\n")
	if !strings.Contains(faults, "stand on each other") || !strings.Contains(faults, "cut off: too far") {
		t.Errorf("faults: %s", faults)
	}
}

// Every picture is XML that a strict reader takes, and holds no script.
func TestPicturesAreStrictXML(t *testing.T) {
	b := openBrowser(t)
	for name, run := range sampleRuns() {
		for _, p := range Pictures(run, PictureOptions{Marks: sampleMarks(name)}) {
			file := filepath.Join(t.TempDir(), "picture.svg")
			if err := os.WriteFile(file, []byte(p.SVG), 0o644); err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.Navigate("file://" + file))
			if root := ask[string](b, `document.querySelector("parsererror, script, img, foreignObject") ? "bad" : document.documentElement.tagName`); root != "svg" {
				t.Errorf("%s %s: the document is %s", name, p.Name, root)
			}
		}
	}
	b.noComplaints()
}
