package calltrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// The tests of this file execute the test binary again, under other rights.
const (
	roleVariable    = "CALLTRACE_TEST_ROLE"
	programVariable = "CALLTRACE_TEST_PROGRAM"
)

// play traces a program and prints what became of it; with the role "forbidden" ptrace is forbidden first.
func play(role string) int {
	if call, forbidden := strings.CutPrefix(role, "forbidden "); forbidden {
		if err := forbid(map[string]int{"ptrace": unix.SYS_PTRACE, "seccomp": unix.SYS_SECCOMP, "process_vm_readv": unix.SYS_PROCESS_VM_READV}[call]); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	path := os.Getenv(programVariable)
	if role == "dies" {
		return die(path)
	}
	trace, err := Start(context.Background(), Command{End: evidence.Server, Path: path, Args: []string{path, "20"}, Stderr: os.Stderr})
	if err != nil {
		fmt.Printf("unavailable %t: %v\n", errors.Is(err, ErrUnavailable) && errors.Is(err, errors.ErrUnsupported), err)
		return 0
	}
	ending, err := trace.Wait(context.Background())
	known := 0
	for _, c := range trace.Calls() {
		if c.Op == evidence.OpSend && c.Socket > 0 && c.Socket < 1<<40 && len(c.Data) == 128 {
			known++
		}
	}
	fmt.Printf("status %d, %d sends known, %v\n", ending.Status, known, err)
	return 0
}

// die ends this process while it traces a program that is blocked: one that makes a new call without its
// tracer fails anyway.
func die(path string) int {
	trace, err := Start(context.Background(), Command{End: evidence.Server, Path: path, Args: []string{path, "restart"}})
	if err == nil {
		err = trace.Await(context.Background(), func(calls []evidence.Call) bool {
			last := calls[len(calls)-1]
			return last.Op == evidence.OpRecv && last.Blocked
		})
	}
	fmt.Println(trace.PID(), err)
	return 0
}

// forbid makes a system call fail with EPERM in all threads of this process and what it starts.
func forbid(nr int) error {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: dataNr},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

func playAs(t *testing.T, role, program string, attr *syscall.SysProcAttr) string {
	t.Helper()
	command := exec.CommandContext(deadline(t), os.Args[0])
	command.Env = append(os.Environ(), roleVariable+"="+role, programVariable+"="+compiled(t, program))
	command.Dir = "/"
	command.SysProcAttr = attr
	out, err := command.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && attr != nil {
		t.Skip("no right to become another user or make a namespace: ", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

const playedWell = "status 0, 40 sends known, <nil>"

func TestAsNobody(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become nobody")
	}
	// The test binary stands in a folder that nobody else may enter: it is handed over open.
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	command := exec.CommandContext(deadline(t), "/proc/self/fd/3")
	command.ExtraFiles = []*os.File{self}
	command.Env = append(os.Environ(), roleVariable+"=plain", programVariable+"="+compiled(t, "pingpong.c"))
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := command.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != playedWell {
		t.Errorf("%v, %q, want %q", err, got, playedWell)
	}
}

func TestInUserNamespace(t *testing.T) {
	got := playAs(t, "plain", "pingpong.c", &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if got != playedWell {
		t.Errorf("%q, want %q", got, playedWell)
	}
}

// TestNothingOutlivesTheTracer ends a tracing process without any care.
func TestNothingOutlivesTheTracer(t *testing.T) {
	var pid int
	out := playAs(t, "dies", "signals.c", nil)
	if _, err := fmt.Sscan(out, &pid); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		var b [512]byte
		switch threadState(readProc(pid, "stat", b[:])) {
		case 0, 'Z', 'X':
			return
		}
		if time.Now().After(end) {
			unix.Kill(pid, unix.SIGKILL)
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func TestWherePtraceIsForbidden(t *testing.T) {
	got := playAs(t, "forbidden ptrace", "pingpong.c", nil)
	if !strings.HasPrefix(got, "unavailable true: ") || !strings.Contains(got, "ptrace") {
		t.Errorf("%q", got)
	}
}

func TestWhereSeccompIsForbidden(t *testing.T) {
	got := playAs(t, "forbidden seccomp", "pingpong.c", nil)
	if !strings.HasPrefix(got, "unavailable true: ") || !strings.Contains(got, "seccomp") {
		t.Errorf("%q", got)
	}
}

func TestWhereProcessVMReadIsForbidden(t *testing.T) {
	if got := playAs(t, "forbidden process_vm_readv", "pingpong.c", nil); got != playedWell {
		t.Errorf("%q, want %q", got, playedWell)
	}
}

// TestOtherCredentials starts programs as another user, and as the first process of a pid namespace and of
// a network namespace.
func TestOtherCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	path := compiled(t, "calls.c")
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Setsid: true}
	if r := run(t, Command{Path: "/usr/bin/id", Args: []string{"id", "-u"}, Sys: nobody}).succeeded(t); r.stdout != "65534\n" {
		t.Errorf("id: %q", r.stdout)
	}
	r := run(t, Command{Path: path, Sys: nobody, Dir: "/tmp"}).succeeded(t)
	if c := r.one0(evidence.OpSocket); c.NewSocket == 0 || c.NewSocket >= 1<<40 {
		t.Errorf("%+v", c)
	}
	space := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	r = run(t, Command{Path: compiled(t, "pingpong.c"), Args: []string{"pingpong", "10"}, Sys: space}).succeeded(t)
	if fork := r.one(t, evidence.OpFork); fork.Child < 10 || len(r.only(evidence.OpSend)) != 20 {
		t.Errorf("fork: %+v", fork)
	}
}

// TestOwnNetwork moves the tracer's thread, and so the program, into a network namespace of its own.
func TestOwnNetwork(t *testing.T) {
	enter := func() error { return unix.Unshare(unix.CLONE_NEWNET) }
	trace, err := Start(deadline(t), Command{Path: "/bin/cat", Args: []string{"cat", "/proc/self/net/dev"}, Enter: enter})
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trace.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	r := run(t, Command{Path: "/bin/cat", Args: []string{"cat", "/proc/self/net/dev"}, Enter: enter}).succeeded(t)
	if lines := strings.Count(r.stdout, ":"); lines != 1 {
		t.Errorf("devices:\n%s", r.stdout)
	}
}
