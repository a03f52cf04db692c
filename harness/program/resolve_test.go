package program

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                        nil,
		"  ":                      nil,
		"{ip} {port}":             {"{ip}", "{port}"},
		` a  "b c"d 'e "f' \g\ h`: {"a", "b cd", `e "f`, "g h"},
		`""`:                      {""},
		`'\'`:                     {`\`},
		`"\""`:                    {`"`},
		"ü\tß\n€":                 {"ü", "ß", "€"},
	} {
		if got, err := split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`'a`, `"a`, `a\`} {
		if got, err := split(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestCommand(t *testing.T) {
	p := Program{Path: "/bin/server", Args: []string{"-a", "{ip}:{port}", "{dir}/x", "{port}{port}", "{other}"}, Dir: "/home/me"}
	want := []string{"/bin/server", "-a", "::1:80", "/home/me/x", "8080", "{other}"}
	if got := p.Command(netip.IPv6Loopback(), 80); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := p.Bare().Command(netip.IPv6Loopback(), 80); !slices.Equal(got, want[:1]) {
		t.Errorf("%q", got)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	elfHead := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9)
	write("good", "#!/bin/sh\n", 0o755)
	write("env", "#!/usr/bin/env sh\n", 0o755)
	write("spaced", "#! \t/bin/sh -e\n", 0o755)
	write("no newline", "#!/bin/sh", 0o755)
	write("plain", "#!/bin/sh\n", 0o644)
	write("crlf", "#!/bin/sh\r\necho\r\n", 0o755)
	write("missing interpreter", "#!/no/such/thing -x\n", 0o755)
	write("missing env", "#!/usr/bin/env no-such-thing-anywhere\n", 0o755)
	write("folder interpreter", "#!/tmp\n", 0o755)
	write("no interpreter", "#!\n", 0o755)
	write("long", "#!/bin/"+strings.Repeat("x", 300)+"\n", 0o755)
	write("headless", "echo hello\n", 0o755)
	write("empty", "", 0o755)
	write("damaged", elfHead, 0o755)
	write("windows.exe", "MZ\x90\x00", 0o755)
	write("Server.class", "\xca\xfe\xba\xbe\x00\x00\x00\x41", 0o755)
	write("server.jar", "PK\x03\x04", 0o644)
	write("server.py", "print(1)\n", 0o644)
	write("server.c", "int main() {}\n", 0o644)
	write("bom", "\xef\xbb\xbf#!/bin/sh\n", 0o755)
	write("riscv", elfHead+"\x02\x00\xf3\x00"+strings.Repeat("\x00", 44), 0o755)
	write("object", elfHead+"\x01\x00"+strings.Repeat("\x00", 46), 0o755)
	for _, link := range [][2]string{{"good", "link"}, {"nowhere", "dangling"}, {"round", "round"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if moreFormats() {
		t.Skip("this system executes more formats than its own")
	}
	for name, problem := range map[string]string{
		"good": "", "./good": "", "link": "", "env": "", "spaced": "", "no newline": "", filepath.Join(dir, "good"): "",
		"":                    "no program is named",
		"absent":              "no such file",
		"folder/absent":       "no such file",
		"folder":              "is a folder, not a program",
		"good/x":              "not a directory",
		"dangling":            "the link leads nowhere",
		"round":               "too many levels of symbolic links",
		"plain":               "is not executable; chmod +x makes it so",
		"crlf":                "its first line ends with a carriage return; save it with Unix line ends",
		"missing interpreter": "its interpreter /no/such/thing is not there",
		"missing env":         "its interpreter no-such-thing-anywhere is not in PATH",
		"folder interpreter":  "its interpreter /tmp is a folder",
		"no interpreter":      "its first line names no interpreter",
		"long":                "its first line is too long for the kernel",
		"empty":               "is empty",
		"damaged":             "is a damaged program",
		"object":              "is an object file that has not been linked",
		"riscv":               "is built for another machine (RISCV, this one is " + runtime.GOARCH + ")",
		"windows.exe":         "is a program for Windows",
		"Server.class":        "is a Java class file; name java as the program and -cp {dir} Server as its first arguments",
		"server.jar":          "is not executable; name java as the program and -jar server.jar as its first arguments",
		"server.py":           "is not executable; name python3 as the program and server.py as its first argument",
		"server.c":            "is not executable; it is a source file that has to be compiled",
		"bom":                 "is a script with a byte order mark before its #!",
	} {
		p, err := ResolveIn(dir, name, "{ip} {port}")
		switch {
		case problem == "" && (err != nil || !filepath.IsAbs(p.Path) || p.Dir != dir || len(p.Args) != 2):
			t.Errorf("%q: %+v, %v", name, p, err)
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%q: %v, not %q", name, err, problem)
		}
	}
	if _, err := ResolveIn(dir, "good", "'"); err == nil || err.Error() != `arguments "'": the quote ' is not closed` {
		t.Errorf("%v", err)
	}
}

// A command from PATH gets the files it is given by their absolute paths, because it runs elsewhere.
func TestResolveFromPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server.sh"), []byte("echo"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := ResolveIn(dir, "sh", "-e server.sh {ip} other.sh")
	if want := []string{"-e", filepath.Join(dir, "server.sh"), "{ip}", "other.sh"}; err != nil || !slices.Equal(p.Args, want) || filepath.Base(p.Path) != "sh" {
		t.Errorf("%+v, %v", p, err)
	}
	// A program of that name in the folder comes first.
	if err := os.WriteFile(filepath.Join(dir, "sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := ResolveIn(dir, "sh", "server.sh"); err != nil || p.Path != filepath.Join(dir, "sh") || p.Args[0] != "server.sh" {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`a "b c" d\ e 'f'`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := split(line)
		if err != nil && words != nil {
			t.Errorf("%q, %v", words, err)
		}
	})
}

// Files that are handed in are looked at without harm, whatever stands in them.
func FuzzDiagnose(f *testing.F) {
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(binary[:4096])
	f.Add([]byte("#! /usr/bin/env  python3 -u\r\n"))
	f.Add([]byte("#!"))
	path := filepath.Join(f.TempDir(), "program")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		if problem := diagnose(path, false); problem != "" && !strings.HasPrefix(problem, path+": ") {
			t.Errorf("%q", problem)
		}
	})
}
