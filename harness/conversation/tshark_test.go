package conversation_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// sharkRow is what tshark says of one frame.
type sharkRow struct {
	frame, stream            int
	seq, ack, length, window int64
	checksum                 string          // "1" for good
	written                  uint64          // the checksum itself
	names                    map[string]bool // fields of tcp.analysis that are set
	dupNumber, dupFrame      int
}

// tshark dissects a run's packets with tshark. It skips the test where tshark is not installed.
func tshark(t *testing.T, run *evidence.Run) map[int]sharkRow {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	file := filepath.Join(t.TempDir(), "run.pcapng")
	var buffer bytes.Buffer
	if err := evidence.WritePcapng(&buffer, run); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, buffer.Bytes())
	fields := []string{"frame.number", "tcp.stream", "tcp.seq", "tcp.ack", "tcp.len", "tcp.window_size", "tcp.checksum.status",
		"tcp.analysis.duplicate_ack_num", "tcp.analysis.duplicate_ack_frame", "tcp.checksum"}
	names := conversation.Names()
	for _, n := range names {
		fields = append(fields, n.Field())
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=,", "-E", "occurrence=f",
		"-o", "tcp.check_checksum:TRUE", "-o", "tcp.relative_sequence_numbers:TRUE", "-o", "tcp.analyze_sequence_numbers:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.CommandContext(context.Background(), program, args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	rows := map[int]sharkRow{}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		if len(cells) != len(fields) {
			t.Fatalf("tshark printed %d cells, not %d: %q", len(cells), len(fields), line)
		}
		number := func(i int) int64 {
			n, err := strconv.ParseInt(cells[i], 10, 64)
			if err != nil && cells[i] != "" {
				t.Fatalf("tshark: %s is %q", fields[i], cells[i])
			}
			return n
		}
		row := sharkRow{frame: int(number(0)), stream: -1, seq: number(2), ack: number(3), length: number(4), window: number(5),
			checksum: cells[6], dupNumber: int(number(7)), dupFrame: int(number(8)), names: map[string]bool{}}
		row.written, _ = strconv.ParseUint(strings.TrimPrefix(cells[9], "0x"), 16, 16)
		if cells[1] != "" {
			row.stream = int(number(1))
		}
		for i, n := range names {
			if cells[10+i] != "" {
				row.names[n.Field()] = true
			}
		}
		rows[row.frame] = row
	}
	return rows
}

// compareNames holds our names of the segments against tshark's, frame by frame.
func compareNames(t *testing.T, a *conversation.Analysis, rows map[int]sharkRow, except ...conversation.Name) (named int) {
	t.Helper()
	wrong := 0
	for _, frame := range a.Frames() {
		_, s := a.Of(frame)
		if s == nil {
			continue
		}
		row := rows[frame]
		for _, name := range conversation.Names() {
			if slices.Contains(except, name) {
				continue
			}
			if s.Is(name) {
				named++
			}
			ours := s.Is(name)
			if name == conversation.Retransmission { // tshark sets this field for each kind of them
				ours = ours || s.Is(conversation.FastRetransmission) || s.Is(conversation.SpuriousRetransmission)
			}
			if ours != row.names[name.Field()] {
				t.Errorf("frame %d: we say %v of %q, tshark %v\n%s", frame, ours, name, row.names[name.Field()], around(a, frame))
				if wrong++; wrong > 5 {
					t.FailNow()
				}
			}
		}
		if s.Is(conversation.DupACK) && s.DuplicateOf != row.dupFrame {
			t.Errorf("frame %d repeats the acknowledgement of frame %d, tshark says %d", frame, s.DuplicateOf, row.dupFrame)
		}
	}
	return named
}

// around shows the frames of a conversation up to a frame.
func around(a *conversation.Analysis, frame int) string {
	c, _ := a.Of(frame)
	var lines []string
	for _, s := range c.Segments {
		if s.Frame <= frame {
			lines = append(lines, s.Time.Go().Format("05.000000 ")+s.String())
		}
	}
	return strings.Join(lines[max(0, len(lines)-14):], "\n")
}
