package rules

import (
	"net/netip"
	"testing"

	"tcpwitness/harness/evidence"
)

func TestRightClients(t *testing.T) { checkAll(t, rightClients()) }

func rightClients() []recorded {
	noRoom := map[string]string{"client.message-clean": "no room"}
	return []recorded{
		{name: "the notes' own", run: maid{}.plain()},
		{name: "echo", run: maid{echo: true}.plain(), skips: noRoom},
		{name: "sink", run: maid{sink: true}.plain(), skips: plus(noRoom, "client.prints-reply", "sends nothing")},
		{name: "greeting", run: maid{greeting: true}.plain(), skips: plus(noRoom, "client.sends-message", "sends nothing", "client.sends-after-connect", "sent nothing")},
		{name: "getaddrinfo", run: maid{resolver: true}.plain()},
		{name: "another address tried before", run: maid{tries: true}.plain()},
		{name: "nonblocking connect", run: maid{nonblocking: true}.plain()},
		{name: "nonblocking connect whose failure the first send tells", run: maid{learns: true}.plain()},
		{name: "refused, and the first send tells", run: maid{learns: true, status: 1, stderr: "fail to connect\n"}.refused()},
		{name: "half-close before recv", run: maid{half: true}.plain()},
		{name: "another thread receives", run: maid{recvThread: true}.plain()},
		{name: "another thread opens a file during connect", run: maid{noise: true}.plain()},
		{name: "write", run: maid{sendName: "write"}.plain()},
		{name: "a duplicate", run: maid{dup: true}.plain()},
		{name: "closes by exit", run: maid{exitCloses: true}.plain()},
		{name: "a prompt before", run: maid{prompt: "message: "}.plain()},
		{name: "a Chinese prompt before", run: maid{prompt: "请输入："}.plain()},
		{name: "CR LF", run: maid{prints: func(s string) string { return s[:len(s)-1] + "\r\n" }}.plain()},
		{name: "other lines around", run: maid{prints: func(s string) string { return "connected\n" + s + "bye\n" }}.plain()},
		{name: "byte by byte", run: maid{pieces: ones(128)}.visit(evidence.SceneByteByByte)},
		{name: "closed before the line", run: maid{status: 1}.closedOn(evidence.SceneClosedBefore)},
		{name: "closed after the message", run: maid{}.closedOn(evidence.SceneClosedAfter)},
		{name: "reset", run: maid{status: 1}.closedOn(evidence.SceneResetServer)},
		{name: "refused", run: maid{status: 1, stderr: "fail to connect: Connection refused\n"}.refused()},
		{name: "refused, nonblocking", run: maid{nonblocking: true, status: 1, stderr: "fail to connect: Connection refused\n"}.refused()},
		{name: "empty input", run: maid{}.empty()},
		{name: "empty input, status 1", run: maid{status: 1}.empty()},
		{name: "short send", run: maid{continues: true}.shortSend()},
		{name: "missing arguments", run: noArguments(evidence.Client, evidence.Outcome{ExitCode: 2, Stderr: evidence.Bytes("usage: client ip port\n")})},
	}
}

func TestWrongClients(t *testing.T) { checkAll(t, wrongClients()) }

func wrongClients() []recorded {
	swapped := netip.MustParseAddrPort("127.77.1.2:41051")
	unconnected := map[string]string{
		"client.call-order": "another address", "client.connect-keeps-descriptor": "no successful", "client.talks-on-its-socket": "neither",
		"client.sends-after-connect": "sent nothing", "client.message-clean": "did not connect", "client.prints-reply": "did not connect",
		"client.closes": "did not connect", "client.ends-with-fin": "no connection", "client.exits-zero": "no good exchange",
	}
	noReply := map[string]string{"client.prints-reply": "owed no reply"}
	return []recorded{
		{name: "a datagram socket", run: maid{typ: 2, status: 1}.plain(),
			fails: map[string]string{"client.stream-socket": "SOCK_DGRAM", "client.sends-message": "did not connect"},
			skips: plus(unconnected, "client.call-order", "no stream socket")},
		{name: "no htons", run: maid{to: swapped, status: 1, stderr: "fail to connect\n"}.plain(),
			fails: map[string]string{"client.connects-to-given-address": "port 41051 is 23456 with its two bytes", "client.sends-message": "did not connect"},
			skips: unconnected},
		{name: "does nothing", run: maid{noSocket: true, status: 1}.plain(),
			fails: map[string]string{"client.stream-socket": "created no socket", "client.connects-to-given-address": "no call of the sockets API",
				"client.sends-message": "no connection arrived"},
			skips: plus(unconnected, "client.call-order", "no stream socket")},
		{name: "connect makes a descriptor", run: maid{newFD: true}.plain(),
			fails: map[string]string{"client.connect-keeps-descriptor": "descriptor 4 was new"}},
		{name: "sends before connect", run: maid{sendsBefore: true}.plain(),
			fails: map[string]string{"client.sends-after-connect": "send(3, …, 128, 0) = -1 EPIPE\nconnect", "client.call-order": "sent before it was connected"}},
		{name: "receives before it sends", run: maid{recvFirst: true, hangs: true}.plain(),
			fails: map[string]string{"client.call-order": "waits for the reply and has sent nothing", "client.sends-message": "nothing came",
				"client.closes": "descriptor 3", "client.ends-with-fin": "no FIN", "client.exits-zero": "should have ended"},
			skips: plus(noReply, "client.sends-after-connect", "sent nothing", "client.message-clean", "no bytes")},
		{name: "never receives", run: maid{noRecv: true}.plain(),
			fails: map[string]string{"client.call-order": "did not receive", "client.prints-reply": "nothing on standard output"}},
		{name: "closes before it receives", run: maid{closesBefore: true}.plain(),
			fails: map[string]string{"client.call-order": "it used the descriptor after close(3) = 0", "client.prints-reply": "recv(3, …, 128, 0) = -1 EBADF"}},
		{name: "sends on what connect returned", run: maid{sendsOn: "nothing", status: 1}.plain(),
			fails: map[string]string{"client.talks-on-its-socket": "send(0,", "client.call-order": "sent nothing", "client.sends-message": "nothing came"},
			skips: plus(noReply, "client.sends-after-connect", "sent nothing", "client.message-clean", "no bytes", "client.exits-zero", "no good exchange")},
		{name: "sends on another socket", run: maid{sendsOn: "other", status: 1}.plain(),
			fails: map[string]string{"client.talks-on-its-socket": "send(4,", "client.call-order": "sent nothing", "client.sends-message": "nothing came", "client.sends-after-connect": "not connected"},
			skips: plus(noReply, "client.message-clean", "no bytes", "client.exits-zero", "no good exchange")},
		{name: "strlen instead of the frame", run: maid{message: func(s string) string { return s }, status: 1}.plain(),
			fails: map[string]string{"client.sends-message": "16 bytes came and a frame has 128"},
			skips: plus(noReply, "client.message-clean", "no bytes", "client.exits-zero", "no good exchange")},
		{name: "keeps the newline", run: maid{message: func(s string) string { return frame(s + "\n") }}.plain(),
			fails: map[string]string{"client.sends-message": "the newline was not taken off"}, skips: noReply},
		{name: "sends one word", run: maid{message: func(s string) string { return frame("hello") }}.plain(),
			fails: map[string]string{"client.sends-message": `"hello"\0×123`}, skips: noReply},
		{name: "memory behind the text", run: maid{message: func(s string) string { return frame(s)[:100] + "\x01\x02" + frame("")[:26] }}.plain(),
			fails: map[string]string{"client.message-clean": "from byte 100 on"}},
		{name: "prints the message", run: maid{prints: func(string) string { return "from server: " + text + "\n" }}.plain(),
			fails: map[string]string{"client.prints-reply": "from server: hello there 4711"}},
		{name: "a longer line", run: maid{prompt: "echo "}.plain(),
			fails: map[string]string{"client.prints-reply": `a part of a longer line:` + "\n" + `  "echo from server`}},
		{name: "old bytes behind the reply", run: maid{prints: func(s string) string { return s[:len(s)-1] + "zz\n" }}.plain(),
			fails: map[string]string{"client.prints-reply": "zz"}},
		{name: "a child keeps the socket", run: maid{keepsCopy: true}.plain(),
			fails: map[string]string{"client.closes": "descriptor 3 was still open in process 101", "client.ends-with-fin": "no FIN"}},
		{name: "a child keeps the socket after a half-close", run: maid{keepsCopy: true, shuts: true}.plain(),
			fails: map[string]string{"client.closes": "shutdown(3, SHUT_RDWR) = 0\nclose(3) = 0\ndescriptor 3 was still open in process 101"}},
		{name: "uses the descriptor after close", run: maid{useAfter: true}.plain(),
			fails: map[string]string{"client.call-order": "it used the descriptor after close(3) = 0"}},
		{name: "closes with data unread", run: maid{resets: true}.plain(),
			fails: map[string]string{"client.ends-with-fin": "[RST, ACK]"}},
		{name: "status 1", run: maid{status: 1}.plain(),
			fails: map[string]string{"client.exits-zero": "status 1"}},
		{name: "does not end", run: maid{hangs: true}.plain(),
			fails: map[string]string{"client.closes": "descriptor 3 was still open", "client.ends-with-fin": "no FIN", "client.exits-zero": "should have ended"}},
		{name: "one recv for the reply", run: maid{pieces: []int{1}, prints: func(string) string { return "from server: h\n" }}.visit(evidence.SceneByteByByte),
			fails: map[string]string{"client.assembles-split-reply": `"from server: h"`}},
		{name: "dies of SIGPIPE", run: maid{signal: "SIGPIPE"}.closedOn(evidence.SceneClosedBefore),
			fails: map[string]string{"client.survives-closed-server": "SIGPIPE"}},
		{name: "spins on 0", run: maid{loops: true}.closedOn(evidence.SceneClosedAfter),
			fails: map[string]string{"client.survives-closed-server": "100 calls in a row"}},
		{name: "hangs after a reset", run: maid{hangs: true}.closedOn(evidence.SceneResetServer),
			fails: map[string]string{"client.survives-closed-server": "it hangs"}},
		{name: "ignores that it was refused", run: maid{goesOn: true, status: 1, stderr: "fail to send\n"}.refused(),
			fails: map[string]string{"client.checks-connect": "it went on as if it were connected"}},
		{name: "is silent when refused", run: maid{status: 1}.refused(),
			fails: map[string]string{"client.checks-connect": "nothing on standard error"}},
		{name: "status 0 when refused", run: maid{stderr: "fail to connect\n"}.refused(),
			fails: map[string]string{"client.checks-connect": "status 0"}},
		{name: "crashes on empty input", run: maid{signal: "SIGSEGV"}.empty(),
			fails: map[string]string{"client.handles-empty-input": "SIGSEGV"}},
		{name: "hangs on empty input", run: maid{hangs: true}.empty(),
			fails: map[string]string{"client.handles-empty-input": "hangs"}},
		{name: "leaves a send short", run: maid{}.shortSend(),
			fails: map[string]string{"client.sends-everything": "[length cut from 128 to 7]"}},
		{name: "crashes without arguments", run: noArguments(evidence.Client, evidence.Outcome{Signal: "SIGSEGV"}),
			fails: map[string]string{"client.checks-usage": "SIGSEGV"}},
	}
}
