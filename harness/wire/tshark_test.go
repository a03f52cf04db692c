package wire

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tcpwitness/harness/evidence"
)

// TestRecordInTshark writes the record of a wire that loses and corrupts, and reads it with tshark.
func TestRecordInTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil && !*required {
		t.Skip(err)
	}
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		w := newTestWire(t, Options{RTOMin: minRTO, Faults: []Fault{Lose(NthData(1, Client)), Corrupt(NthData(2, Client))}})
		client, server := pair(t, ctx, w, v6)
		message := pattern(4000)
		g.Expect(cross(client, server, message)).To(Equal(message))
		g.Expect(w.Close()).To(Succeed())
		run := evidence.Run{Scenario: "lost and corrupted", Ends: []evidence.End{{Name: Client}, {Name: Server}}}
		w.Fill(&run)
		g.Expect(run.Faults).To(BeEmpty())

		file := filepath.Join(t.TempDir(), "wire.pcapng")
		g.Expect(evidence.WriteFile(file, func(out io.Writer) error { return evidence.WritePcapng(out, &run) })).To(Succeed())
		cmd := exec.CommandContext(ctx, "tshark", "-r", file, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|",
			"-e", "frame.interface_name", "-e", "tcp.checksum.status", "-e", "frame.comment")
		text, err := cmd.Output()
		g.Expect(err).NotTo(HaveOccurred())
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		g.Expect(lines).To(HaveLen(len(run.Packets)))
		for i, line := range lines {
			p, field := run.Packets[i], strings.SplitN(line, "|", 3)
			g.Expect(field[0]).To(Equal(run.Interfaces[p.Interface].Name))
			badOnArrival := p.Fate == evidence.Corrupted && p.Interface == 1
			g.Expect(field[1] == "0").To(Equal(badOnArrival), line)
			g.Expect(field[2]).To(ContainSubstring(p.Comment))
		}
		g.Expect(string(text)).To(And(ContainSubstring("client|1|lost on the wire"), ContainSubstring("server|0|corrupted on the wire")))
	})
}
