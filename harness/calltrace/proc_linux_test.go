package calltrace

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestListOfDescriptors(t *testing.T) {
	var p proc
	// This process has others that come and go; a child that stands still has not.
	trace, _ := start(t, Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Started: func(pid int) error {
		if got := p.list(pid, 10); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("open: %v", got)
		}
		if got := p.list(pid, 2); got != nil {
			t.Errorf("more than two: %v", got)
		}
		return nil
	}})
	trace.Kill("done")
	if got := p.list(1<<22+1, 10); got != nil {
		t.Errorf("of no process: %v", got)
	}
	var files []*os.File
	for range 300 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	listed := p.list(os.Getpid(), 1<<20)
	if !slices.IsSorted(listed) || len(listed) < 300 {
		t.Errorf("%d listed", len(listed))
	}
	for _, f := range files {
		if !slices.Contains(listed, int(f.Fd())) {
			t.Errorf("descriptor %d is not listed", f.Fd())
		}
	}
}

func TestReadingProc(t *testing.T) {
	if threadState([]byte("12 (a) R (b) S 1 2")) != 'S' || threadState([]byte("12 (a")) != 0 || threadState(nil) != 0 || threadState([]byte("1 (a) ")) != 0 {
		t.Error("state")
	}
	status := []byte("Name:\tx\nTgid:\t12\nPPid:\t7\nNSpid:\tmany\n")
	if statusField(status, "Tgid") != 12 || statusField(status, "PPid") != 7 || statusField(status, "NSpid") != 0 || statusField(nil, "Tgid") != 0 {
		t.Error("status")
	}
	if group, parent := family(os.Getpid()); group != os.Getpid() || parent != os.Getppid() {
		t.Error(group, parent)
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("12 (a) R (b) S 1 2"))
	f.Add([]byte("Tgid:\t12\n"))
	entry := append(make([]byte, 16), 24, 0, 4, '1', '2', 0, 0, 0)
	f.Add(append(slices.Clone(entry), entry...))
	f.Add(binary.LittleEndian.AppendUint16(make([]byte, 16), 65535))
	f.Fuzz(func(t *testing.T, b []byte) {
		threadState(b)
		statusField(b, "Tgid")
		for _, n := range appendNumbers(nil, b) {
			if n < 0 {
				t.Error(n)
			}
		}
		frameRestarts(b)
	})
}

// TestFilter runs the filter in a machine of its own, for every call and for the arguments that matter.
func TestFilter(t *testing.T) {
	kinds := tracedCalls()
	table := newSyscallTable(kinds)
	var raw []bpf.RawInstruction
	for _, i := range filter(kinds) {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	program, all := bpf.Disassemble(raw)
	if !all {
		t.Fatal("not all of the filter is BPF")
	}
	machine, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	traced := func(arch, nr uint32, args ...uint32) bool {
		data := make([]byte, 64) // struct seccomp_data, with big-endian words as the machine takes them
		binary.BigEndian.PutUint32(data[dataNr:], nr)
		binary.BigEndian.PutUint32(data[dataArch:], arch)
		for i, a := range args {
			binary.BigEndian.PutUint32(data[dataArgs+8*i:], a)
		}
		action, err := machine.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		if uint32(action) != retTrace && uint32(action) != retAllow {
			t.Fatalf("call %d: action %#x", nr, action)
		}
		return uint32(action) == retTrace
	}
	for nr := range uint32(1000) {
		kind := table.find(uint64(nr))
		if kind == nil || kind.only == nil {
			if got := traced(nativeArch, nr); got != (kind != nil) {
				t.Errorf("call %d is traced: %t", nr, got)
			}
		}
		if got, want := traced(nativeArch+1, nr), !slices.Contains(foreignExits[:], nr); got != want {
			t.Errorf("foreign call %d is traced: %t", nr, got)
		}
		if x32Bit != 0 && !traced(nativeArch, x32Bit|nr) {
			t.Errorf("x32 call %d is not traced", nr)
		}
	}
	for _, test := range []struct {
		name string
		nr   uint32
		args []uint32
		want bool
	}{
		{"F_DUPFD", unix.SYS_FCNTL, []uint32{3, unix.F_DUPFD}, true},
		{"F_DUPFD_CLOEXEC", unix.SYS_FCNTL, []uint32{3, unix.F_DUPFD_CLOEXEC}, true},
		{"F_SETFL", unix.SYS_FCNTL, []uint32{3, unix.F_SETFL}, true},
		{"F_GETFL", unix.SYS_FCNTL, []uint32{3, unix.F_GETFL}, false},
		{"FIONBIO", unix.SYS_IOCTL, []uint32{3, fionbio}, true},
		{"TCGETS", unix.SYS_IOCTL, []uint32{3, unix.TCGETS}, false},
		{"untraced", unix.SYS_CLONE, []uint32{unix.CLONE_UNTRACED | 17}, true},
		{"thread", unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_THREAD}, false},
		{"unshare files", unix.SYS_UNSHARE, []uint32{unix.CLONE_FILES}, true},
		{"unshare network", unix.SYS_UNSHARE, []uint32{unix.CLONE_NEWNET}, false},
		{"epoll that waits", unix.SYS_EPOLL_PWAIT, []uint32{3, 0, 1, 0xffffffff}, true},
		{"epoll that does not wait", unix.SYS_EPOLL_PWAIT, []uint32{3, 0, 1, 0}, false},
	} {
		if got := traced(nativeArch, test.nr, test.args...); got != test.want {
			t.Errorf("%s is traced: %t", test.name, got)
		}
	}
}
