package calltrace

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tcpwitness/harness/evidence"
)

// TestEveryCall traces a program that makes every call, and looks at each of them.
func TestEveryCall(t *testing.T) {
	r := runProgram(t, compiled(t, "calls.c")).succeeded(t)
	want := strings.TrimSpace(`
execve() = 0
socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3
setsockopt(3, SOL_SOCKET, SO_REUSEADDR, 1) = 0
bind(3, 127.1.2.3:0) = 0
listen(3, 7) = 0
getsockname(3) = 0; SERVER
socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 4
connect(4, SERVER) = 0
accept(3) = 5, new; peer CLIENT
getpeername(5) = 0; CLIENT
sendto(4, "send", 4, MSG_NOSIGNAL) = 4
recvfrom(5, "send", 100, 0) = 4
write(4, "write", 5) = 5
read(5, "write", 100) = 5
writev(4, "writev", 6) = 6
readv(5, "writev", 52) = 6
sendmsg(4, "writev", 6, 0) = 6
recvmsg(5, "writev", 52, 0) = 6
sendmmsg(4, "writevwri", 9, 0) = 9
recvmmsg(5, "writevwri", 52, 0) = 9
pwritev2(4, "writev", 6, 0) = 6
preadv2(5, "writev", 52, 0) = 6
sendfile(4, "23456", 5) = 5
recvfrom(5, "23456", 100, MSG_PEEK) = 5
recvfrom(5, "23456", 100, 0) = 5
splice(4, …, 7) = 7
splice(5, …, 7) = 7
sendto(4, "w", 1, 0) = 1
poll({5}, 5000 ms) = 1
poll({5}, 0 ms) = 1
ppoll({5}, 0 ms) = 1
ppoll({5}, 1000 ms) = 1
SELECT({5}, no timeout) = 1
EPOLL({5}, no timeout) = 1
getsockopt(4, SOL_SOCKET, SO_ERROR, 0) = 0
fcntl(4, F_SETFL, O_NONBLOCK) = 0
ioctl(4, 21537, 1) = 0
dup(4) = 9
dup2(4, 50) = 50
dup3(4, 51) = 51
fcntl(4, F_DUPFD, 60) = 60
dup2(50) = 0
close(9) = 0
close_range(51) = 0
close_range(60) = 0
recvfrom(4, …, 100, MSG_DONTWAIT) = -1 EAGAIN
connect(4, SERVER) = -1 EISCONN
accept(4) = -1 EINVAL
sendto(999, "x", 1, 0) = -1 EBADF
socket(AF_INET6, SOCK_DGRAM|SOCK_NONBLOCK, 0) = 9
sendto(9, "six", 3, 0, [::1]:9) = 3
close(9) = 0
socket(AF_UNIX, SOCK_STREAM, 0) = 9
connect(9, unix:@calltrace-none) = -1 ECONNREFUSED
close(9) = 0
socketpair(AF_UNIX, SOCK_STREAM, 0) = 0
socketpair(AF_UNIX, SOCK_STREAM, 0) = 0
shutdown(4, SHUT_WR) = 0
close(4) = 0
close(4) = -1 EBADF
close(5) = 0
close(3) = 0
exit(0)`)
	var got []string
	server, client := r.calls[5].Address.String(), r.calls[8].Address.String()
	names := strings.NewReplacer(server, "SERVER", client, "CLIENT", "pselect6(", "SELECT(", "select(", "SELECT(",
		"epoll_pwait(", "EPOLL(", "epoll_wait(", "EPOLL(")
	for _, c := range r.calls {
		got = append(got, names.Replace(c.String()))
	}
	for i, line := range strings.Split(want, "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("call %d is not %q:\n%s", i+1, line, strings.Join(got, "\n"))
		}
	}
	checkIdentities(t, r)
}

// checkIdentities demands that every descriptor of a socket leads to the same socket all the time.
func checkIdentities(t *testing.T, r ran) {
	t.Helper()
	now := map[int]uint64{}
	for _, c := range r.calls {
		if c.FD >= 0 && c.Op != evidence.OpWait && c.Socket != now[c.FD] && c.FD != 999 {
			t.Errorf("call %d: descriptor %d leads to socket %d, want %d", c.N, c.FD, c.Socket, now[c.FD])
		}
		if c.Op == evidence.OpClose {
			delete(now, c.FD)
		}
		if c.NewFD != nil {
			if c.NewSocket == 0 {
				t.Errorf("call %d makes no known socket", c.N)
			}
			if c.Op == evidence.OpDup && c.NewSocket != c.Socket {
				t.Errorf("call %d: the copy leads to socket %d, not %d", c.N, c.NewSocket, c.Socket)
			}
			now[*c.NewFD] = c.NewSocket
		}
	}
	if accept := r.one0(evidence.OpAccept); accept == nil || !slices.Equal(accept.New(), []int{5}) {
		t.Errorf("accept made new descriptors: %+v", accept)
	}
	if connect := r.one0(evidence.OpConnect); connect == nil || connect.Before == nil || !slices.Equal(connect.Before, connect.After) {
		t.Errorf("connect made new descriptors: %+v", connect)
	}
}

// one0 is the first call of an operation, nil for none.
func (r ran) one0(op evidence.Op) *evidence.Call {
	for i := range r.calls {
		if r.calls[i].Op == op {
			return &r.calls[i]
		}
	}
	return nil
}

// TestAgainstStrace runs programs under strace too, and demands the same calls with the same results.
func TestAgainstStrace(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip(err)
	}
	for _, program := range []string{"calls.c", "pingpong.c", "mixed.c"} {
		t.Run(program, func(t *testing.T) {
			path := compiled(t, program)
			args := map[string][]string{"pingpong.c": {"50"}, "mixed.c": {"100", "40", "10"}}[program]
			log := filepath.Join(t.TempDir(), "strace")
			traced := "socket,socketpair,bind,listen,accept,accept4,connect,sendto,recvfrom,sendmsg,recvmsg,sendmmsg,recvmmsg," +
				"shutdown,setsockopt,getsockopt,getsockname,getpeername"
			command := exec.Command(strace, append([]string{"-f", "-o", log, "-e", "trace=" + traced, path}, args...)...)
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("strace: %v\n%s", err, out)
			}
			r := runProgram(t, path, args...).succeeded(t)
			want, got := straceCalls(t, log), callsByProcess(r.calls, strings.Split(traced, ","))
			if len(want) != len(got) {
				t.Fatalf("strace saw %d processes, we %d", len(want), len(got))
			}
			for i := range want {
				if !slices.Equal(want[i], got[i]) {
					t.Errorf("process %d: strace saw\n%s\nwe saw\n%s", i, strings.Join(want[i], "\n"), strings.Join(got[i], "\n"))
				}
			}
		})
	}
}

// straceCalls reads "name = result" of each process, in the order in which processes appear.
func straceCalls(t *testing.T, log string) [][]string {
	t.Helper()
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	line := regexp.MustCompile(`^(\d+)\s+(?:<\.\.\. )?(\w+)(?:\(| resumed>).*\) += (-?\d+)(?: (E\w+))?`)
	unfinished := regexp.MustCompile(`^(\d+)\s+(\w+)\(.*<unfinished \.\.\.>$`)
	var order []string
	calls := map[string][]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if unfinished.MatchString(lines.Text()) {
			continue
		}
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if _, known := calls[m[1]]; !known {
			order = append(order, m[1])
		}
		calls[m[1]] = append(calls[m[1]], resultLine(m[2], m[3], m[4]))
	}
	slices.SortFunc(order, func(a, b string) int { return len(calls[a]) - len(calls[b]) })
	var all [][]string
	for _, pid := range order {
		all = append(all, calls[pid])
	}
	return all
}

func resultLine(name, result, errno string) string {
	if name == "sendmmsg" || name == "recvmmsg" {
		return name // we count bytes, the system call counts messages
	}
	return strings.TrimSpace(name + " = " + result + " " + errno)
}

func callsByProcess(calls []evidence.Call, names []string) [][]string {
	var order []int
	by := map[int][]string{}
	for i, c := range calls {
		if !slices.Contains(names, c.Name) || c.Name == "recvmsg" && c.Op == evidence.OpDup {
			continue
		}
		if c.Name == "socketpair" && i > 0 && calls[i-1].Name == "socketpair" && calls[i-1].Entry == c.Entry {
			continue // its second descriptor
		}
		if _, known := by[c.PID]; !known {
			order = append(order, c.PID)
		}
		by[c.PID] = append(by[c.PID], resultLine(c.Name, strconv.Itoa(c.Result), c.Errno))
	}
	slices.SortFunc(order, func(a, b int) int { return len(by[a]) - len(by[b]) })
	var all [][]string
	for _, pid := range order {
		all = append(all, by[pid])
	}
	return all
}
