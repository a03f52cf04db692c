package conversation_test

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// captures is the evidence of a whole run of the suites.
var captures = flag.String("captures", "", "`folder` whose captures are held against tshark, in the place of a few that are made for it")

// TestCapturesAgreeWithWireshark holds captures as they are kept for people against tshark: see [complaints].
func TestCapturesAgreeWithWireshark(t *testing.T) {
	needs(t, "tshark", "capinfos", "mergecap")
	folder := *captures
	if folder == "" {
		folder = t.TempDir()
		makeCaptures(t, folder)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.pcapng"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in %s", folder)
	}
	for _, complaint := range complaints(t, files) {
		t.Error(complaint)
	}
}

// complaints are the points in which captures are not what they should be: Wireshark's programs read them to
// their ends; no packet is malformed, cut or there twice; each has its comment; checksums are right where the
// wire did not damage the packet; and on each interface the names in the comments, the numbers and the streams are
// tshark's. To start tshark takes longer than to read a capture, so it is given as many at once as can be.
func complaints(t *testing.T, files []string) (all []string) {
	t.Helper()
	runs := map[string]*evidence.Run{}
	for _, file := range files {
		run, err := evidence.Load(strings.TrimSuffix(file, ".pcapng") + ".json")
		if err != nil {
			return []string{err.Error()}
		}
		runs[file] = run
	}
	if out, err := exec.CommandContext(t.Context(), "capinfos", files...).CombinedOutput(); err != nil {
		return []string{fmt.Sprintf("capinfos: %v: %s", err, out)}
	}
	merged := filepath.Join(t.TempDir(), "merged.pcapng")
	if out, err := exec.CommandContext(t.Context(), "mergecap", append([]string{"-a", "-w", merged}, files...)...).CombinedOutput(); err != nil {
		return []string{fmt.Sprintf("mergecap: %v: %s", err, out)}
	}
	rows, err := dissect(t.Context(), merged)
	if err != nil {
		return []string{err.Error()}
	}
	var sides []side
	before := 0
	for _, file := range files {
		run := runs[file]
		all = append(all, flaws(run, func(n int) sharkRow { return rows[before+n] })...)
		before += len(run.Packets)
		for i := range run.Interfaces {
			sides = append(sides, sideOf(run, i))
		}
	}
	if len(rows) != before {
		all = append(all, fmt.Sprintf("tshark sees %d frames, and there are %d", len(rows), before))
	}
	for _, b := range bundled(sides) {
		rows := tshark(t, &b.run)
		a := conversation.Analyse(&b.run)
		for i, p := range b.run.Packets {
			for _, wrong := range misnamed(p, rows[p.N]) {
				all = append(all, b.origins[i]+": "+wrong)
			}
		}
		if compareNumbers(t, a, rows); t.Failed() {
			t.Logf("the frames are those of %s", strings.Join(b.origins, ", "))
		}
	}
	return all
}

// flaws are those of the packets of one capture, each by itself.
func flaws(run *evidence.Run, row func(n int) sharkRow) (all []string) {
	complain := func(n int, format string, args ...any) {
		all = append(all, fmt.Sprintf("frame %d of %s: ", n, run.Scenario)+fmt.Sprintf(format, args...))
	}
	a := conversation.Analyse(run)
	for _, p := range run.Packets {
		row := row(p.N)
		damaged, known := arrivesDamaged(run, a, p)
		if row.malformed {
			complain(p.N, "it is malformed or cut short")
		}
		if row.comment == "" || row.comment != p.Comment {
			complain(p.N, "the comment is %q, and tshark shows %q", p.Comment, row.comment)
		}
		if known && row.bad() != damaged {
			complain(p.N, "its checksums are %q to tshark, and that the wire damaged it is %v", row.checksums, damaged)
		}
	}
	for i := range run.Interfaces {
		for _, n := range twice(sideOf(run, i)) {
			complain(n, "the same packet stands just before it on %s", run.Interfaces[i].Name)
		}
	}
	return all
}

// side is what one interface of a capture shows. Where a file has both sides of a wire, tshark takes one copy
// for a retransmission of the other.
type side struct {
	run     *evidence.Run
	iface   int
	packets []evidence.Packet
	pairs   map[[2]netip.AddrPort]bool // which talk to each other in it
}

func sideOf(run *evidence.Run, iface int) side {
	s := side{run: run, iface: iface, pairs: map[[2]netip.AddrPort]bool{}}
	for _, p := range run.Packets {
		if p.Interface == iface {
			s.packets = append(s.packets, p)
		}
	}
	for _, c := range conversation.AnalysePackets(s.packets, run.Interfaces).TCP {
		pair := [2]netip.AddrPort{c.Client, c.Server}
		if c.Client.Compare(c.Server) > 0 {
			pair = [2]netip.AddrPort{c.Server, c.Client}
		}
		s.pairs[pair] = true
	}
	return s
}

// bundle is many sides in one capture. No two ports talk to each other in more than one of them.
type bundle struct {
	run     evidence.Run
	origins []string // of each packet
	pairs   map[[2]netip.AddrPort]bool
}

func bundled(sides []side) (all []*bundle) {
	for _, s := range sides {
		i := slices.IndexFunc(all, func(b *bundle) bool {
			for pair := range s.pairs {
				if b.pairs[pair] {
					return false
				}
			}
			return true
		})
		if i < 0 {
			i = len(all)
			all = append(all, &bundle{pairs: map[[2]netip.AddrPort]bool{}})
		}
		all[i].add(s)
	}
	return all
}

func (b *bundle) add(s side) {
	maps.Copy(b.pairs, s.pairs)
	for _, p := range s.packets {
		b.origins = append(b.origins, fmt.Sprintf("frame %d of %s", p.N, s.run.Scenario))
		p.N, p.Interface = len(b.run.Packets)+1, len(b.run.Interfaces)
		b.run.Packets = append(b.run.Packets, p)
	}
	b.run.Interfaces = append(b.run.Interfaces, s.run.Interfaces[s.iface])
}

// misnamed says where the names in a packet's comment and tshark's are not the same.
func misnamed(p evidence.Packet, row sharkRow) (wrong []string) {
	for _, name := range conversation.Names() {
		said := strings.Contains(p.Comment, "["+string(name)+"]")
		if name == conversation.Retransmission { // tshark sets this field for each kind of them
			said = said || strings.Contains(p.Comment, "["+string(conversation.FastRetransmission)+"]") ||
				strings.Contains(p.Comment, "["+string(conversation.SpuriousRetransmission)+"]")
		}
		if said != row.names[name.Field()] {
			wrong = append(wrong, fmt.Sprintf("the comment says %v of %q, tshark %v: %s", said, name, !said, p.Comment))
		}
	}
	return wrong
}

// twice are the frames of an interface that a capture which took each packet two times would have: the same
// bytes as the frame before. The wire and a scripted peer make such on purpose. So can a timer that sends
// data, a SYN or a FIN again over IPv6, where packets have no number and TCP may have no timestamps.
func twice(s side) (frames []int) {
	a := conversation.AnalysePackets(s.packets, s.run.Interfaces)
	for i, p := range s.packets {
		if i == 0 || !slices.Equal(p.Data, s.packets[i-1].Data) || p.Fate == evidence.Duplicated || p.Fate == evidence.Injected {
			continue
		}
		if _, s := a.Of(p.N); s != nil && s.Source.Addr().Is6() && s.End() > s.RelSeq {
			continue
		}
		frames = append(frames, p.N)
	}
	return frames
}

// arrivesDamaged says whether the wire has damaged a packet by where it was seen. Nothing is known of one
// whose checksum was left to hardware, as on a loopback that is not the scenario's own.
func arrivesDamaged(run *evidence.Run, a *conversation.Analysis, p evidence.Packet) (damaged, known bool) {
	_, s := a.Of(p.N)
	if s == nil {
		return false, true
	}
	side := run.Interfaces[p.Interface].End
	return p.Fate == evidence.Corrupted && side != s.From, s.Checksum != conversation.ChecksumPartial
}

// TestComplaints breaks a capture in each way that is looked for.
func TestComplaints(t *testing.T) {
	needs(t, "tshark", "capinfos", "mergecap")
	const payload = 14 + 20 + 20 // its place in a frame, behind Ethernet, IPv4 and TCP
	for name, c := range map[string]struct {
		harm func(run *evidence.Run, data, again *evidence.Packet)
		want string
	}{
		"nothing": {func(*evidence.Run, *evidence.Packet, *evidence.Packet) {}, ""},
		"no comment": {func(_ *evidence.Run, data, _ *evidence.Packet) { data.Comment = "" },
			"frame 4 of harmless: the comment is"},
		"a name too many": {func(_ *evidence.Run, data, _ *evidence.Packet) { data.Comment += " [TCP Dup ACK]" },
			`the comment says true of "TCP Dup ACK", tshark false`},
		"a name too few": {func(_ *evidence.Run, _, again *evidence.Packet) {
			again.Comment = strings.ReplaceAll(again.Comment, "[TCP Retransmission]", "")
		}, `the comment says false of "TCP Retransmission", tshark true`},
		"each packet twice": {func(run *evidence.Run, _, _ *evidence.Packet) {
			var all []evidence.Packet
			for _, p := range run.Packets {
				for range 2 {
					p.N = len(all) + 1
					all = append(all, p)
				}
			}
			run.Packets = all
		}, "frame 2 of harmless: the same packet"},
		"a flipped bit": {func(_ *evidence.Run, data, _ *evidence.Packet) { data.Data[payload] ^= 1 },
			"the wire damaged it is false"},
		"damage that is not there": {func(run *evidence.Run, data, _ *evidence.Packet) {
			data.Fate, run.Interfaces[0].End = evidence.Corrupted, server
		}, "the wire damaged it is true"},
		"cut short": {func(_ *evidence.Run, data, _ *evidence.Packet) { data.Data = data.Data[:payload+1] },
			"frame 4 of harmless: it is malformed or cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := harmless()
			c.harm(run, &run.Packets[3], &run.Packets[5])
			folder := t.TempDir()
			files, err := run.Save(folder)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(complaints(t, []string{filepath.Join(folder, files.Pcapng)}), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// harmless is a capture with comments: a handshake, data in frame 4, and the same again in frame 6.
func harmless() *evidence.Run {
	s := conversationtest.New()
	s.Send(client, conversation.SYN, "")
	s.Send(server, conversation.SYN|conversation.ACK, "")
	s.Send(client, conversation.ACK, "")
	s.Send(client, conversation.PSH|conversation.ACK, "ping")
	s.Send(server, conversation.ACK, "", conversationtest.Ack(1))
	s.Later(time.Second)
	s.Send(client, conversation.PSH|conversation.ACK, "ping", conversationtest.Seq(1))
	s.Send(server, conversation.ACK, "")
	run := s.Run()
	run.Scenario = "harmless"
	for i := range run.Packets {
		run.Packets[i].Data = slices.Clone(run.Packets[i].Data)
	}
	conversation.Analyse(run).Annotate(run)
	return run
}
