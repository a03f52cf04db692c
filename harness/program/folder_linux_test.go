package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWorkingFolder(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		proc := g.start(t.Context(), shell(t, `pwd; echo $HOME; echo $TMPDIR; ls -A; ls -ld . | cut -c1-10; echo x > file; read wait`))
		if err := proc.AwaitOutput(t.Context(), func(out, _ []byte) bool { return strings.Contains(string(out), "drwx") }); err != nil {
			t.Fatal(err)
		}
		at := proc.Folder()
		if want := fmt.Sprintf("%s\n%s\n%s\ndrwx------\n", at, at, at); string(proc.Stdout()) != want {
			t.Errorf("%q, not %q", proc.Stdout(), want)
		}
		if filepath.Dir(filepath.Dir(at)) != g.temp {
			t.Errorf("%s is not in %s", at, g.temp)
		}
		proc.CloseStdin()
		proc.Wait(t.Context())
		if _, err := os.Stat(filepath.Dir(at)); !os.IsNotExist(err) {
			t.Error("it is still there")
		}
	})
}

// Whatever a program makes of its folder, it is removed, and nothing else.
func TestFolderIsRemoved(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"deleted", `rm -rf "$PWD"; mkdir -p /nowhere 2>/dev/null; pwd`},
		{"deleted with what it is in", `rm -rf "$(dirname "$PWD")"`},
		{"read-only folders", `mkdir -p a/b/c; echo x > a/b/c/f; chmod 000 a/b/c; chmod 500 a/b; chmod 000 a; chmod 000 .`},
		{"read-only", `echo x > f; chmod 500 .`},
		{"links", `ln -s "$OUTSIDE" link; ln -s "$OUTSIDE/kept" file; ln "$OUTSIDE/kept" hard 2>/dev/null; mkdir d; ln -s "$OUTSIDE" d/link; chmod 0 d`},
		{"moved", `d=$PWD; cd ..; mv "$d" ../moved; echo x > ../moved/more`},
		{"moved with what it is in", `d=$(dirname "$PWD"); cd "$d/.."; mv "$d" away`},
		{"replaced by a link", `d=$PWD; cd ..; mv "$d" other; ln -s "$OUTSIDE" "$d"`},
		{"odd names", `touch -- "-rf" "a b" "new
line" "(deleted)" ".lifted-1" "x (deleted)"; mkdir ".lifted-2"; echo x > ".lifted-2/f"; mkdir -p e/.lifted-3/.lifted-2; echo x > e/.lifted-3/.lifted-2/f`},
		{"sockets and pipes", `mkfifo p; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")' || true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, g *ground) {
				outside := t.TempDir()
				kept := filepath.Join(outside, "kept")
				if err := os.WriteFile(kept, []byte("kept"), 0o644); err != nil {
					t.Fatal(err)
				}
				o := g.run(shell(t, c.script), func(s *Start) { s.Env = append(s.Env, "OUTSIDE="+outside) })
				if o.StartError != "" || o.Stopped {
					t.Errorf("%+v", o)
				}
				info, err := os.Lstat(kept)
				if err != nil || info.Mode() != 0o644 {
					t.Errorf("%v %v", info, err)
				}
				if info, err := os.Lstat(outside); err != nil || info.Mode().Perm() == 0 {
					t.Errorf("%v %v", info, err)
				}
			})
		})
	}
}

// Folders in folders, deeper than any path can be and than there are descriptors.
func TestDeepFolder(t *testing.T) {
	few := unix.Rlimit{Cur: 500}
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		t.Fatal(err)
	}
	few.Max = own.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &own)
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(inC(t, `int main() { char name[201]; memset(name, 'd', 200); name[200] = 0;
			for (int i = 0; i < 3000; i++) { if (mkdir(name, 0700) || chdir(name)) return 1; close(open("f", O_CREAT, 0)); }
			return 0; }`))
		if !o.ExitedZero() || len(o.Limits) > 0 {
			t.Errorf("%+v", o)
		}
	})
}

func TestFolderLimit(t *testing.T) {
	limit := func(s *Start) { s.Limits.Folder = 20 * mib }
	for _, c := range []struct{ name, source string }{
		{"a large file", `int main() { static char b[1 << 16]; int f = open("f", O_CREAT | O_WRONLY, 0600); for (;;) if (write(f, b, sizeof b) < 0) pause(); }`},
		{"many files", `int main() { char n[40]; for (int i = 0; ; i++) { sprintf(n, "f%d", i); int f = open(n, O_CREAT, 0); if (f < 0) pause(); close(f); } }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, g *ground) {
				o := g.run(inC(t, c.source), limit)
				if !o.Stopped || o.StopReason != ReasonFolder || len(o.Limits) != 1 || o.Limits[0] != "working folder: more than 20 MiB" {
					t.Errorf("%+v", o)
				}
			})
		})
	}
}

// A folder that cannot be made is a failure of the harness, and leaves nothing behind.
func TestNoRoomForAFolder(t *testing.T) {
	g := newGround(t, false)
	t.Setenv("TMPDIR", filepath.Join(g.temp, "missing"))
	if _, err := shell(t, "exit 0").Start(t.Context(), Start{}); err == nil || !strings.Contains(err.Error(), "make a working folder") {
		t.Errorf("%v", err)
	}
	t.Setenv("TMPDIR", g.temp)
	if _, err := shell(t, "exit 0").Start(t.Context(), Start{Enter: func() error { return unix.EPERM }}); err == nil ||
		!strings.Contains(err.Error(), "enter the sandbox: operation not permitted") {
		t.Errorf("%v", err)
	}
}
