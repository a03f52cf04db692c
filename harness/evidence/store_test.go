package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample is a run with something in every field that is kept.
func sample() *Run {
	return &Run{
		Schema: Schema, Scenario: "server/plain", Rules: []string{"accept.fresh-descriptor", "server.replies"}, Title: "a plain exchange",
		Started: 1_900_000_000_000_000_001, Ended: 1_900_000_000_500_000_000,
		Host:     Host{OS: "linux", Kernel: "6.18.0", Isolation: "namespace", Capture: true, Trace: true},
		Dialogue: "reference", Address: netip.MustParseAddrPort("127.0.0.1:8080"),
		Ends: []End{{Name: Client, Kind: "reference", Command: []string{"x", "-y"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, {Name: Server, Kind: "program"}},
		Interfaces: []Interface{
			{Name: "client0", LinkType: LinkRaw, End: Client, SnapLength: 65600}, {Name: "server0", LinkType: LinkEthernet, End: Server},
		},
		Calls: []Call{
			{N: 1, End: Server, PID: 7, TID: 8, Op: OpAccept, Name: "accept4", FD: 3, Socket: 99, Address: at("127.0.0.1:40312"), Result: 4,
				NewFD: fd(4), NewSocket: 100, Entry: 5, Exit: 9, Blocked: true, Before: []int{0, 1, 2, 3}, After: []int{0, 1, 2, 3, 4}},
			{N: 2, End: Client, Op: OpSend, Name: "send", FD: 3, Data: Bytes{0, 1, 0xff}, Length: 3, Result: 3, Entry: 6, Exit: 7, Altered: "cut"},
			{N: 3, End: Client, Op: OpRecv, Name: "recv", FD: 3, Result: -1, Errno: "ECONNRESET", Entry: 8, Exit: 9, Value: []byte{1, 2}},
		},
		Packets: []Packet{
			{N: 1, Time: 1_900_000_000_123_456_789, Data: []byte{0x45, 1, 2}, Length: 3, Comment: "SYN: the client asks to connect, 1 of 3"},
			{N: 2, Time: 1_900_000_000_123_456_790, Interface: 1, Data: []byte{1}, Length: 100, Fate: Lost, Comment: "三次握手"},
			{N: 3, Time: 1_900_000_000_123_456_791, Interface: 1, Data: []byte{}, Length: 0},
		},
		Outcomes: []Outcome{{End: Server, PID: 7, Command: []string{"./server"}, Stdout: Bytes("from client: hi\n"), Stderr: Bytes("\x1b"), Started: 1, Ended: 2,
			ExitCode: -1, Signal: "SIGSEGV", Limits: []string{"output"}, CPU: time.Millisecond, InWords: "killed by SIGSEGV"}},
		Marks:   []Mark{{Time: 3, Name: "line fed", End: Client}},
		Missing: []Missing{{What: MissingTrace, End: Client, Why: "ptrace is forbidden"}},
		Faults:  []string{"a fault"},
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	run := sample()
	files, err := run.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Files{"server-plain.json", "server-plain.pcapng"}); files != want {
		t.Fatalf("files are %v, want %v", files, want)
	}
	got, err := Load(filepath.Join(dir, files.JSON))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, run) {
		t.Errorf("got\n%s\nwant\n%s", dump(t, got), dump(t, run))
	}
	onlyFiles(t, dir, files.JSON, files.Pcapng)
}

func dump(t *testing.T, run *Run) string {
	t.Helper()
	text, err := json.MarshalIndent(struct {
		*Run
		Frames []Packet
	}{run, run.Packets}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

func TestSaveWithoutCaptureWritesNoPcapng(t *testing.T) {
	dir := t.TempDir()
	run := &Run{Scenario: "x", Missing: []Missing{{What: MissingCapture, Why: "it is not allowed"}}}
	files, err := run.Save(dir)
	if err != nil || files.Pcapng != "" {
		t.Fatalf("files %v, error %v", files, err)
	}
	onlyFiles(t, dir, "x.json")
	if got, err := Load(filepath.Join(dir, "x.json")); err != nil || got.Scenario != "x" {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestFileBase(t *testing.T) {
	for scenario, want := range map[string]string{
		"accept.fresh-descriptor": "accept.fresh-descriptor", "server/plain": "server-plain", "../../etc/passwd": "-..-etc-passwd",
		"": "run", "..": "run", "a b\x00c": "a-b-c", strings.Repeat("x", 500): strings.Repeat("x", 200),
	} {
		if got := FileBase(scenario); got != want {
			t.Errorf("FileBase(%q) = %q, want %q", scenario, got, want)
		}
	}
}

// TestLoadNamesWhatIsWrong damages a saved run in many ways.
func TestLoadNamesWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		says   []string
	}{
		"no JSON":      {func(t *testing.T, dir string) { os.Remove(dir + "/server-plain.json") }, []string{"read run", "server-plain.json", "no such file"}},
		"JSON cut":     {func(t *testing.T, dir string) { cut(t, dir+"/server-plain.json", 500) }, []string{"server-plain.json", "before byte", "unexpected EOF"}},
		"not JSON":     {func(t *testing.T, dir string) { put(t, dir+"/server-plain.json", "hello") }, []string{"server-plain.json", "invalid character"}},
		"null":         {func(t *testing.T, dir string) { put(t, dir+"/server-plain.json", "null") }, []string{`its schema is ""`}},
		"other schema": {func(t *testing.T, dir string) { put(t, dir+"/server-plain.json", `{"schema":"x/9"}`) }, []string{`its schema is "x/9"`}},
		"capture away": {func(t *testing.T, dir string) {
			put(t, dir+"/server-plain.json", `{"schema":"`+Schema+`","pcap":{"file":"../x.pcapng"}}`)
		}, []string{"not a file beside it"}},
		"capture lost":  {func(t *testing.T, dir string) { os.Remove(dir + "/server-plain.pcapng") }, []string{"server-plain.pcapng", "no such file"}},
		"capture cut":   {func(t *testing.T, dir string) { cut(t, dir+"/server-plain.pcapng", 30) }, []string{"server-plain.pcapng", "after frame 2", "ends"}},
		"capture other": {func(t *testing.T, dir string) { put(t, dir+"/server-plain.pcapng", "nothing") }, []string{"server-plain.pcapng", "neither pcapng nor pcap"}},
		"capture short": {func(t *testing.T, dir string) {
			var b bytes.Buffer
			if err := WritePcapng(&b, &Run{}); err != nil {
				t.Fatal(err)
			}
			put(t, dir+"/server-plain.pcapng", b.String())
		}, []string{"has 0 packets, not 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := sample().Save(dir); err != nil {
				t.Fatal(err)
			}
			test.damage(t, dir)
			_, err := Load(filepath.Join(dir, "server-plain.json"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// cut takes bytes off the end of a file.
func cut(t *testing.T, path string, bytes int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	put(t, path, "old")
	err := WriteFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		return syscall.ENOSPC
	})
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != "write "+path+": no space left on device" {
		t.Errorf("error %q", err)
	}
	onlyFiles(t, dir, "out")
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("the old file is now %q", text)
	}
	if err := WriteFile(filepath.Join(dir, "no", "out"), nil); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("error %q", err)
	}
}

func TestWriteFileReplacesALink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	put(t, victim, "untouched")
	if err := os.Symlink(victim, filepath.Join(dir, "out")); err != nil {
		t.Skip(err)
	}
	if err := WriteFile(filepath.Join(dir, "out"), func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(victim); string(text) != "untouched" {
		t.Errorf("the file behind the link is now %q", text)
	}
}

func TestBytesInJSON(t *testing.T) {
	for data, want := range map[string]string{"text\n": `"text\n"`, "": `""`, "\x00a": `{"hex":"0061"}`, "\xff": `{"hex":"ff"}`, "\x1b": `{"hex":"1b"}`, "\ufffd": `{"hex":"efbfbd"}`} {
		raw, err := json.Marshal(Bytes(data))
		if err != nil || string(raw) != want {
			t.Errorf("%q: %s, error %v, want %s", data, raw, err, want)
		}
		var back Bytes
		if err := json.Unmarshal(raw, &back); err != nil || string(back) != data {
			t.Errorf("%s is read as %q, error %v", raw, back, err)
		}
	}
	for _, raw := range []string{`{"hex":"6"}`, `{"hex":"zz"}`, `{"hex":"61zz"}`, `7`, `[]`} {
		var b Bytes
		if err := json.Unmarshal([]byte(raw), &b); err == nil {
			t.Errorf("%s is read as %q", raw, b)
		}
	}
}

// FuzzReadJSON reads anything; what can be read is written and read again the same.
func FuzzReadJSON(f *testing.F) {
	var b bytes.Buffer
	if err := WriteJSON(&b, sample()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":"tcpwitness-run/1","calls":[{"data":{"hex":"00"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range run.Calls {
			_ = c.String()
		}
		var once, twice bytes.Buffer
		if err := WriteJSON(&once, run); err != nil {
			t.Fatal(err)
		}
		again, err := ReadJSON(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatalf("%v: %s", err, once.Bytes())
		}
		if err := WriteJSON(&twice, again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("%s\nbecame\n%s", once.Bytes(), twice.Bytes())
		}
	})
}
