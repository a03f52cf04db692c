//go:build amd64 || arm64

package program

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// walk runs an image and yields its exit status.
func walk(t *testing.T, im *image, output *os.File) int {
	t.Helper()
	file, err := im.file()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stdout = output
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func TestImageIsAnExecutable(t *testing.T) {
	im := &image{}
	im.add(unix.SYS_EXIT_GROUP, 7)
	content, err := im.bytes()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
			t.Errorf("a segment can be written and executed: %+v", p.ProgHeader)
		}
	}
	if status := walk(t, im, nil); status != 7 {
		t.Errorf("exit status %d", status)
	}
}

// Each result leads to its own next step, and goes where it is needed.
func TestSteps(t *testing.T) {
	for _, c := range []struct {
		name string
		nr   uintptr
		args []uint64
		want int
	}{
		{"failure", unix.SYS_CLOSE, []uint64{^uint64(0)}, 10},
		{"zero", unix.SYS_CLOSE, []uint64{0}, 20},
		{"more", unix.SYS_GETPID, nil, 30},
	} {
		im := &image{}
		first := im.add(c.nr, c.args...)
		im.steps[first].failed = im.add(unix.SYS_EXIT_GROUP, 10)
		im.steps[first].zero = im.add(unix.SYS_EXIT_GROUP, 20)
		im.steps[first].more = im.add(unix.SYS_EXIT_GROUP, 30)
		if status := walk(t, im, nil); status != c.want {
			t.Errorf("%s: exit status %d", c.name, status)
		}
	}
	im := &image{}
	dup := im.add(unix.SYS_FCNTL, 0, unix.F_DUPFD, 77)
	im.steps[dup].into = argumentAt(im.add(unix.SYS_EXIT_GROUP, 0), 0)
	if status := walk(t, im, nil); status != 77 {
		t.Errorf("into: exit status %d", status)
	}
}

func TestImageData(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	im := &image{}
	first, second := im.text("hello "), im.put(bytes.Repeat([]byte("world"), 1000))
	im.add(unix.SYS_WRITEV, 1, im.words(first, 6, second, 5000), 2)
	im.add(unix.SYS_EXIT_GROUP, 0)
	if status := walk(t, im, w); status != 0 {
		t.Errorf("exit status %d", status)
	}
	w.Close()
	got := make([]byte, 6000)
	n, _ := r.Read(got)
	if want := "hello " + string(bytes.Repeat([]byte("world"), 1000)); string(got[:n]) != want {
		t.Errorf("%d bytes: %q…", n, got[:min(n, 20)])
	}
}

func TestImageIsFull(t *testing.T) {
	im := &image{}
	for range stepRoom + 1 {
		im.add(unix.SYS_GETPID)
	}
	if _, err := im.bytes(); err == nil {
		t.Error("it took too many steps")
	}
}

// With every signal ignored the list of steps is at its longest.
func TestImageHasRoom(t *testing.T) {
	l := &launch{path: "/bin/true", argv: []string{"true"}}
	for _, way := range []isolation{{}, {unix.CLONE_NEWPID, true}, {unix.CLONE_NEWUSER | unix.CLONE_NEWPID, true}} {
		im := l.keeperImage(way)
		if len(im.steps)+64 > stepRoom {
			t.Errorf("%d steps, and 64 more", len(im.steps))
		}
		for _, s := range im.steps {
			if s.nr == unix.SYS_CLONE && (s.zero == s.more || s.zero == s.failed || s.more == s.failed) {
				t.Errorf("the fork leads parent and child the same way: %+v", s)
			}
		}
	}
}
