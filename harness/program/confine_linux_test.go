//go:build amd64 || arm64

package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tcpwitness/harness/descriptors"
)

// intruder does to the folder that it is given all that a program can do to one and to a file "kept" in it,
// and to the executable that it is. It prints what was done to it.
const intruder = `#include <sys/un.h>
#define TRY(what, call) do { if ((call) >= 0) printf("%s\n", what); } while (0)
#define IN(name) (sprintf(path, "%s/%s", v[1], name), path)
int main(int c, char **v) {
	char path[5000], self[5000] = "";
	readlink("/proc/self/exe", self, sizeof self - 1);
	close(open("own", O_CREAT | O_WRONLY, 0600));
	TRY("open for writing", open(IN("kept"), O_WRONLY));
	TRY("open for both", open(IN("kept"), O_RDWR));
	TRY("open for appending", open(IN("kept"), O_WRONLY | O_APPEND));
	TRY("open and truncate", open(IN("kept"), O_RDONLY | O_TRUNC));
	TRY("truncate", truncate(IN("kept"), 0));
	TRY("create", open(IN("new"), O_CREAT | O_WRONLY, 0600));
	TRY("make a folder", mkdir(IN("folder"), 0700));
	TRY("make a link", symlink("/etc/passwd", IN("link")));
	TRY("make a pipe", mkfifo(IN("pipe"), 0600));
	TRY("make a device", mknod(IN("device"), S_IFCHR | 0600, 0x103));
	TRY("link a file into it", link("own", IN("hard")));
	TRY("link its file", link(IN("kept"), "hard"));
	TRY("replace its file", rename("own", IN("kept")));
	TRY("take its file", rename(IN("kept"), "taken"));
	TRY("rename its file", syscall(SYS_renameat2, AT_FDCWD, IN("kept"), AT_FDCWD, strcat(strcpy(self + 2500, path), "2"), 0));
	TRY("remove its file", unlink(IN("kept")));
	TRY("remove a folder", rmdir(IN("empty")));
	TRY("rename it", rename(v[1], strcat(strcpy(self + 2500, v[1]), "2")));
	TRY("change its mode", chmod(IN("kept"), 0604));
	TRY("change its times", utimensat(AT_FDCWD, IN("kept"), 0, 0));
	struct sockaddr_un a = {AF_UNIX};
	if (strlen(IN("socket")) < sizeof a.sun_path) {
		strcpy(a.sun_path, path);
		TRY("bind a socket", bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a));
	}
	TRY("write to its executable", open(self, O_WRONLY));
	TRY("truncate its executable", truncate(self, 0));
	TRY("remove its executable", unlink(self));
	return 0; }`

// What lies in a folder is what was put there, whatever a program tried: beside the folders for temporary
// files it is refused, and in them it changes what nobody else sees.
func TestOthersFiles(t *testing.T) {
	c := Probe()
	if !c.Files {
		t.Skip(c.WhyNotFiles)
	}
	eachWay(t, func(t *testing.T, g *ground) {
		for _, at := range []struct{ name, folder string }{
			{"at home", homeFolder(t)},
			{"among temporary files", tempDir(t)},
			{"in /tmp", freshIn(t, "/tmp")},
			{"another program's working folder", g.start(t.Context(), shell(t, "read wait")).Folder()},
		} {
			if at.folder == "" {
				continue
			}
			t.Run(at.name, func(t *testing.T) {
				private := slices.ContainsFunc(temporaryFolders, func(f string) bool { return strings.HasPrefix(at.folder, f+"/") })
				if private && !c.Temporary {
					t.Skip(c.WhyNotTemporary)
				}
				kept := filepath.Join(at.folder, "kept")
				if err := os.WriteFile(kept, []byte("kept"), 0o640); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(filepath.Join(at.folder, "empty"), 0o755); err != nil {
					t.Fatal(err)
				}
				executable, err := os.ReadFile(inC(t, intruder).Path)
				if err != nil {
					t.Fatal(err)
				}
				p := Program{Path: filepath.Join(at.folder, "program"), Args: []string{at.folder}}
				if err := writeExecutable(p.Path, executable); err != nil {
					t.Fatal(err)
				}
				before := state(t, at.folder)
				o := g.run(p)
				done := strings.FieldsFunc(string(o.Stdout), func(r rune) bool { return r == '\n' })
				if !c.Temporary { // which makes the rest of the machine read-only
					done = slices.DeleteFunc(done, func(what string) bool { return strings.HasPrefix(what, "change its ") })
				}
				if !private && len(done) > 0 {
					t.Errorf("it could %s", strings.Join(done, ", "))
				}
				if private && len(done) < 10 {
					t.Errorf("of what every program may do there it could only %s", done)
				}
				if !o.ExitedZero() {
					t.Errorf("%+v", o)
				}
				if content, err := os.ReadFile(kept); err != nil || string(content) != "kept" {
					t.Errorf("%q, %v", content, err)
				}
				if after := state(t, at.folder); after != before && c.Temporary {
					t.Errorf("before: %s\nafter: %s", before, after)
				}
			})
		}
	})
}

// writeExecutable writes a file while no program is started, which would hold it open for writing.
func writeExecutable(path string, content []byte) error {
	return descriptors.Close(func() error { return os.WriteFile(path, content, 0o755) })
}

// state is what can be seen of a folder.
func state(t *testing.T, folder string) string {
	t.Helper()
	out, err := exec.Command("ls", "-lAn", "--time-style=full-iso", folder).Output()
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

// homeFolder is a new folder in the user's home, "" where that is among temporary files.
func homeFolder(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil || slices.ContainsFunc(temporaryFolders, func(f string) bool { return home == f || strings.HasPrefix(home, f+"/") }) {
		return ""
	}
	return freshIn(t, home)
}

// freshIn is a new folder in a folder, "" where none can be made.
func freshIn(t *testing.T, parent string) string {
	t.Helper()
	folder, err := os.MkdirTemp(parent, "program-test-")
	if err != nil {
		return ""
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// What right programs of every language write to goes on being writable.
func TestWritable(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(shell(t, `set -e
			for file in file "$HOME/file" "$TMPDIR/file" /dev/null /dev/zero /tmp/program-test-$$ /var/tmp/program-test-$$ /dev/shm/program-test-$$; do
				echo x > "$file"; echo x >> "$file"; done
			mkdir -p a/b; mv file a/b; mv a/b c; ln -s c d; ln c/file e; mkfifo f; rm -r a c d e f
			mkdir /tmp/program-test-$$-d; mv /tmp/program-test-$$ /tmp/program-test-$$-d/x; mv /tmp/program-test-$$-d/x x
			rm -r x /tmp/program-test-$$-d /var/tmp/program-test-$$ /dev/shm/program-test-$$
			echo out > /dev/stdout; echo err > /dev/stderr; echo out >> /proc/self/fd/1
			cat /proc/self/stat > /dev/null; ls /tmp > /dev/null`))
		if !o.ExitedZero() || string(o.Stdout) != "out\nout\n" || string(o.Stderr) != "err\n" {
			t.Errorf("%s: %q %q", o.InWords, o.Stdout, o.Stderr)
		}
		o = g.run(inC(t, `#include <semaphore.h>
			int main() {
			char name[40]; sprintf(name, "/program-test-%d", getpid());
			int m = shm_open(name, O_CREAT | O_RDWR, 0600); if (m < 0 || ftruncate(m, 4096)) return 1;
			int *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0); *p = 1; shm_unlink(name);
			sem_t *s = sem_open(name, O_CREAT, 0600, 1); if (s == SEM_FAILED || sem_wait(s)) return 2; sem_unlink(name);
			if (!tmpfile()) return 3;
			int t = posix_openpt(O_RDWR | O_NOCTTY); if (t >= 0 && (grantpt(t) || unlockpt(t) || open(ptsname(t), O_RDWR | O_NOCTTY) < 0)) return 4;
			return 0; }`))
		if !o.ExitedZero() {
			t.Errorf("%+v", o)
		}
	})
}

// Of what one program writes among temporary files the next one sees nothing, and neither does the machine.
func TestTemporaryFilesAreItsOwn(t *testing.T) {
	c := Probe()
	if !c.Files || !c.Temporary {
		t.Skip(c)
	}
	eachWay(t, func(t *testing.T, g *ground) {
		name := filepath.Join("/tmp", filepath.Base(g.temp)+"-left")
		script := `test ! -e ` + name + ` && echo x > ` + name
		for range 2 {
			if o := g.run(shell(t, script)); !o.ExitedZero() {
				t.Errorf("%+v", o)
			}
		}
		if _, err := os.Stat(name); err == nil {
			t.Error("it is there")
		}
		o := g.run(shell(t, "exec cat /dev/zero > "+name), func(s *Start) { s.Limits.Folder = 5 * mib })
		if !strings.Contains(string(o.Stderr), "No space left on device") {
			t.Errorf("%+v", o)
		}
	})
}

// What the program is kept in cannot be taken off: not by it, nor in a user namespace of its own.
func TestMountsStay(t *testing.T) {
	c := Probe()
	if !c.Files || !c.Temporary {
		t.Skip(c)
	}
	eachWay(t, func(t *testing.T, g *ground) {
		outside := freshIn(t, "/tmp")
		o := g.run(inC(t, fmt.Sprintf(`#include <sched.h>
			#include <sys/mount.h>
			int tries() { int n = 0; for (int i = 0; i < 3; i++) {
				n += !umount2("/tmp", MNT_DETACH); n += !mount("tmpfs", "/mnt", "tmpfs", 0, 0); n += !mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0); }
				close(open("%s/there", O_CREAT | O_WRONLY, 0600)); return n; }
			int main() { int n = tries(); if (!unshare(CLONE_NEWUSER | CLONE_NEWNS)) n += tries(); return n; }`, outside)))
		if left := entries(outside); !o.ExitedZero() || len(left) > 0 {
			t.Errorf("%s, %v", o.InWords, left)
		}
	})
}

func TestConfinementInWords(t *testing.T) {
	for want, c := range map[string]Confinement{
		"files bounded":           {Files: true, Temporary: true},
		"files not bounded (old)": {WhyNotFiles: "old", Temporary: true},
		"files bounded except in /tmp, /var/tmp and /dev/shm (new)": {Files: true, WhyNotTemporary: "new"},
	} {
		if c.String() != want {
			t.Errorf("%q, not %q", c, want)
		}
	}
	if c := Probe(); c.Files == (c.WhyNotFiles != "") || c.Temporary == (c.WhyNotTemporary != "") {
		t.Errorf("%+v", c)
	}
}

// A program that knows the number of another one's process cannot signal it, also where both are in one pid
// namespace.
func TestCannotSignalOthers(t *testing.T) {
	if abi, err := landlockABI(); err != nil || abi < landlockScopes {
		t.Skip("Landlock does not bound signals here")
	}
	eachWay(t, func(t *testing.T, g *ground) {
		bystander := g.start(t.Context(), shell(t, "exec sleep 1000"))
		g.run(shell(t, fmt.Sprintf("kill -9 %d; kill -9 %d", bystander.PID(), os.Getppid())))
		if o := bystander.Stop(ReasonNotNeeded); !o.Stopped {
			t.Errorf("the other program: %s", o.InWords)
		}
	})
}
