package program

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// place is an environment that the tests are run in once more, by this binary executed again.
const place = "TCPWITNESS_TEST_PLACE"

// nobody is a user that has no other processes on the machine, should a program get at them.
const nobody = 64321

// bearing are the tests that are repeated: those that depend on what a machine allows.
const bearing = "^(TestEndings|TestStop|TestDaemon|TestKillsEverybody|TestForkBomb|TestDebugsItsKeeper|TestRights|TestNoDescriptors|" +
	"TestUnstartable|TestDescriptors|TestFolderIsRemoved|TestTracedOrNot|TestOthersFiles|TestWritable|TestTemporaryFilesAreItsOwn|" +
	"TestMountsStay|TestConfinementInWords|TestCannotSignalOthers)$"

// TestElsewhere repeats the tests on machines that allow less.
func TestElsewhere(t *testing.T) {
	if os.Getenv(place) != "" {
		t.Skip("already elsewhere")
	}
	if testing.Short() {
		t.Skip("long")
	}
	same := []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	as := []syscall.SysProcIDMap{{ContainerID: nobody, HostID: nobody, Size: 1}}
	unprivileged := &syscall.Credential{Uid: nobody, Gid: nobody}
	for _, c := range []struct {
		name string
		root bool // only root can go there
		sys  *syscall.SysProcAttr
		skip string
	}{
		{"an unprivileged user", true, &syscall.SysProcAttr{Credential: unprivileged}, ""},
		{"an unprivileged user in a user namespace", true, &syscall.SysProcAttr{
			Credential: unprivileged, Cloneflags: unix.CLONE_NEWUSER, UidMappings: as, GidMappings: as,
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_PTRACE, unix.CAP_DAC_OVERRIDE},
		}, ""},
		{"no namespaces", false, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: same, GidMappings: same},
			// As root, with nothing but a filter between it and the machine, this is nothing to try.
			"TestForkBomb/untraced|TestKillsEverybody|TestDebugsItsKeeper"},
		{"no namespaces, unprivileged", true, &syscall.SysProcAttr{
			Credential: unprivileged, Cloneflags: unix.CLONE_NEWUSER, UidMappings: as, GidMappings: as,
			AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE},
		}, ""},
		{"no ptrace", false, nil, ""},
		{"no memory files", false, nil, ""},
		{"no Landlock", false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root && os.Getuid() != 0 {
				t.Skip("takes root")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, copyOfSelf(t), "-test.v", "-test.run", bearing, "-test.skip", c.skip)
			cmd.Dir = "/"
			home := cmp.Or(freshIn(t, "/run"), homeFolder(t))
			if home != "" && c.root {
				if err := os.Chown(home, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
			cmd.Env = append(os.Environ(), place+"="+c.name, "TMPDIR=/tmp", "HOME="+cmp.Or(home, "/tmp"))
			cmd.SysProcAttr = c.sys
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := strings.Count(string(out), "--- PASS"); n < 50 {
				t.Errorf("only %d tests passed there:\n%s", n, out)
			}
		})
	}
}

// copyOfSelf is this binary where every user can execute it.
func copyOfSelf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "program-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(dir, "program.test")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(out, in)
		out.Close()
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// settleIn takes away what the place does not have.
func settleIn() {
	here := os.Getenv(place)
	switch {
	case strings.HasPrefix(here, "no namespaces"):
		for _, kind := range []string{"user", "pid", "ipc", "net", "mnt"} {
			file := fmt.Sprintf("/proc/sys/user/max_%s_namespaces", kind)
			if err := os.WriteFile(file, []byte("0"), 0); err != nil {
				panic(err)
			}
		}
		if os.Getuid() != 0 {
			// A bomb that gets away does no harm to others.
			if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 4000, Max: 4000}); err != nil {
				panic(err)
			}
		}
	case here == "no ptrace":
		refuse(unix.SYS_PTRACE)
	case here == "no memory files":
		refuse(unix.SYS_MEMFD_CREATE)
	case here == "no Landlock":
		refuse(unix.SYS_LANDLOCK_CREATE_RULESET)
	}
}

// refuse makes a system call fail with EPERM in all threads from now on.
func refuse(number uint32) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: number},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
}

// Where tracing is not possible the program runs all the same, and it is said why nothing is recorded.
func TestTracedOrNot(t *testing.T) {
	g := newGround(t, false)
	proc, err := shell(t, "exit 0").Start(t.Context(), Start{Trace: true, Env: []string{g.marker}})
	if err != nil {
		t.Fatal(err)
	}
	o := proc.Wait(t.Context())
	traced, why := proc.Traced()
	if want := os.Getenv(place) != "no ptrace"; traced != want || (why == "") != want || !o.ExitedZero() || (len(proc.Calls()) > 0) != want {
		t.Errorf("traced: %v, because %q; %s, %d calls", traced, why, o.InWords, len(proc.Calls()))
	}
	execs := 0
	proc.Look(func(c *evidence.Call) {
		if c.Op == evidence.OpExec {
			execs++
		}
	})
	// The shell's own; that of the steps before it is nobody's business.
	if traced && (execs != 1 || len(proc.Calls()) == 0 || proc.Calls()[0].Op != evidence.OpExec) {
		t.Errorf("%d execs in %v", execs, proc.Calls())
	}
	never := func([]evidence.Call) bool { return false }
	switch err := proc.AwaitCalls(t.Context(), never); {
	case traced && !errors.Is(err, ErrEnded), !traced && !errors.Is(err, ErrNotTraced):
		t.Errorf("%v", err)
	}
}
