package calltrace

import (
	"os/exec"
	"slices"
	"testing"

	"tcpwitness/harness/evidence"
)

// TestLanguages traces a server and a client, in one program each, that echo "hello".
func TestLanguages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, command := range map[string]func(t *testing.T) []string{
		"go":     func(t *testing.T) []string { return []string{compiled(t, "pair.go")} },
		"python": func(t *testing.T) []string { return []string{interpreter(t, "python3"), "testdata/pair.py"} },
		"node":   func(t *testing.T) []string { return []string{interpreter(t, "node"), "testdata/pair.js"} },
		"java":   func(t *testing.T) []string { return []string{interpreter(t, "java"), "testdata/Pair.java"} },
	} {
		t.Run(name, func(t *testing.T) {
			args := command(t)
			r := run(t, Command{Path: args[0], Args: args}).succeeded(t)
			if r.stdout != "hello\n" {
				t.Errorf("output %q", r.stdout)
			}
			judgeEcho(t, r)
		})
	}
}

func interpreter(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// judgeEcho follows the sockets of an echo of "hello" through the record.
func judgeEcho(t *testing.T, r ran) {
	t.Helper()
	var listener, client, accepted uint64
	data := map[uint64]string{} // what was sent and received on each socket
	closed := map[uint64]bool{}
	for _, c := range r.calls {
		switch {
		case c.Op == evidence.OpListen && c.Succeeded():
			listener = c.Socket
		case c.Op == evidence.OpConnect && (c.Succeeded() || c.Errno == "EINPROGRESS") && c.Address.Unmapped().Addr().String() == "127.0.0.1":
			client = c.Socket
			if c.Before == nil || !slices.Equal(c.Before, c.After) {
				t.Errorf("connect: open before %v, after %v", c.Before, c.After)
			}
		case c.Op == evidence.OpAccept && c.Succeeded():
			accepted = c.NewSocket
			if c.Socket != listener || c.After != nil && !slices.Contains(c.New(), *c.NewFD) {
				t.Errorf("accept: %+v", c)
			}
		case (c.Op == evidence.OpSend || c.Op == evidence.OpRecv) && c.Succeeded():
			data[c.Socket] += string(c.Op) + ":" + string(c.Data) + " "
		case c.Op == evidence.OpClose && c.Succeeded():
			closed[c.Socket] = true
		case c.Op == evidence.OpExit && c.PID == r.ending.PID:
			closed[accepted], closed[client], closed[listener] = true, true, true
		}
	}
	if listener == 0 || client == 0 || accepted == 0 || listener == accepted || client == accepted {
		t.Fatalf("listener %d, client %d, accepted %d\n%s", listener, client, accepted, listing(r.calls))
	}
	if client := data[client]; client != "send:hello recv:hello recv: " {
		t.Errorf("client: %q\n%s", client, listing(r.calls))
	}
	server := data[accepted]
	switch server {
	case "recv:hello send:hello recv: ": // copied by hand
	case "recv:hello send: recv: send: ", "recv:hello send:hello recv: send: ":
	default:
		if !slices.ContainsFunc(r.calls, func(c evidence.Call) bool { return c.Name == "splice" }) {
			t.Errorf("server: %q\n%s", server, listing(r.calls))
		}
	}
	if !closed[client] || !closed[accepted] || !closed[listener] {
		t.Errorf("closed: %v", closed)
	}
}
