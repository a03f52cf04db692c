package conversation_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// required says that nothing may be skipped because something is missing on this machine.
var required = flag.Bool("require", false, "fail where tshark or a sandbox is missing")

// lacking ends a test that needs what the machine does not have.
func lacking(t *testing.T, what string) {
	t.Helper()
	if *required {
		t.Fatal(what)
	}
	t.Skip(what)
}

// sharkRow is what tshark says of one frame.
type sharkRow struct {
	frame, stream            int
	seq, ack, length, window int64
	checksum                 string          // of TCP, "1" for good
	written                  uint64          // the checksum itself
	names                    map[string]bool // fields of tcp.analysis that are set
	dupNumber, dupFrame      int

	comment   string
	checksums string // all that the frame has, of IP, TCP and UDP
	malformed bool   // or cut short
}

// bad says whether tshark calls a checksum of the frame bad. A checksum of all ones stands for zero (RFC 1624
// §3): tshark calls it bad in TCP, no receiver does.
func (r sharkRow) bad() bool {
	return strings.Contains(r.checksums, "0") && r.written != 0xffff
}

// tshark dissects a run's packets with tshark. It skips the test where tshark is not installed.
func tshark(t *testing.T, run *evidence.Run) map[int]sharkRow {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.pcapng")
	var buffer bytes.Buffer
	if err := evidence.WritePcapng(&buffer, run); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, buffer.Bytes())
	needs(t, "tshark")
	rows, err := dissect(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// needs ends a test that needs a program which is not installed.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, program+" is not installed")
		}
	}
}

// dissect reads a capture with tshark. An error means that tshark did not come to its end.
func dissect(ctx context.Context, file string) (map[int]sharkRow, error) {
	fields := []string{"frame.number", "tcp.stream", "tcp.seq", "tcp.ack", "tcp.len", "tcp.window_size", "tcp.checksum.status",
		"tcp.analysis.duplicate_ack_num", "tcp.analysis.duplicate_ack_frame", "tcp.checksum",
		"frame.comment", "ip.checksum.status", "udp.checksum.status", "_ws.malformed", "frame.len", "frame.cap_len"}
	const fixed = 16
	names := conversation.Names()
	for _, n := range names {
		fields = append(fields, n.Field())
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f",
		// What the ends say to each other is data, whatever their ports. On 8080 tshark would expect HTTP, put its
		// messages together, and call a retransmission of a part of one malformed.
		"-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "tcp.relative_sequence_numbers:TRUE", "-o", "tcp.analyze_sequence_numbers:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, "tshark", args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, complaint.String())
	}
	rows := map[int]sharkRow{}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != len(fields) {
			return nil, fmt.Errorf("tshark printed %d cells, not %d: %q", len(cells), len(fields), line)
		}
		number := func(i int) int64 {
			n, wrong := strconv.ParseInt(cells[i], 10, 64)
			if wrong != nil && cells[i] != "" {
				err = fmt.Errorf("tshark: %s is %q", fields[i], cells[i])
			}
			return n
		}
		row := sharkRow{frame: int(number(0)), stream: -1, seq: number(2), ack: number(3), length: number(4), window: number(5),
			checksum: cells[6], dupNumber: int(number(7)), dupFrame: int(number(8)), names: map[string]bool{},
			comment: cells[10], checksums: cells[6] + cells[11] + cells[12], malformed: cells[13] != "" || cells[14] != cells[15]}
		row.written, _ = strconv.ParseUint(strings.TrimPrefix(cells[9], "0x"), 16, 16)
		if cells[1] != "" {
			row.stream = int(number(1))
		}
		for i, n := range names {
			if cells[fixed+i] != "" {
				row.names[n.Field()] = true
			}
		}
		rows[row.frame] = row
	}
	return rows, err
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
