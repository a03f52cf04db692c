package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

// recorded is a made-up record and what must be said of it.
type recorded struct {
	name string
	run  *evidence.Run
	// fails are the rules that fail, each with a part of what the student reads. All others judged in the
	// scene must not fail.
	fails map[string]string
	// skips are the rules that are skipped, each with a part of the reason; the others must pass.
	skips map[string]string
}

func (c recorded) check(t *testing.T) {
	t.Helper()
	for _, f := range Judge(c.run).Findings() {
		said := strings.Join([]string{f.Reason, f.Expected, f.Seen}, "\n")
		want, fails := c.fails[f.Rule]
		reason, skips := c.skips[f.Rule]
		switch {
		case fails && f.Verdict != Fail:
			t.Errorf("%s is judged %s (%s), want fail", f.Rule, f.Verdict, f.Reason)
		case fails && !strings.Contains(said, want):
			t.Errorf("%s fails and does not say %q:\n%s", f.Rule, want, said)
		case skips && f.Verdict != Skip:
			t.Errorf("%s is judged %s, want skip:\n%s", f.Rule, f.Verdict, said)
		case skips && !strings.Contains(f.Reason, reason):
			t.Errorf("%s is skipped because %q, want …%s…", f.Rule, f.Reason, reason)
		case !fails && !skips && f.Verdict != Pass:
			t.Errorf("%s is judged %s, want pass:\n%s", f.Rule, f.Verdict, said)
		}
		if f.Verdict == Fail {
			t.Logf("%s\n%s", f.Rule, said)
		}
		checkEvidence(t, c.run, f)
	}
	for _, list := range []map[string]string{c.fails, c.skips} {
		for id := range list {
			if !slices.Contains(Judged(id), c.run.Script.Scene) {
				t.Errorf("%s is not judged in the scene %s", id, c.run.Script.Scene)
			}
		}
	}
}

// checkEvidence holds a finding against the record that it cites.
func checkEvidence(t *testing.T, run *evidence.Run, f Finding) {
	t.Helper()
	for _, n := range f.Calls {
		if run.Call(n) == nil {
			t.Errorf("%s cites call %d, which is not there", f.Rule, n)
		}
	}
	for _, n := range f.Frames {
		if run.Packet(n) == nil {
			t.Errorf("%s cites frame %d, which is not there", f.Rule, n)
		}
	}
	if f.Verdict == Fail && (f.Expected == "" || f.Seen == "") {
		t.Errorf("%s fails without saying what was expected and seen: %+v", f.Rule, f)
	}
	if f.Verdict == Skip && f.Reason == "" {
		t.Errorf("%s is skipped without a reason", f.Rule)
	}
}

func checkAll(t *testing.T, cases []recorded) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, c.check)
	}
}

// Reasons that come up often.
var (
	staysUp      = map[string]string{"server.closes-listener": "stay up", "server.exits-zero": "stay up", "server.reply-clean": "no room"}
	noConnection = map[string]string{
		"server.accept-fresh-descriptor": "no accept", "server.talks-on-accepted": "neither", "server.reports-peer": "no client",
		"server.prints-message": "no client", "server.reply-clean": "no reply", "server.closes-accepted": "no client",
		"server.ends-with-fin": "no connection",
	}
)

func plus(base map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	for id, why := range base {
		all[id] = why
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func less(base map[string]string, ids ...string) map[string]string {
	all := plus(base)
	for _, id := range ids {
		delete(all, id)
	}
	return all
}

func TestRightServers(t *testing.T) { checkAll(t, rightServers()) }

func rightServers() []recorded {
	mapped := netip.MustParseAddrPort("[::ffff:127.77.1.2]:23456")
	return []recorded{
		{name: "the notes' own", run: made{}.plain()},
		{name: "echo", run: made{echo: true}.plain(), skips: staysUp},
		{name: "MPTCP listener after probe sockets, epoll and accept4", run: made{protocol: 262, probes: true, polls: true}.plain()},
		{name: "IPv4-mapped addresses on a dual-stack socket", run: made{domain: domainInet6, bind: mapped}.plain()},
		{name: "read and write in pieces", run: made{recvName: "read", sendName: "writev", pieces: []int{1, 100, 27}}.plain()},
		{name: "duplicates on 0 and 1", run: made{dups: true}.plain()},
		{name: "a child for each client", run: made{forks: true, echo: true}.plain(), skips: staysUp},
		{name: "a thread for each client", run: made{threads: true, echo: true}.plain(), skips: staysUp},
		{name: "closes by exit", run: made{exitCloses: true, keepsListener: true}.plain()},
		{name: "close_range", run: made{closesRange: true}.plain()},
		{name: "the listening socket came over exec", run: made{handedOver: true, noBind: true}.plain(),
			fails: map[string]string{"server.call-order": "without a successful bind"}},
		{name: "carriage return and newline", run: made{printsText: func(s string) string { return "from client: " + s + "\r\n" }}.plain()},
		{name: "prints much around it", run: made{printsPeer: func(a netip.AddrPort) string {
			return "listening\nclient ip:" + a.Addr().String() + ", port:" + port(a) + "\n"
		}}.plain()},
		{name: "the address in other words", run: made{printsPeer: func(a netip.AddrPort) string { return "new client /" + a.String() + ".\n" }}.plain()},
		{name: "no newline at the end", run: made{printsText: func(s string) string { return "from client: " + s }}.plain()},
		{name: "a backlog of the maximum", run: made{backlog: 4096}.plain()},
		{name: "stays up with its output in a buffer", run: made{echo: true, buffered: true}.plain(),
			skips: plus(staysUp, "server.reports-peer", "buffer", "server.prints-message", "buffer")},
		{name: "byte by byte", run: made{pieces: ones(128)}.byteByByte()},
		{name: "byte by byte, echo", run: made{echo: true, pieces: ones(len(text) + 1)}.byteByByte(), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "a full message", run: made{}.fullMessage()},
		{name: "a silent client ends it", run: made{}.badClient(evidence.SceneSilent)},
		{name: "a silent client ends it with status 1", run: made{status: 1}.badClient(evidence.SceneSilent)},
		{name: "a silent client, and then the next", run: made{echo: true}.badClient(evidence.SceneSilent)},
		{name: "a client that resets before its message", run: made{}.badClient(evidence.SceneResetBefore)},
		{name: "a client that resets after its message", run: made{echo: true}.badClient(evidence.SceneResetAfter)},
		{name: "a child that dies of the reset", run: made{echo: true, forks: true, crashesChild: true}.badClient(evidence.SceneResetAfter)},
		{name: "two clients", run: made{echo: true}.twoClients(), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "two clients, the first in two parts", run: made{echo: true, part: 3}.twoClients(), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "two clients, the first not heard to its end", run: made{echo: true, part: 3, hangsReceiving: true}.twoClients(), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "two clients, two threads", run: made{echo: true, threads: true}.twoClients(), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "many clients", run: made{echo: true}.manyClients(5, 5, 5), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "many clients, a pool that opens early", run: made{echo: true}.manyClients(5, 9, 9), skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "started again", run: made{}.restart(false)},
		{name: "port in use", run: made{bindFails: "EADDRINUSE", status: 1, stderr: "fail to bind: Address already in use\n"}.portInUse()},
		{name: "missing arguments", run: noArguments(evidence.Server, evidence.Outcome{ExitCode: 1, Stderr: evidence.Bytes("usage: server ip port\n")})},
	}
}

func port(a netip.AddrPort) string { return a.String()[strings.LastIndexByte(a.String(), ':')+1:] }

func ones(n int) []int { return slices.Repeat([]int{1}, n) }

func TestWrongServers(t *testing.T) { checkAll(t, wrongServers()) }

func wrongServers() []recorded {
	any23456 := netip.MustParseAddrPort("0.0.0.0:23456")
	swapped := netip.MustParseAddrPort("127.77.1.2:41051")
	return []recorded{
		{name: "a datagram socket", run: made{typ: 2, status: 1, stderr: "fail to listen\n"}.plain(),
			fails: map[string]string{"server.stream-socket": "SOCK_DGRAM", "server.call-order": "no socket was made to listen", "server.replies": "ECONNREFUSED"},
			skips: plus(noConnection, "server.backlog-sensible", "never listened", "server.waits-for-clients", "never listened", "server.closes-listener", "did not listen", "server.exits-zero", "no good exchange")},
		{name: "no listen", run: made{noListen: true, status: 1}.plain(),
			fails: map[string]string{"server.call-order": "accept(3) = -1 EINVAL", "server.replies": "ECONNREFUSED"},
			skips: plus(noConnection, "server.backlog-sensible", "never listened", "server.waits-for-clients", "never listened", "server.closes-listener", "did not listen", "server.exits-zero", "no good exchange")},
		{name: "accept before listen", run: made{acceptFirst: true}.plain(),
			fails: map[string]string{"server.call-order": "accept came before listen"}},
		{name: "no htons", run: made{bind: swapped}.plain(),
			fails: map[string]string{"server.binds-given-address": "port 41051 is 23456 with its two bytes the wrong way round", "server.replies": "ECONNREFUSED"},
			skips: plus(noConnection, "server.exits-zero", "no good exchange", "server.closes-listener", "no reason to end")},
		{name: "any address", run: made{bind: any23456}.plain(),
			fails: map[string]string{"server.binds-given-address": "0.0.0.0 is every address of the machine, not the one given"}},
		{name: "backlog 0", run: made{backlog: -2}.plain(),
			fails: map[string]string{"server.backlog-sensible": "listen(3, -2)"}},
		{name: "spins before accept", run: made{spins: true}.plain(),
			fails: map[string]string{"server.waits-for-clients": "100 times in a row without any waiting"}},
		{name: "never accepts", run: made{neverWaits: true, hangs: true}.plain(),
			fails: map[string]string{"server.waits-for-clients": "did not wait for clients", "server.call-order": "accept was not called", "server.replies": "no connection"},
			skips: plus(noConnection, "server.closes-listener", "no reason to end", "server.exits-zero", "no good exchange")},
		{name: "an accepted descriptor that was open", run: made{newFD: 3}.plain(),
			fails: map[string]string{"server.accept-fresh-descriptor": "accept(3) = 3"}},
		{name: "an accepted descriptor of another file", run: made{open: []int{0, 1, 2, 3, 4}}.plain(),
			fails: map[string]string{"server.accept-fresh-descriptor": "open were [0 1 2 3 4]"}},
		{name: "replies on the listening descriptor", run: made{sendsOn: "listener", status: 1}.plain(),
			fails: map[string]string{"server.talks-on-accepted": `send(3, "hello there 4711 *_*"\0×108, 128, 0) = -1 EPIPE`, "server.replies": "nothing came"},
			skips: map[string]string{"server.reply-clean": "no reply", "server.exits-zero": "no good exchange"}},
		{name: "replies on a number that is no socket", run: made{sendsOn: "nothing"}.plain(),
			fails: map[string]string{"server.talks-on-accepted": "ENOTSOCK", "server.replies": "nothing came"},
			skips: map[string]string{"server.reply-clean": "no reply"}},
		{name: "receives on the listening descriptor first", run: made{peeksListener: true}.plain(),
			fails: map[string]string{"server.talks-on-accepted": "recv(3, …, 128, 0) = -1 ENOTCONN"}},
		{name: "a child that stays has the listening socket", run: made{childListens: true}.plain(),
			fails: map[string]string{"server.closes-listener": "descriptor 3 was still open in process 109"}},
		{name: "prints another port", run: made{printsPeer: func(a netip.AddrPort) string { return "ip:127.88.3.4, port:30877\n" }}.plain(),
			fails: map[string]string{"server.reports-peer": "port 40312"}},
		{name: "prints a longer port", run: made{printsPeer: func(a netip.AddrPort) string { return "ip:127.88.3.4, port:403120\n" }}.plain(),
			fails: map[string]string{"server.reports-peer": "port 40312"}},
		{name: "prints another ip", run: made{printsPeer: func(a netip.AddrPort) string { return "ip:0.0.0.0, port:40312\n" }}.plain(),
			fails: map[string]string{"server.reports-peer": "127.88.3.4"}},
		{name: "prints all 128 bytes", run: made{printsText: func(s string) string { return "from client: " + frame(s) + "\n" }}.plain(),
			fails: map[string]string{"server.prints-message": `a part of a longer line:` + "\n" + `  "from client: hello there 4711"\0×112`}},
		{name: "prints old bytes", run: made{printsText: func(s string) string { return "from client: " + s + "zz\n" }}.plain(),
			fails: map[string]string{"server.prints-message": "zz"}},
		{name: "prints one word", run: made{printsText: func(s string) string { return "from client: hello\n" }}.plain(),
			fails: map[string]string{"server.prints-message": `"from client: hello"`}},
		{name: "prints on one line with the address", run: made{printsPeer: func(a netip.AddrPort) string { return "ip:" + a.Addr().String() + ", port:" + port(a) + " " }}.plain(),
			fails: map[string]string{"server.prints-message": "a part of a longer line"}},
		{name: "prints on standard error", run: made{printsText: func(string) string { return "" }, stderr: "from client: " + text + "\n"}.plain(),
			fails: map[string]string{"server.prints-message": "the line stands on standard error"}},
		{name: "prints nothing", run: made{buffered: true}.plain(),
			fails: map[string]string{"server.prints-message": "nothing on standard output", "server.reports-peer": "nothing on standard output"}},
		{name: "stays up and prints nothing however much there is", run: made{echo: true, buffered: true, filled: 1 << 20}.plain(),
			fails: map[string]string{"server.prints-message": "nothing on standard output", "server.reports-peer": "nothing on standard output"}, skips: staysUp},
		{name: "strlen instead of the frame", run: made{reply: func(s string) string { return s + suffix }}.plain(),
			fails: map[string]string{"server.replies": "the text is right, but 20 bytes came and a frame has 128"},
			skips: map[string]string{"server.reply-clean": "no reply"}},
		{name: "127 bytes", run: made{reply: func(s string) string { return frame(s + suffix)[:127] }}.plain(),
			fails: map[string]string{"server.replies": "127 bytes came"}, skips: nil},
		{name: "two frames", run: made{reply: func(s string) string { return frame(s+suffix) + frame("") }}.plain(),
			fails: map[string]string{"server.replies": "256 bytes came and a frame has 128"}},
		{name: "no suffix", run: made{reply: frame}.plain(),
			fails: map[string]string{"server.replies": "the text ends after 16 bytes of 20"}},
		{name: "no reply", run: made{noReply: true}.plain(),
			fails: map[string]string{"server.replies": "nothing came"}, skips: map[string]string{"server.reply-clean": "no reply"}},
		{name: "a NUL too many in the line", run: made{echo: true, reply: func(s string) string { return s + "\n\x00" }}.plain(),
			fails: map[string]string{"server.replies": "NULs follow the newline"}, skips: staysUp},
		{name: "no newline in the line", run: made{echo: true, reply: func(s string) string { return s }}.plain(),
			fails: map[string]string{"server.replies": "the newline at the end is missing"}, skips: staysUp},
		{name: "memory behind the text", run: made{reply: func(s string) string { return (frame(s + suffix))[:40] + "\x7fELF" + frame("")[:84] }}.plain(),
			fails: map[string]string{"server.reply-clean": `from byte 40 on: "\x7fELF"`}},
		{name: "the accepted descriptor never closed", run: made{echo: true, keepsAccepted: true}.plain(),
			fails: map[string]string{"server.closes-accepted": "descriptor 4 was still open in process 100", "server.ends-with-fin": "no FIN"}, skips: staysUp},
		{name: "shutdown instead of close", run: made{echo: true, shutsOnly: true}.plain(),
			fails: map[string]string{"server.closes-accepted": "shutdown(4, SHUT_RDWR) = 0\ndescriptor 4 was still open"}, skips: staysUp},
		{name: "the parent keeps its copy", run: made{echo: true, forks: true, keepsCopy: true}.plain(),
			fails: map[string]string{"server.closes-accepted": "descriptor 4 was still open in process 100", "server.ends-with-fin": "no FIN"}, skips: staysUp},
		{name: "does not end", run: made{keepsListener: true, hangs: true}.plain(),
			fails: map[string]string{"server.closes-listener": "descriptor 3 was still open", "server.exits-zero": "stopped"}},
		{name: "closes all and does not end", run: made{hangs: true}.hungAfterClosing(),
			fails: map[string]string{"server.exits-zero": "should have ended and did not"}},
		{name: "linger of 0", run: made{resets: true}.plain(),
			fails: map[string]string{"server.ends-with-fin": "setsockopt(4, SOL_SOCKET, SO_LINGER, {1, 0}) = 0"}},
		{name: "status 3", run: made{status: 3, stderr: "done\n"}.plain(),
			fails: map[string]string{"server.exits-zero": "the program exited with status 3"}},
		{name: "crashes after the reply", run: made{signal: "SIGSEGV", exitCloses: true, keepsListener: true}.plain(),
			fails: map[string]string{"server.exits-zero": "SIGSEGV"}},
		{name: "crashes though it stays up", run: made{echo: true, signal: "SIGABRT"}.plain(),
			fails: map[string]string{"server.exits-zero": "SIGABRT"}, skips: less(staysUp, "server.exits-zero")},
		{name: "one recv for a message", run: made{pieces: []int{1}, reply: func(s string) string { return frame(s[:1] + suffix) }}.byteByByte(),
			fails: map[string]string{"server.assembles-split-message": "the text is another one"}},
		{name: "the first byte closes", run: made{pieces: []int{1}, noReply: true, resets: true}.byteByByte(),
			fails: map[string]string{"server.assembles-split-message": "then the connection was reset"}, skips: map[string]string{"server.reply-clean": "no reply"}},
		{name: "the suffix overflows", run: made{reply: func(s string) string { return frame(s + "X")[:128] }}.fullMessage(),
			fails: map[string]string{"server.survives-full-message": "there is no NUL behind the text"}},
		{name: "the suffix is cut", run: made{reply: func(s string) string { return frame(s) }}.fullMessage(),
			fails: map[string]string{"server.survives-full-message": "the text is another one"}},
		{name: "dies of the full message", run: made{signal: "SIGABRT"}.fullMessage(),
			fails: map[string]string{"server.survives-full-message": "SIGABRT"}},
		{name: "ignores 0", run: made{loops: true}.badClient(evidence.SceneSilent),
			fails: map[string]string{"server.survives-silent-client": "recv(4, \"\", 128, 0) = 0\nand so on: 100 calls in a row"}},
		{name: "hangs after a silent client", run: made{echo: true, hangs: true}.badClient(evidence.SceneSilent),
			fails: map[string]string{"server.survives-silent-client": "is blocked"}},
		{name: "serves nobody after a silent client", run: made{echo: true, noReply: true}.badClient(evidence.SceneSilent),
			fails: map[string]string{"server.survives-silent-client": "the next client was not served"}},
		{name: "dies of a reset before the message", run: made{signal: "SIGPIPE"}.badClient(evidence.SceneResetBefore),
			fails: map[string]string{"server.survives-reset": "SIGPIPE"}},
		{name: "dies of a reset after the message", run: made{signal: "SIGPIPE"}.badClient(evidence.SceneResetAfter),
			fails: map[string]string{"server.survives-reset": "EPIPE"}},
		{name: "one buffer for all threads", run: made{echo: true, threads: true, reply: func(string) string { return text + " too\n" }}.twoClients(),
			fails: map[string]string{"server.replies": "client 1: the text is another one"}, skips: map[string]string{"server.reply-clean": ""}},
		{name: "the silent client blocks the other", run: made{echo: true, hangs: true}.twoClients(),
			fails: map[string]string{"server.serves-in-any-order": "the first client, which is silent, keeps the later one waiting"},
			skips: map[string]string{"server.replies": "no client", "server.reply-clean": "no room"}},
		{name: "the client that fell silent blocks the other", run: made{echo: true, hangs: true, part: 3}.twoClients(),
			fails: map[string]string{"server.serves-in-any-order": "which fell silent after 3 bytes of its message of 17, keeps"},
			skips: map[string]string{"server.replies": "no client", "server.reply-clean": "no room"}},
		{name: "serves one and ends", run: made{echo: true, status: 2}.manyClients(5, 5, 5),
			fails: map[string]string{"server.replies": "client 2 could not connect"},
			skips: map[string]string{"server.reply-clean": "no room", "server.leaks-no-descriptor": "not counted"}},
		{name: "leaks", run: made{echo: true, keepsAccepted: true}.manyClients(5, 9, 13),
			fails: map[string]string{"server.leaks-no-descriptor": "after 12 clients: 13 open"}, skips: map[string]string{"server.reply-clean": "no room"}},
		{name: "no SO_REUSEADDR", run: made{bindFails: "EADDRINUSE"}.restart(true),
			fails: map[string]string{"server.restarts-at-once": "bind(3, 127.77.1.2:23456) = -1 EADDRINUSE"}},
		{name: "ignores the port in use", run: made{bindFails: "EADDRINUSE", neverWaits: true, hangs: true}.portInUse(),
			fails: map[string]string{"server.checks-bind": "it went on and did not end"}},
		{name: "is silent about the port in use", run: made{bindFails: "EADDRINUSE", status: 1}.portInUse(),
			fails: map[string]string{"server.checks-bind": "nothing on standard error"}},
		{name: "ends well with the port in use", run: made{bindFails: "EADDRINUSE", stderr: "fail to bind\n"}.portInUse(),
			fails: map[string]string{"server.checks-bind": "status 0"}},
		{name: "misses the port in use", run: made{bind: swapped}.portInUse(),
			skips: map[string]string{"server.checks-bind": "did not bind the port"}},
		{name: "crashes without arguments", run: noArguments(evidence.Server, evidence.Outcome{Signal: "SIGSEGV"}),
			fails: map[string]string{"server.checks-usage": "SIGSEGV"}},
		{name: "prints its usage on standard output", run: noArguments(evidence.Server, evidence.Outcome{ExitCode: 1, Stdout: evidence.Bytes("usage: server ip port\n")}),
			fails: map[string]string{"server.checks-usage": "went to standard output"}},
		{name: "exits with 0 without arguments", run: noArguments(evidence.Server, evidence.Outcome{Stderr: evidence.Bytes("usage: server ip port\n")}),
			fails: map[string]string{"server.checks-usage": "status 0"}},
		{name: "runs without arguments", run: noArguments(evidence.Server, evidence.Outcome{Stopped: true, Signal: "SIGKILL", InWords: "was stopped by the harness at the deadline"}),
			fails: map[string]string{"server.checks-usage": "it went on and did not end"}},
	}
}

// hungAfterClosing is a server that closes everything and does not end.
func (m made) hungAfterClosing() *evidence.Run {
	t := newTape(m.script(evidence.ScenePlain, text))
	s := m.start(t)
	s.exchange(clientAddress, text)
	s.as(evidence.Server, programPID)
	s.close(s.listener)
	return s.end()
}
