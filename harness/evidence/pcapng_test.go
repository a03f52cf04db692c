package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func pcapng(t testing.TB, run *Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WritePcapng(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPcapngBothWays(t *testing.T) {
	run := sample()
	got, err := ReadCapture(bytes.NewReader(pcapng(t, run)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range run.Packets {
		run.Packets[i].Fate = "" // kept in the JSON
	}
	if !reflect.DeepEqual(got.Packets, run.Packets) {
		t.Errorf("got\n%+v\nwant\n%+v", got.Packets, run.Packets)
	}
	if !reflect.DeepEqual(got.Interfaces, run.Interfaces) {
		t.Errorf("got %+v, want %+v", got.Interfaces, run.Interfaces)
	}
	if want := "scenario: server/plain; rules: accept.fresh-descriptor, server.replies; a plain exchange"; got.Comment != want {
		t.Errorf("the section's comment is %q, want %q", got.Comment, want)
	}
}

func TestWritePcapngRefusesWrongNumbers(t *testing.T) {
	for says, packet := range map[string]Packet{
		"frame 1: the packet bears the number 2": {N: 2}, "frame 1: interface 7 of 1": {N: 1, Interface: 7}, "frame 1: interface -1 of 1": {N: 1, Interface: -1},
	} {
		err := WritePcapng(io.Discard, &Run{Packets: []Packet{packet}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func TestCommentsAreBoundedAndHarmless(t *testing.T) {
	run := &Run{Packets: []Packet{{N: 1, Comment: strings.Repeat("套", 100_000) + "\x00"}, {N: 2, Comment: "a\x00\u202e\xff"}}}
	got, err := ReadCapture(bytes.NewReader(pcapng(t, run)))
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Packets[0].Comment; len(c) > maxComment+4 || strings.Trim(c, "套") != "…" {
		t.Errorf("the comment has %d bytes and ends in %q", len(c), c[len(c)-10:])
	}
	if got.Packets[1].Comment != `a\0\u202e\xff` {
		t.Errorf("the comment is %q", got.Packets[1].Comment)
	}
}

// TestTruncatedCapture cuts a capture after each of its bytes: what is whole is kept, and the error says
// that the file ends.
func TestTruncatedCapture(t *testing.T) {
	whole := pcapng(t, sample())
	last := 0
	clean := 0
	for n := range whole {
		got, err := ReadCapture(bytes.NewReader(whole[:n]))
		if len(got.Packets) < last || len(got.Packets) > 3 {
			t.Fatalf("%d packets after %d bytes, %d before", len(got.Packets), n, last)
		}
		last = len(got.Packets)
		if err == nil {
			clean++ // between two of the six blocks
			continue
		}
		if n >= 4 && !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "\n") {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	if clean > 5 {
		t.Errorf("%d of %d cuts went unnoticed", clean, len(whole))
	}
}

func TestForeignCaptures(t *testing.T) {
	big, little := binary.ByteOrder(binary.BigEndian), binary.ByteOrder(binary.LittleEndian)
	for name, test := range map[string]struct {
		data []byte
		want Time
	}{
		"µs, little": {pcap(little, 0xa1b2c3d4, 5, 7), 5_000_007_000},
		"µs, big":    {pcap(big, 0xa1b2c3d4, 5, 7), 5_000_007_000},
		"ns, little": {pcap(little, 0xa1b23c4d, 5, 7), 5_000_000_007},
		"ns, big":    {pcap(big, 0xa1b23c4d, 5, 7), 5_000_000_007},
	} {
		got, err := ReadCapture(bytes.NewReader(test.data))
		if err != nil || len(got.Packets) != 1 || got.Packets[0].Time != test.want || got.Packets[0].Length != 60 || len(got.Packets[0].Data) != 4 {
			t.Errorf("%s: %+v, error %v", name, got.Packets, err)
			continue
		}
		if got.Interfaces[0].LinkType != LinkEthernet || got.Interfaces[0].SnapLength != 65535 {
			t.Errorf("%s: %+v", name, got.Interfaces)
		}
		_, err = ReadCapture(bytes.NewReader(test.data[:len(test.data)-1]))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "after frame 0") {
			t.Errorf("%s, cut: %v", name, err)
		}
	}
}

// pcap is a file with one record of 4 of 60 bytes.
func pcap(order binary.ByteOrder, magic, seconds, fraction uint32) []byte {
	b := make([]byte, 24+16+4)
	for at, v := range map[int]uint32{0: magic, 16: 65535, 20: 1, 24: seconds, 28: fraction, 32: 4, 36: 60} {
		order.PutUint32(b[at:], v)
	}
	order.PutUint16(b[4:], 2)
	order.PutUint16(b[6:], 4)
	return b
}

func TestSeveralSections(t *testing.T) {
	one := pcapng(t, &Run{Scenario: "one", Interfaces: []Interface{{Name: "a", LinkType: 1}}, Packets: []Packet{{N: 1, Data: []byte{1}, Length: 1, Time: 1}}})
	two := pcapng(t, &Run{Scenario: "two", Interfaces: []Interface{{Name: "b", LinkType: 1}, {Name: "c", LinkType: 101}}, Packets: []Packet{{N: 1, Interface: 1, Data: []byte{2}, Length: 1, Time: 2}}})
	got, err := ReadCapture(bytes.NewReader(append(one, two...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Packets) != 2 || got.Packets[1].Interface != 2 || got.Packets[1].N != 2 || got.Interfaces[2].Name != "c" || got.Comment != "scenario: one; rules: "[:13] {
		t.Errorf("got %+v", got)
	}
}

func TestNoCapture(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "short": "ab", "text": "hello, world", "gzip": "\x1f\x8b\x08\x00"} {
		got, err := ReadCapture(strings.NewReader(data))
		if !errors.Is(err, ErrNotCapture) || got == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := ReadCaptureFile(filepath.Join(t.TempDir(), "none.pcapng"))
	if !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), "none.pcapng") != 1 {
		t.Errorf("%v", err)
	}
}

// FuzzReadCapture reads anything: it ends, keeps within the data, and what it read can be written and read
// again.
func FuzzReadCapture(f *testing.F) {
	f.Add(pcapng(f, sample()))
	f.Add(pcap(binary.LittleEndian, 0xa1b2c3d4, 5, 7))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := ReadCapture(bytes.NewReader(data))
		total := 0
		for i, p := range got.Packets {
			if p.N != i+1 || p.Interface < 0 || p.Interface >= len(got.Interfaces) || p.Length < len(p.Data) {
				t.Fatalf("packet %d is %+v", i+1, p)
			}
			total += len(p.Data)
		}
		if total > len(data) {
			t.Fatalf("%d bytes of packets out of %d", total, len(data))
		}
		again, err := ReadCapture(bytes.NewReader(pcapng(t, &Run{Interfaces: got.Interfaces, Packets: got.Packets})))
		if err != nil || len(again.Packets) != len(got.Packets) {
			t.Fatalf("%d packets became %d, error %v", len(got.Packets), len(again.Packets), err)
		}
	})
}

// TestTsharkAndCapinfosReadIt holds the file against Wireshark's own tools.
func TestTsharkAndCapinfosReadIt(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	path := filepath.Join(t.TempDir(), "x.pcapng")
	put(t, path, string(pcapng(t, sample())))
	out, err := exec.Command(tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "1\t1900000000.123456789\tclient0\tSYN: the client asks to connect, 1 of 3\n2\t1900000000.123456790\tserver0\t三次握手\n3\t1900000000.123456791\tserver0\t\n"
	if string(out) != want {
		t.Errorf("tshark says\n%s\nwant\n%s", out, want)
	}
	capinfos, err := exec.LookPath("capinfos")
	if err != nil {
		t.Skip("capinfos is not installed")
	}
	out, err = exec.Command(capinfos, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range []string{"scenario: server/plain; rules: accept.fresh-descriptor, server.replies; a plain exchange", "Number of packets:   3", "Number of interfaces in file: 2", "nanoseconds"} {
		if !strings.Contains(string(out), line) {
			t.Errorf("capinfos does not say %q:\n%s", line, out)
		}
	}
}
