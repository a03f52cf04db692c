package main

import (
	"testing"
)

// TestScenesShowTheSameWhenPlayedAnew plays every scene and looks for everything that the pages say of it:
// each frame that they name must be there, be what they say, and stand in the same order; each call must
// have the same number and outcome, for the script makes them one after another.
func TestScenesShowTheSameWhenPlayedAnew(t *testing.T) {
	able, err := ability()
	if err != nil {
		t.Skip(err)
	}
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			committed, err := s.tell(record(t, s.name))
			if err != nil {
				t.Fatal(err)
			}
			run, err := playScene(t.Context(), s, able)
			if err != nil {
				t.Fatal(err)
			}
			played, err := s.tell(run)
			if err != nil {
				t.Fatalf("%v\n%v", err, run.Calls)
			}
			for _, p := range s.points {
				if was, is := committed.view.numbers[p.name], played.view.numbers[p.name]; p.call && was != is {
					t.Errorf("{%s} is call %d, and on the page %d", p.name, is, was)
				} else if was != is {
					t.Logf("{%s} is frame %d, and on the page %d", p.name, is, was)
				}
			}
			if len(run.Packets) != len(committed.view.run.Packets) {
				t.Logf("%d frames, and %d in the set", len(run.Packets), len(committed.view.run.Packets))
			}
		})
	}
}
