package report

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

// livesOf lists the descriptors of a run as "end pid fd: opened by call, closed by call".
func livesOf(run *evidence.Run) string {
	var b strings.Builder
	for _, l := range tell(run).lives {
		connection := "-"
		if l.socket.conn != nil {
			connection = l.socket.conn.letter()
		}
		if l.socket.listening {
			connection = "listens"
		}
		fmt.Fprintf(&b, "%s %d fd %d %s: %d–%d", l.end.end(), l.pid, l.fd, connection, l.opened, l.closed)
		if l.inherited {
			b.WriteString(" inherited")
		}
		if l.endedByExit {
			b.WriteString(" by exit")
		}
		if l.closedTwice != 0 {
			fmt.Fprintf(&b, " again %d", l.closedTwice)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestDescriptorsAreFollowed(t *testing.T) {
	for name, want := range map[string]string{
		"reference": "server 200 fd 3 listens: 1–12\nclient 100 fd 3 A: 5–14\nserver 200 fd 4 A: 4–11\n",
		"forked": "server 200 fd 3 listens: 1–0\nclient 100 fd 3 A: 5–0\nserver 200 fd 4 A: 4–0\n" +
			"server 201 fd 3 listens: 7–8 inherited\nserver 201 fd 4 A: 7–11 inherited again 12\nserver 201 fd 5 A: 10–14 by exit\n",
		"two-clients": "server 200 fd 3 listens: 1–0\nclient 100 fd 5 A: 5–0\nserver 200 fd 4 A: 4–0\nclient 100 fd 6 B: 8–0\nserver 200 fd 7 B: 7–14\n",
	} {
		if got := livesOf(sampleRuns()[name]); got != want {
			t.Errorf("%s:\n%swant\n%s", name, got, want)
		}
	}
}

// The identity of a socket counts and not its number: a descriptor that came over exec or from a parent that
// was not seen is the same socket.
func TestIdentityCountsAndNotTheNumber(t *testing.T) {
	r := newRecord("identity", "")
	r.socket(server, 3)
	r.run.Calls[0].NewSocket = 77
	r.whole(server, evidence.Call{Op: evidence.OpListen, FD: 3, Socket: 77, Backlog: 5}, 0)
	r.pid[server] = 300
	r.whole(server, evidence.Call{Op: evidence.OpAccept, FD: 0, Socket: 77}, -1).Errno = "EAGAIN"
	s := tell(r.done())
	if s.behind[3] == nil || s.behind[3] != s.made[1] || !s.behind[3].listening {
		t.Errorf("descriptor 0 of another process with the same identity is taken for another socket")
	}
}

func TestConnectionsWithoutPackets(t *testing.T) {
	run := twoClientsRun()
	with := livesOf(run)
	run.Packets, run.Missing = nil, []evidence.Missing{{What: evidence.MissingCapture, Why: "it is not allowed here"}}
	run.Call(7).Address = address(netip.MustParseAddrPort("127.0.0.1:40002"))
	if got := livesOf(run); got != with {
		t.Errorf("without packets:\n%swith them\n%s", got, with)
	}
	if text := Draw(run, DrawOptions{}).Text(Style{}, Marks{}); !strings.Contains(text, "not seen: capture: it is not allowed here") {
		t.Errorf("it is not said that packets are missing:\n%s", text)
	}
	checkDrawing(t, run)
}

func TestPacketsFindTheirArrival(t *testing.T) {
	var b strings.Builder
	for _, f := range tell(reorderedRun()).flights {
		fmt.Fprintf(&b, "%v ", f.frames())
	}
	if got, want := b.String(), "[1 2] [3 4] [5 6] [7 12] [8 9] [10 11] [13 14] [15 16] "; got != want {
		t.Errorf("flights %s, want %s", got, want)
	}
	lost := 0
	for _, f := range tell(wireRun()).flights {
		if f.lost() {
			lost++
		}
	}
	if lost != 1 {
		t.Errorf("%d packets are lost, want 1", lost)
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 27: "AB", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := letterOf(n); got != want {
			t.Errorf("letterOf(%d) = %s, want %s", n, got, want)
		}
	}
}
