package rules

import (
	"testing"

	"tcpwitness/harness/evidence"
)

func TestLines(t *testing.T) {
	const want = "from server: a b"
	for _, c := range []struct {
		output         string
		server, client bool // whether it counts as printed by a server, and by a client
	}{
		{"from server: a b\n", true, true},
		{"from server: a b", true, true},
		{"from server: a b\r\n", true, true},
		{"x\nfrom server: a b\ny\n", true, true},
		{"\nfrom server: a b\n\n", true, true},
		{"input: from server: a b\n", false, true},
		{"> from server: a b\n", false, true},
		{"Message?\tfrom server: a b\n", false, true},
		{"输入：from server: a b\n", false, true},
		{"echo from server: a b\n", false, false},
		{"7from server: a b\n", false, false},
		{"\x00from server: a b\n", false, false},
		{" from server: a b\n", false, false},
		{"from server: a b \n", false, false},
		{"from server: a b\x00\n", false, false},
		{"from server: a bc\n", false, false},
		{"from server: a\n", false, false},
		{"from server:  a b\n", false, false},
		{"From server: a b\n", false, false},
		{"", false, false},
	} {
		for _, role := range []struct {
			client bool
			want   bool
		}{{false, c.server}, {true, c.client}} {
			_, lacks := missingLine(evidence.Bytes(c.output), []evidence.Line{{Text: want}}, role.client)
			if lacks == role.want {
				t.Errorf("%q of a client (%v): printed is %v, want %v", c.output, role.client, !lacks, role.want)
			}
		}
	}
}

func TestLinesInOrder(t *testing.T) {
	lines := []evidence.Line{{Text: "one"}, {Text: "two"}, {Text: "two"}}
	for output, missing := range map[string]string{
		"one\ntwo\ntwo\n":         "",
		"x\none\ny\ntwo\nz\ntwo":  "",
		"two\none\ntwo\n":         "two",
		"one\ntwo\n":              "two",
		"two\ntwo\n":              "one",
		"one two two\n":           "one",
		"one\nzero\ntwo\r\ntwo\r": "",
	} {
		line, lacks := missingLine(evidence.Bytes(output), lines, false)
		if line.Text != missing || lacks != (missing != "") {
			t.Errorf("of %q %q is missing, want %q", output, line.Text, missing)
		}
	}
}

func TestBears(t *testing.T) {
	for _, c := range []struct {
		output, want string
		bears        bool
	}{
		{"ip:127.8.3.4, port:40312", "127.8.3.4", true},
		{"ip:127.8.3.4, port:40312", "40312", true},
		{"/127.8.3.4:40312", "127.8.3.4", true},
		{"::ffff:127.8.3.4", "127.8.3.4", true},
		{"client is 127.8.3.4.", "127.8.3.4", true},
		{"client is 127.8.3.4.\nnext", "127.8.3.4", true},
		{"127.8.3.45", "127.8.3.4", false},
		{"127.8.3.4.5", "127.8.3.4", false},
		{"1127.8.3.4", "127.8.3.4", false},
		{"1.127.8.3.4", "127.8.3.4", false},
		{"port 140312", "40312", false},
		{"port 403120, no 40312", "40312", true},
		{"port 40312from", "40312", true},
		{"", "40312", false},
	} {
		if got := bears(evidence.Bytes(c.output), c.want); got != c.bears {
			t.Errorf("%q bears %q: %v, want %v", c.output, c.want, got, c.bears)
		}
	}
}
