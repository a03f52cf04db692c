package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

func TestScratchReal(t *testing.T) {
	in, out := os.Getenv("RUNS"), os.Getenv("SCRATCH")
	if in == "" {
		t.Skip("scratch")
	}
	files, _ := filepath.Glob(in + "/*.json")
	var pictures []Picture
	for _, f := range files {
		if strings.HasSuffix(f, "conformance.json") {
			continue
		}
		run, err := evidence.Load(f)
		if err != nil {
			t.Error(err)
			continue
		}
		checkDrawing(t, run)
		base := strings.TrimSuffix(filepath.Base(f), ".json")
		for _, p := range Pictures(run, PictureOptions{}) {
			os.WriteFile(out+"/"+base+"-"+p.Name+".svg", []byte(p.SVG), 0o644)
			p.Name = base + " " + p.Name
			pictures = append(pictures, p)
		}
		os.WriteFile(out+"/"+base+".txt", []byte(Draw(run, DrawOptions{Rows: 60}).Text(Style{}, Marks{})), 0o644)
	}
	t.Log(len(pictures))
	if os.Getenv("OVERLAP") != "" {
		b := openBrowser(t)
		for len(pictures) > 0 {
			n := min(40, len(pictures))
			b.showPictures(pictures[:n])
			for _, fault := range ask[[]string](b, faultyTexts) {
				t.Error(fault)
			}
			pictures = pictures[n:]
		}
	}
}
