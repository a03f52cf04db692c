package sandbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestProbeSaysWhatIsHere(t *testing.T) {
	a, err := Probe(Auto)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(a)
	if hostRoot() {
		want := Ability{Isolation: Namespace, Capture: true, Trace: true, PIDNamespace: true}
		if a != want {
			t.Errorf("root of the machine has %v, want %v", a, want)
		}
	}
	if a.Isolation == Namespace {
		s := fresh(t, a.Isolation)
		s.Close()
	} else if a.WhyShared == "" {
		t.Error("no reason for shared isolation")
	}
}

func TestProbeTakesAWish(t *testing.T) {
	if a, err := Probe(Shared); err != nil || a.Isolation != Shared || a.WhyShared != "as asked for" {
		t.Errorf("Probe(Shared) = %v, %v", a, err)
	}
	if a, err := Probe("both"); err == nil {
		t.Errorf("Probe of a wrong word = %v", a)
	}
}

func TestProbeSaysWhatIsRefused(t *testing.T) {
	needUserNamespaces(t)
	out, err := refused(program(t, "probe", "WISH=auto"), "net", "user").Output()
	const shared = "isolation shared (unshare the network namespace: no space left on device), no capture (open a packet socket: operation not permitted), "
	if err != nil || !strings.HasPrefix(string(out), shared) {
		t.Errorf("%v, said %q, want %q", err, out, shared)
	}
	out, err = refused(program(t, "probe", "WISH=namespace"), "net", "user").Output()
	const impossible = "isolation namespace is not possible here: unshare the network namespace: no space left on device"
	if exitOf(t, err) != 1 || !strings.Contains(string(out), impossible) {
		t.Errorf("%v, said %q, want %q", err, out, impossible)
	}
	out, err = refused(program(t, "probe", "WISH=auto"), "pid").Output()
	const noPID = "trace, no pid namespace (start a traced child: no space left on device)"
	if err != nil || !strings.Contains(string(out), noPID) {
		t.Errorf("%v, said %q, want %q", err, out, noPID)
	}
}

func modeProbe() int {
	refuse()
	a, err := Probe(Isolation(os.Getenv("WISH")))
	fmt.Println(a)
	if child, err := unix.Wait4(-1, nil, unix.WALL|unix.WNOHANG, nil); err != unix.ECHILD {
		fmt.Println("a child is left:", child, err)
		return 3
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func TestProbeSaysThatTracingIsForbidden(t *testing.T) {
	out, err := program(t, "probe-no-ptrace").Output()
	const forbidden = ", no trace (start a traced child: operation not permitted), no pid namespace (not tried without ptrace)"
	if err != nil || !strings.Contains(string(out), forbidden) {
		t.Errorf("%v, said %q, want %q", err, out, forbidden)
	}
}

// modeProbeWithoutPtrace forbids itself ptrace, as some containers do, and probes.
func modeProbeWithoutPtrace() int {
	if err := forbid(unix.SYS_PTRACE); err != nil {
		fmt.Println(err)
		return 1
	}
	a, err := Probe(Auto)
	fmt.Println(a)
	if err != nil {
		return 1
	}
	return 0
}

// forbid makes a system call fail with EPERM in all threads, by seccomp(2).
func forbid(number uint32) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return seccomp(unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, &program)
}
func seccomp(operation, flags uintptr, program *unix.SockFprog) error {
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, operation, flags, uintptr(unsafe.Pointer(program)))
	if errno != 0 {
		return errno
	}
	return nil
}
