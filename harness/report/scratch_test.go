package report

import (
	"os"
	"testing"

	"tcpwitness/harness/evidence"
)

func TestScratchSVG(t *testing.T) {
	out := os.Getenv("SCRATCH")
	if out == "" {
		t.Skip("scratch")
	}
	for name, run := range map[string]*evidence.Run{"wrong": wrongCloseRun(), "reference": referenceRun(), "two": twoClientsRun(), "refused": refusedRun(), "wire": wireRun(), "hostile": hostileRun(), "bulk": bulkRun(40)} {
		m := Marks{Calls: []int{11, 13}, Broken: true}
		if name != "wrong" {
			m = Marks{Frames: []int{1, 2, 3}, Calls: []int{4}}
		}
		o := PictureOptions{Marks: m}
		if name == "refused" {
			o.Language = Chinese
		}
		for _, p := range Pictures(run, o) {
			os.WriteFile(out+"/"+name+"-"+p.Name+".svg", []byte(p.SVG), 0o644)
		}
	}
}
