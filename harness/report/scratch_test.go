package report

import (
	"os"
	"testing"
)

func TestScratchSVG(t *testing.T) {
	out := os.Getenv("SCRATCH")
	if out == "" {
		t.Skip("scratch")
	}
	for name, run := range sampleRuns() {
		for _, p := range Pictures(run, PictureOptions{Marks: sampleMarks(name)}) {
			os.WriteFile(out+"/"+name+"-"+p.Name+".svg", []byte(p.SVG), 0o644)
		}
		for _, p := range Pictures(run, PictureOptions{Marks: sampleMarks(name), Language: Chinese}) {
			os.WriteFile(out+"/"+name+"-"+p.Name+"-zh.svg", []byte(p.SVG), 0o644)
		}
	}
}
