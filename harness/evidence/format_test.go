package evidence

import (
	"net/netip"
	"strings"
	"testing"
	"unicode"
)

func fd(n int) *int { return &n }

func at(text string) Address {
	address := netip.MustParseAddrPort(text)
	family := 2
	if address.Addr().Is6() {
		family = 10
	}
	return Address{Family: family, AddrPort: address}
}

// TestCallString holds the C-like form of every kind of call.
func TestCallString(t *testing.T) {
	frame := append([]byte("hello"), make([]byte, 123)...)
	for _, test := range []struct {
		call Call
		want string
	}{
		{Call{Op: OpSocket, Name: "socket", FD: -1, Domain: 2, Type: 1, Result: 3, NewFD: fd(3), Exit: 1}, `socket(AF_INET, SOCK_STREAM, 0) = 3`},
		{Call{Op: OpSocket, Name: "socket", FD: -1, Domain: 10, Type: 2, Flags: 0o2004000, Protocol: 17, Result: -1, Errno: "EMFILE", Exit: 1},
			`socket(AF_INET6, SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC, IPPROTO_UDP) = -1 EMFILE`},
		{Call{Op: OpSocket, Name: "socket", FD: -1, Domain: 99, Type: 11, Result: -1, Errno: "EAFNOSUPPORT", Exit: 1}, `socket(99, 11, 0) = -1 EAFNOSUPPORT`},
		{Call{Op: OpBind, Name: "bind", FD: 3, Address: at("0.0.0.0:8080"), Exit: 1}, `bind(3, 0.0.0.0:8080) = 0`},
		{Call{Op: OpBind, Name: "bind", FD: 3, Address: Address{Family: 2, AddrPort: netip.MustParseAddrPort("1.2.3.4:5"), Length: 4}, Result: -1, Errno: "EINVAL", Exit: 1},
			`bind(3, 1.2.3.4:5, 4) = -1 EINVAL`},
		{Call{Op: OpBind, Name: "bind", FD: 3, Exit: 1}, `bind(3, ?) = 0`},
		{Call{Op: OpListen, Name: "listen", FD: 3, Backlog: 10, Exit: 1}, `listen(3, 10) = 0`},
		{Call{Op: OpAccept, Name: "accept", FD: 3, Result: 4, NewFD: fd(4), Before: []int{0, 3}, After: []int{0, 3, 4}, Address: at("127.0.0.1:40312"), Exit: 1},
			`accept(3) = 4, new; peer 127.0.0.1:40312`},
		{Call{Op: OpAccept, Name: "accept4", FD: 3, Flags: 0o4000, Result: 3, NewFD: fd(3), Before: []int{0, 3}, After: []int{0, 3}, Exit: 1},
			`accept4(3, SOCK_NONBLOCK) = 3`},
		{Call{Op: OpAccept, Name: "accept", FD: 3}, `accept(3) has not returned`},
		{Call{Op: OpAccept, Name: "accept", FD: 3, Blocked: true}, `accept(3) is blocked`},
		{Call{Op: OpConnect, Name: "connect", FD: 3, Address: at("[::1]:80"), Result: -1, Errno: "ECONNREFUSED", Exit: 1}, `connect(3, [::1]:80) = -1 ECONNREFUSED`},
		{Call{Op: OpConnect, Name: "connect", FD: 3, Address: Address{Family: 1, Path: "/tmp/x"}, Exit: 1}, `connect(3, unix:/tmp/x) = 0`},
		{Call{Op: OpRecv, Name: "recv", FD: 4, Data: frame, Length: 128, Result: 128, Exit: 1}, `recv(4, "hello"\0×123, 128, 0) = 128`},
		{Call{Op: OpRecv, Name: "recv", FD: 4, Length: 128, Exit: 1}, `recv(4, "", 128, 0) = 0`},
		{Call{Op: OpRecv, Name: "recv", FD: 4, Length: 128, Flags: 0x42}, `recv(4, …, 128, MSG_PEEK|MSG_DONTWAIT) has not returned`},
		{Call{Op: OpRecv, Name: "recvfrom", FD: 4, Length: 128, Data: Bytes("x"), Result: 1, Address: at("10.0.0.1:53"), Exit: 1}, `recvfrom(4, "x", 128, 0) = 1; from 10.0.0.1:53`},
		{Call{Op: OpRecv, Name: "read", FD: 4, Data: Bytes("a\n"), Length: 10, Result: 2, Exit: 1}, `read(4, "a\n", 10) = 2`},
		{Call{Op: OpSend, Name: "send", FD: 4, Data: Bytes(strings.Repeat("a", 200)), Length: 200, Result: 200, Exit: 1, Flags: 0x4000},
			`send(4, "` + strings.Repeat("a", 48) + `"…, 200, MSG_NOSIGNAL) = 200`},
		{Call{Op: OpSend, Name: "send", FD: 4, Data: Bytes("first"), Length: 5000, Result: 5000, Exit: 1, Altered: "length cut from 5000 to 7"},
			`send(4, "first"…, 5000, 0) = 5000 [length cut from 5000 to 7]`},
		{Call{Op: OpSend, Name: "sendto", FD: 4, Data: Bytes("x"), Length: 1, Result: 1, Address: at("10.0.0.1:53"), Exit: 1}, `sendto(4, "x", 1, 0, 10.0.0.1:53) = 1`},
		{Call{Op: OpSend, Name: "send", FD: 4, Exit: 1}, `send(4, "", 0, 0) = 0`},
		{Call{Op: OpSend, Name: "send", FD: 4, Length: 3, Result: -1, Errno: "EPIPE", Exit: 1}, `send(4, …, 3, 0) = -1 EPIPE`},
		{Call{Op: OpSend, Name: "send", FD: 4, Flags: 0x80040, Result: -1, Errno: "EAGAIN", Exit: 1, Length: 1}, `send(4, …, 1, MSG_DONTWAIT|0x80000) = -1 EAGAIN`},
		{Call{Op: OpShutdown, Name: "shutdown", FD: 4, How: 1, Exit: 1}, `shutdown(4, SHUT_WR) = 0`},
		{Call{Op: OpClose, Name: "close", FD: 4, Exit: 1}, `close(4) = 0`},
		{Call{Op: OpDup, Name: "dup2", FD: 4, Result: 1, NewFD: fd(1), Exit: 1}, `dup2(4, 1) = 1`},
		{Call{Op: OpDup, Name: "dup", FD: 4, Result: 5, NewFD: fd(5), Exit: 1}, `dup(4) = 5`},
		{Call{Op: OpDup, Name: "fcntl", FD: 4, Option: 1030, Arg: 10, Result: 10, NewFD: fd(10), Exit: 1}, `fcntl(4, F_DUPFD_CLOEXEC, 10) = 10`},
		{Call{Op: OpFcntl, Name: "fcntl", FD: 4, Option: 4, Arg: 0o4002, Exit: 1}, `fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0`},
		{Call{Op: OpFcntl, Name: "fcntl", FD: 4, Option: 3, Result: 2, Exit: 1}, `fcntl(4, F_GETFL) = 2`},
		{Call{Op: OpSetOption, Name: "setsockopt", FD: 3, Level: 1, Option: 2, Value: []byte{1, 0, 0, 0}, Exit: 1}, `setsockopt(3, SOL_SOCKET, SO_REUSEADDR, 1) = 0`},
		{Call{Op: OpSetOption, Name: "setsockopt", FD: 3, Level: 1, Option: 13, Value: []byte{1, 0, 0, 0, 0, 0, 0, 0}, Exit: 1}, `setsockopt(3, SOL_SOCKET, SO_LINGER, {1, 0}) = 0`},
		{Call{Op: OpGetOption, Name: "getsockopt", FD: 3, Level: 6, Option: 77, Exit: 1}, `getsockopt(3, IPPROTO_TCP, 77, ?) = 0`},
		{Call{Op: OpGetSockName, Name: "getsockname", FD: 3, Address: at("127.0.0.1:8080"), Exit: 1}, `getsockname(3) = 0; 127.0.0.1:8080`},
		{Call{Op: OpWait, Name: "poll", FD: -1, Watched: []int{3, 5}, Arg: -1, Result: 1, Exit: 1}, `poll({3 5}, no timeout) = 1`},
		{Call{Op: OpWait, Name: "epoll_wait", FD: 7, Arg: 100, Exit: 1}, `epoll_wait(7, 100 ms) = 0`},
		{Call{Op: OpFork, Name: "fork", FD: -1, Child: 44, Result: 44, Exit: 1}, `fork() = 44`},
		{Call{Op: OpExit, Name: "exit", FD: -1, Result: 3, Exit: 1}, `exit(3)`},
		{Call{Op: OpExit, Name: "killed", FD: -1, Arg: 11, Exit: 1}, `killed(SIGSEGV)`},
		{Call{Op: OpRefused, Name: "io_uring_setup", FD: -1, Result: -1, Errno: "ENOSYS", Exit: 1}, `io_uring_setup() = -1 ENOSYS`},
	} {
		if got := test.call.String(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for _, test := range []struct {
		data  string
		limit int
		whole int
		want  string
	}{
		{"", 10, 0, `""`},
		{"", 10, 5, `""…`},
		{"a\x00b", 10, 3, `"a\0b"`},
		{"a\x001", 10, 3, `"a\x001"`}, // \01 would be another character in C
		{"a\x00\x00\x00b", 10, 5, `"a"\0×3"b"`},
		{"\x00\x00\x00\x00", 10, 4, `\0×4`},
		{"\x00", 10, 1, `"\0"`},
		{"ab\x00\x00\x00\x00\x00\x00\x00\x00", 3, 10, `"ab"\0×8`},
		{"abc\x00\x00\x00\x00", 3, 7, `"abc"`}, // padding at the end is not worth an ellipsis
		{"abcd", 3, 4, `"abc"…`},
		{"套接字", 100, 9, `"套接字"`},
		{"\u202etxt.exe", 100, 10, `"\u202etxt.exe"`},
		{"\x1b[31m", 100, 5, `"\x1b[31m"`},
		{"\xff\xfe", 100, 2, `"\xff\xfe"`},
		{"say \"hi\" \\", 100, 10, `"say \"hi\" \\"`},
		{"\U000e0001", 100, 4, `"\U000e0001"`},
	} {
		if got := Bytes(test.data).Quoted(test.limit, test.whole); got != test.want {
			t.Errorf("%q: got %s, want %s", test.data, got, test.want)
		}
	}
}

// FuzzQuoted makes sure that nothing gets through which could act on a terminal.
func FuzzQuoted(f *testing.F) {
	f.Add([]byte("hello\x00\x00\x1b[0m\u202e\xff"), 10, 30)
	f.Fuzz(func(t *testing.T, data []byte, limit, whole int) {
		for _, text := range []string{Bytes(data).Quoted(limit, whole), strings.NewReplacer("\n", "", "\t", "").Replace(Printable(string(data)))} {
			for _, r := range text {
				if !unicode.IsPrint(r) || r == unicode.ReplacementChar && !strings.ContainsRune(string(data), r) {
					t.Fatalf("%q lets %U through: %q", data, r, text)
				}
			}
		}
	})
}

func TestPrintableKeepsLinesAndQuotes(t *testing.T) {
	if got, want := Printable("a \"b\" \\\n\tc\r\x07\u2066"), "a \"b\" \\\n\tc\\r\\x07\\u2066"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
