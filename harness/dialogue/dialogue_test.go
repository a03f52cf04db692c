package dialogue

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

var (
	client = netip.MustParseAddrPort("127.9.8.7:40312")
	server = netip.MustParseAddrPort("127.1.2.3:8080")
)

func load(t *testing.T, name string) *Dialogue {
	t.Helper()
	d, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func texts(lines []evidence.Line) []string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Text)
	}
	return all
}

func TestBuiltInDialogues(t *testing.T) {
	frame := func(text string) string { return text + strings.Repeat("\x00", 128-len(text)) }
	for _, c := range []struct {
		name                       string
		stdin, message, reply      string
		serverPrints, clientPrints []string
		serves                     int
		concurrent                 bool
		first                      string
	}{
		{name: "reference", stdin: "hello there x\n", message: frame("hello there x"), reply: frame("hello there x *_*"),
			serverPrints: []string{"ip:127.9.8.7, port:40312", "from client: hello there x"},
			clientPrints: []string{"from server: hello there x *_*"}, serves: 1, first: evidence.Client},
		{name: "echo", stdin: "hello there x\n", message: "hello there x\n", reply: "hello there x\n",
			serverPrints: []string{"ip:127.9.8.7, port:40312", "from client: hello there x"},
			clientPrints: []string{"from server: hello there x"}, concurrent: true, first: evidence.Client},
		{name: "echo-iterative", stdin: "hello there x\n", message: "hello there x\n", reply: "hello there x\n",
			serverPrints: []string{"ip:127.9.8.7, port:40312", "from client: hello there x"},
			clientPrints: []string{"from server: hello there x"}, first: evidence.Client},
		{name: "sink", stdin: "hello there x\nand a second line\n", message: "hello there x\nand a second line\n",
			serverPrints: []string{"hello there x", "and a second line"}, first: evidence.Client},
		{name: "greeting", reply: "hello 127.9.8.7:40312\n", serverPrints: []string{"ip:127.9.8.7, port:40312"},
			clientPrints: []string{"from server: hello 127.9.8.7:40312"}, first: evidence.Server},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := load(t, c.name)
			e := d.Exchange(d.Text("x"), client, server)
			for _, got := range []struct{ what, got, want string }{
				{"stdin", string(e.Stdin), c.stdin}, {"message", string(e.Message), c.message}, {"reply", string(e.Reply), c.reply},
				{"first", d.First, c.first},
			} {
				if got.got != got.want {
					t.Errorf("%s is %q, want %q", got.what, got.got, got.want)
				}
			}
			if got := texts(e.ServerLines); !reflect.DeepEqual(got, c.serverPrints) {
				t.Errorf("the server prints %q, want %q", got, c.serverPrints)
			}
			if got := texts(e.ClientLines); !reflect.DeepEqual(got, c.clientPrints) {
				t.Errorf("the client prints %q, want %q", got, c.clientPrints)
			}
			if d.Serves != c.serves || d.Concurrent != c.concurrent {
				t.Errorf("serves %d, concurrent %v; want %d, %v", d.Serves, d.Concurrent, c.serves, c.concurrent)
			}
			if d.About == "" {
				t.Error("says nothing about itself")
			}
		})
	}
	if len(Names()) != 5 {
		t.Errorf("built in are %q; this test knows five", Names())
	}
}

func TestReferenceCutsLongTextSoThatTheSuffixFits(t *testing.T) {
	d := load(t, "reference")
	n, bounded := d.MaxText()
	if n != 127 || !bounded {
		t.Fatalf("the longest text has %d bytes (bounded: %v), want 127", n, bounded)
	}
	text := strings.Repeat("abcdefghij", 13)[:127]
	e := d.Exchange(text, client, server)
	if want := text[:123] + " *_*\x00"; string(e.Reply) != want {
		t.Errorf("the reply is %q, want %q", e.Reply, want)
	}
	if want := text + "\x00"; string(e.Message) != want {
		t.Errorf("the message is %q, want %q", e.Message, want)
	}
}

func TestLinesSayWhatTheyBear(t *testing.T) {
	lines := load(t, "reference").Exchange("a b", client, server).ServerLines
	if !lines[0].Peer || lines[0].Message || lines[1].Peer || !lines[1].Message {
		t.Errorf("got %+v", lines)
	}
}

func TestScripts(t *testing.T) {
	s := load(t, "echo").Script(evidence.Server, evidence.ScenePlain)
	if !s.StaysUp || !s.Concurrent || s.Framing.Kind != evidence.FramingLine || s.Unplayed != "" {
		t.Errorf("got %+v", s)
	}
	if s := load(t, "echo").Script(evidence.Client, evidence.ScenePlain); s.StaysUp || s.Concurrent {
		t.Errorf("a client neither stays up nor is concurrent: %+v", s)
	}
}

func TestMeaninglessScenes(t *testing.T) {
	meaningless := map[string][]string{
		"reference server":      {"two-clients", "many-clients"},
		"reference client":      nil,
		"echo server":           {"full-message"},
		"echo client":           nil,
		"echo-iterative server": {"full-message", "two-clients"},
		"echo-iterative client": nil,
		"sink server":           {"full-message", "two-clients"},
		"sink client":           {"byte-by-byte", "closed-after-message"},
		"greeting server":       {"byte-by-byte", "full-message", "reset-after-message", "two-clients"},
		"greeting client":       {"closed-before-line", "closed-after-message", "empty-input", "short-send"},
	}
	for _, name := range Names() {
		for _, role := range []string{evidence.Server, evidence.Client} {
			var got []string
			for _, scene := range Scenes(role) {
				if load(t, name).Meaningless(role, scene) != "" {
					got = append(got, string(scene))
				}
			}
			if want := meaningless[name+" "+role]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %q are meaningless, want %q", name, role, got, want)
			}
		}
	}
}

func TestADialogueOfALecturer(t *testing.T) {
	d, err := Parse("calculator", []byte(`
about: The client sends a sum, the server its result, both behind their length.
frame: length 2 little
text: "2 + 3"
reply: "5"
server:
  serves: 3
  prints: "asked: {text:upper} by {client.ip}"
client:
  prints: ["{reply} is {text:reverse}, {text:length} bytes, {{really}}"]
skip:
  byte-by-byte: the server is known to read the prefix at once
`))
	if err != nil {
		t.Fatal(err)
	}
	e := d.Exchange(d.Text("unused"), client, server)
	if string(e.Message) != "\x05\x002 + 3" || string(e.Reply) != "\x01\x005" {
		t.Errorf("message %q, reply %q", e.Message, e.Reply)
	}
	if got := texts(append(e.ServerLines, e.ClientLines...)); !reflect.DeepEqual(got, []string{
		"asked: 2 + 3 by 127.9.8.7", "5 is 3 + 2, 5 bytes, {really}"}) {
		t.Errorf("lines %q", got)
	}
	if got := d.Meaningless(evidence.Server, evidence.SceneByteByByte); !strings.Contains(got, "prefix") {
		t.Errorf("byte by byte is skipped because %q", got)
	}
	if d.Serves != 3 || d.StaysUp() {
		t.Errorf("serves %d", d.Serves)
	}
}

func TestTheExampleOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "dialogues", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(readme), "```yaml\n")
	example, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("the readme has no example")
	}
	d, err := Parse("readme", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if e := d.Exchange("a b", client, server); string(e.Reply) != "\x00\x03A B" || e.ServerLines[0].Text != "127.9.8.7:40312 says a b" {
		t.Errorf("got %+v", e)
	}
	for _, name := range Names() {
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("the readme does not name %s", name)
		}
	}
	for _, scene := range append(Scenes(evidence.Server), Scenes(evidence.Client)...) {
		if !strings.Contains(string(readme), "`"+string(scene)+"`") {
			t.Errorf("the readme does not name the scene %s", scene)
		}
	}
}

func TestMistakesAreShownWithTheirPlace(t *testing.T) {
	const rest = "\nreply: x\nserver: {serves: 1}\n"
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown field", "frame: line\nreply: x\nsever:\n  serves: 1\n", `x.yaml:3:1: unknown field "sever"; here you can use about,`},
		{"unknown field within", "frame: line\nreply: x\nserver:\n  serve: 1\n", `x.yaml:4:3: unknown field "serve"; here you can use serves, concurrent, prints`},
		{"twice", "frame: line\nreply: x\nreply: y\nserver: {serves: 1}\n", "x.yaml:3:1:"},
		{"no frame", "reply: x\nserver: {serves: 1}\n", "x.yaml:1:1: frame: say how"},
		{"bad frame", "frame: lines" + rest, `x.yaml:1:8: frame: "lines" is none of line, end of file`},
		{"bad size", "frame: fixed big" + rest, `x.yaml:1:8: frame: the size of a fixed frame is a number of bytes`},
		{"no order", "frame: length 4" + rest, "x.yaml:1:8: frame: say the byte order"},
		{"bad order", "frame: length 4 host" + rest, `not "host"`},
		{"bad width", "frame: length 3 big" + rest, `x.yaml:1:8: frame: the width of a length prefix is 1, 2, 4 or 8 bytes, not "3"`},
		{"no server", "frame: line\nreply: x\n", "x.yaml:1:1: server: the dialogue does not say what the server does"},
		{"bad count", "frame: line\nreply: x\nserver:\n  serves: few\n", `x.yaml:4:11: serves: a number of clients from 1 to 16 is wanted here, or many`},
		{"bad flag", "frame: line\nreply: x\nserver:\n  serves: many\n  concurrent: maybe\n", "x.yaml:5:15: concurrent: true or false is wanted here, not a text"},
		{"bad first", "first: me\nframe: line" + rest, `x.yaml:1:8: first: "me" is none of client, server`},
		{"unknown variable", "frame: line\nreply: \"it is {txt}\"\nserver: {serves: 1}\n", "x.yaml:2:15: reply: unknown variable {txt}; here you can use {text},"},
		{"unknown variable, plain", "frame: line\nreply: it is {txt}\nserver: {serves: 1}\n", "x.yaml:2:14: reply: unknown variable {txt}"},
		{"reply in a reply", "frame: line\nreply: \"{reply}\"\nserver: {serves: 1}\n", "unknown variable {reply}"},
		{"unknown change", "frame: line\nreply: \"{text:big}\"\nserver: {serves: 1}\n", `unknown change "big" of {text}; there are upper,`},
		{"open brace", "frame: line\nreply: \"{text\"\nserver: {serves: 1}\n", "x.yaml:2:9: reply: a { without its }"},
		{"stray brace", "frame: line\nreply: \"a} b\"\nserver: {serves: 1}\n", "a } without its {"},
		{"a list for a text", "frame: line\nreply: [a]\nserver: {serves: 1}\n", "reply: a text is wanted here, not a list"},
		{"nothing for a text", "frame: line\nreply:\nserver: {serves: 1}\n", "reply: a text is wanted here, not nothing"},
		{"an alias", "frame: line\nreply: &a x\nserver: {serves: 1}\n", "an anchor or alias, which dialogues do not use"},
		{"not a mapping", "- frame\n", "x.yaml:1:1: a dialogue is a list of `field: value` lines, not a list"},
		{"empty", "# nothing\n", "the file is empty"},
		{"two documents", "frame: line" + rest + "---\nframe: line\n", "a second document"},
		{"broken YAML", "frame: line\nreply: \"x\nserver: {serves: 1}\n", "x.yaml:2:8:"},
		{"a tab", "frame: line\nserver:\n\tserves: 1\n", "x.yaml:3:"},
		{"nobody sends", "frame: line\nmessage: \"\"\nserver: {serves: 1}\n", "neither end sends anything"},
		{"server first and silent", "first: server\nmessage: \"{text}\"\nframe: line\nserver: {serves: 1}\n", "x.yaml:1:8: first: the server speaks first, but"},
		{"too long for the frame", "frame: fixed 8\nreply: \"{text} and more\"\nserver: {serves: 1}\n", "x.yaml:2:8: reply: a frame carries 7 bytes"},
		{"newline in a line", "frame: line\nreply: \"a\\nb\"\nserver: {serves: 1}\n", "a line cannot contain a newline"},
		{"no half-close", "frame: end of file\nhalf-close: false\nreply: x\nserver: {serves: 1}\n", "only after a half-close"},
		{"unknown scene", "frame: line\nreply: x\nserver: {serves: 1}\nskip: {sleep: why}\n", `unknown field "sleep"`},
		{"skip without reason", "frame: line\nreply: x\nserver: {serves: 1}\nskip: {restart: \"\"}\n", "give the reason"},
		{"cut without text", "frame: line\nreply: x\ncut: 3\nserver: {serves: 1}\n", "x.yaml:3:6: cut: the reply bears no text"},
		{"concurrent and ending", "frame: line\nreply: x\nserver: {serves: 1, concurrent: true}\n", "a server that ends by itself is not concurrent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(c.yaml))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant …%s…", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestLoadingFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "mine.yaml")
	if err := os.WriteFile(path, []byte("frame: line\nreply: \"{text}\"\nserver: {serves: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, path)
	long := filepath.Join(folder, "long.yaml")
	if err := os.WriteFile(long, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ehco":                           "built in are echo, echo-iterative, greeting, reference, sink",
		filepath.Join(folder, "no.yaml"): "no such file",
		folder:                           "is not a file",
		long:                             "is longer than",
	} {
		if _, err := Load(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("loading %s: %v, want …%s…", name, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		data, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "dialogues", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("frame: length 2 big\nreply: \"{text:upper}{{}}\"\nserver: {serves: 2}\nskip: {restart: x}\ncut: 3\n"))
	f.Add([]byte("a: &a [*a]\n<<: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("fuzz", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		e := d.Exchange("some text", client, server)
		for _, sent := range []evidence.Bytes{e.Message, e.Reply} {
			if len(sent) == 0 {
				continue
			}
			frame, rest, whole := d.Framing.Split(sent, true)
			if !whole || len(rest) != 0 || !d.Framing.Same(frame, sent) {
				t.Errorf("%q is no frame of %s", sent, d.Framing)
			}
		}
	})
}
