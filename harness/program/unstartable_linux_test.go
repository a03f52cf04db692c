package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be executed is an outcome of the program and says why, also where nobody asked Resolve.
func TestUnstartable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		problem       string
	}{
		{"missing", "-", 0, "no such file"},
		{"folder", "/", 0, "is a folder"},
		{"plain", "#!/bin/sh\n", 0o644, "is not executable"},
		{"headless", "echo hello\n", 0o755, "is neither a program for Linux nor a script that begins with #!"},
		{"interpreter", "#!/no/such/thing\n", 0o755, "its interpreter /no/such/thing is not there"},
		{"empty", "", 0o755, "is empty"},
		{"damaged", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100), 0o755, "is a damaged program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			switch c.content {
			case "-":
			case "/":
				if err := os.Mkdir(path, 0o755); err != nil {
					t.Fatal(err)
				}
			default:
				if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
					t.Fatal(err)
				}
			}
			eachWay(t, func(t *testing.T, g *ground) {
				o := g.run(Program{Path: path, Args: []string{"x"}})
				if !strings.Contains(o.StartError, c.problem) || !strings.HasPrefix(o.InWords, "could not be started: "+path) ||
					o.ExitCode != -1 || o.Ended != 0 || o.Stopped || o.EndedByItself() || o.KilledBySignal() {
					t.Errorf("%+v", o)
				}
			})
		})
	}
	t.Run("long arguments", func(t *testing.T) {
		eachWay(t, func(t *testing.T, g *ground) {
			o := g.run(Program{Path: "/bin/true", Args: []string{strings.Repeat("x", 200_000)}})
			if !strings.Contains(o.StartError, "too long") {
				t.Errorf("%+v", o)
			}
		})
	})
	t.Run("NUL", func(t *testing.T) {
		eachWay(t, func(t *testing.T, g *ground) {
			g.run(Program{Path: "/bin/echo", Args: []string{"a\x00b"}})
		})
	})
}
