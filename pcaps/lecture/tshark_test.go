package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// installed yields the path of one of Wireshark's programs. It skips the test where it is not there.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	return path
}

func TestTsharkShowsTheComments(t *testing.T) {
	tshark := installed(t, "tshark")
	for _, s := range scenes() {
		out, err := exec.CommandContext(t.Context(), tshark, "-n", "-r", s.name+".pcapng", "-T", "fields", "-e", "frame.comment").Output()
		if err != nil {
			t.Fatalf("tshark %s: %v", s.name, err)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		run := record(t, s.name)
		if len(lines) != len(run.Packets) {
			t.Fatalf("%s: tshark shows %d frames, not %d", s.name, len(lines), len(run.Packets))
		}
		for i, line := range lines {
			if line != run.Packets[i].Comment {
				t.Errorf("%s: frame %d: tshark shows %q, not %q", s.name, i+1, line, run.Packets[i].Comment)
			}
		}
	}
}

func TestCapinfosAcceptsTheCaptures(t *testing.T) {
	capinfos := installed(t, "capinfos")
	for _, s := range scenes() {
		out, err := exec.CommandContext(t.Context(), capinfos, "-M", "-c", s.name+".pcapng").CombinedOutput()
		if err != nil {
			t.Errorf("capinfos %s: %v\n%s", s.name, err, out)
		}
		if want := strconv.Itoa(len(record(t, s.name).Packets)); !strings.Contains(string(out), want) {
			t.Errorf("%s: capinfos does not count %s packets:\n%s", s.name, want, out)
		}
	}
}

// TestFiltersSelectWhatThePagesSay tries each display filter of the pages.
func TestFiltersSelectWhatThePagesSay(t *testing.T) {
	tshark := installed(t, "tshark")
	for _, s := range scenes() {
		c, err := s.tell(record(t, s.name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.looks {
			out, err := exec.CommandContext(t.Context(), tshark, "-n", "-r", s.name+".pcapng", "-o", "tcp.check_checksum:TRUE",
				"-Y", l.filter, "-T", "fields", "-e", "frame.number").Output()
			if err != nil {
				t.Fatalf("tshark %s %s: %v", s.name, l.filter, err)
			}
			var want []string
			for _, n := range c.frames(l) {
				want = append(want, strconv.Itoa(n))
			}
			if got := strings.Fields(string(out)); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s: %s selects %v, not %v", s.name, l.filter, got, want)
			}
		}
	}
}
