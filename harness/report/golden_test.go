package report

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed: look at it, and if it is right, run with -update\n%s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "got:  " + clip(a[i], 300) + "\nwant: " + clip(b[i], 300)
		}
	}
	return "one is longer than the other"
}

func TestGoldenLadders(t *testing.T) {
	for name, run := range sampleRuns() {
		marks := sampleMarks(name)
		l := Draw(run, DrawOptions{Marks: marks, Rows: 60})
		golden(t, name+".txt", l.Text(Style{}, marks))
	}
	marks := sampleMarks("wrong-close")
	golden(t, "wrong-close-80-zh.txt", Draw(wrongCloseRun(), DrawOptions{Marks: marks, Rows: 20}).Text(Style{Width: 80, Language: Chinese}, marks))
}

func TestGoldenPictures(t *testing.T) {
	for name, kinds := range map[string][]string{
		"reference": {"ladder", "boundaries", "states"}, "wrong-close": {"ladder", "descriptors"},
		"wire": {"ladder", "sequence"}, "two-clients": {"queue"},
	} {
		run := sampleRuns()[name]
		for _, p := range Pictures(run, PictureOptions{Marks: sampleMarks(name)}) {
			if slices.Contains(kinds, p.Name) {
				golden(t, name+"-"+p.Name+".svg", p.SVG)
			}
		}
	}
	for _, p := range Pictures(refusedRun(), PictureOptions{embedded: true}) {
		if p.Name == "ladder" {
			golden(t, "refused-embedded.svg", p.SVG)
		}
	}
}

func TestTheGoldenFilesAreCompared(t *testing.T) {
	if *update {
		t.Skip("they are being written")
	}
	inner := &testing.T{}
	golden(inner, "reference.txt", "something else")
	if !inner.Failed() {
		t.Error("a changed picture passes")
	}
}

// The same layout is behind the text and the picture: the same packets in the same order, and the same calls.
func TestTextAndPictureShowTheSame(t *testing.T) {
	inText := regexp.MustCompile(`[─┄] (?:[A-Z] )?(\d+)(?:→\d+)? `)
	inPicture := regexp.MustCompile(`<g class="hit" data-frame="(\d+)"`)
	for name, run := range sampleRuns() {
		l := Draw(run, DrawOptions{})
		text := submatches(inText, l.Text(Style{Width: 200}, Marks{}))
		slices.Sort(text)
		picture := submatches(inPicture, l.SVG(PictureOptions{embedded: true}))
		slices.Sort(picture)
		if !slices.Equal(slices.Compact(text), picture) {
			t.Errorf("%s: frames in the text %v, in the picture %v", name, text, picture)
		}
		if len(run.Packets) > 0 && len(picture) == 0 {
			t.Errorf("%s: the picture shows no packet", name)
		}
	}
}

func submatches(re *regexp.Regexp, text string) []string {
	var found []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}
