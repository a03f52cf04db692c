package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// diagnose says in one line why a file cannot be executed, "" where nothing is seen to be wrong with it.
// formats says that its contents do not matter, because the system may have programs for more formats.
func diagnose(path string, formats bool) string {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return fmt.Sprintf("%s: the link leads nowhere", path)
		}
		return fmt.Sprintf("%s: no such file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s: permission denied on the way to it", path)
	case err != nil:
		return fmt.Sprintf("%s: %v", path, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Sprintf("%s: is a folder, not a program", path)
	case !info.Mode().IsRegular():
		return fmt.Sprintf("%s: is not a regular file", path)
	}
	head := make([]byte, 4096)
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		n, _ := io.ReadFull(file, head)
		head = head[:n]
	} else {
		head = nil // executable but not readable is allowed
	}
	if !executable(path) {
		return fmt.Sprintf("%s: is not executable%s", path, remedy(path, head))
	}
	if err != nil || formats {
		return ""
	}
	switch {
	case len(head) == 0:
		return fmt.Sprintf("%s: is empty", path)
	case bytes.HasPrefix(head, []byte("#!")):
		return diagnoseScript(path, head)
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return diagnoseELF(path, file)
	}
	if kind := foreign(head); kind != "" {
		return fmt.Sprintf("%s: is %s%s", path, kind, remedy(path, head))
	}
	if runtime.GOOS == "linux" {
		return fmt.Sprintf("%s: is neither a program for Linux nor a script that begins with #!", path)
	}
	return ""
}

// diagnoseScript looks at the first line of a script.
func diagnoseScript(path string, head []byte) string {
	line, _, whole := bytes.Cut(head[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return fmt.Sprintf("%s: its first line ends with a carriage return; save it with Unix line ends", path)
	}
	// The kernel reads 256 bytes and no more.
	if len(line) > 254 || !whole && len(head) == cap(head) {
		return fmt.Sprintf("%s: its first line is too long for the kernel", path)
	}
	name, rest, _ := strings.Cut(strings.Trim(string(line), " \t"), " ")
	name, tabbed, _ := strings.Cut(name, "\t")
	rest = strings.TrimSpace(tabbed + " " + rest)
	switch {
	case name == "":
		return fmt.Sprintf("%s: its first line names no interpreter", path)
	case !executable(name):
		return fmt.Sprintf("%s: its interpreter %s %s", path, name, why(name))
	case filepath.Base(name) == "env" && rest != "" && !strings.HasPrefix(rest, "-") && !strings.Contains(rest, "="):
		// env takes all that follows as one name.
		if _, err := exec.LookPath(rest); err != nil {
			return fmt.Sprintf("%s: its interpreter %s is not in PATH", path, rest)
		}
	}
	return ""
}

// why says why an interpreter cannot be executed, to follow its name.
func why(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "is not there"
	case info.IsDir():
		return "is a folder"
	}
	return "is not executable"
}

// machines are the ELF machines by GOARCH.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// companions are machines whose programs the kernel of another one may run too.
var companions = map[elf.Machine]elf.Machine{elf.EM_X86_64: elf.EM_386, elf.EM_AARCH64: elf.EM_ARM}

// diagnoseELF looks at a program's machine and loader. It reads what the kernel reads, and no more: debug/elf
// is not made for files that somebody hands in.
func diagnoseELF(path string, file io.ReaderAt) string {
	var header elf.Header64
	if err := readAt(file, 0, &header); err != nil || header.Ident[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return fmt.Sprintf("%s: is a damaged program, or one for another kind of machine", path)
	}
	// Type and machine stand in the same place in 32-bit files.
	switch elf.Type(header.Type) {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		return fmt.Sprintf("%s: is an object file that has not been linked", path)
	case elf.ET_CORE:
		return fmt.Sprintf("%s: is a core dump", path)
	default:
		return fmt.Sprintf("%s: is a damaged program", path)
	}
	own, known := machines[runtime.GOARCH]
	if machine := elf.Machine(header.Machine); known && machine != own && machine != companions[own] {
		return fmt.Sprintf("%s: is built for another machine (%s, this one is %s)", path,
			strings.TrimPrefix(machine.String(), "EM_"), runtime.GOARCH)
	}
	if elf.Class(header.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 {
		return ""
	}
	const most = 1024 // segments that the kernel reads
	for i := range min(int64(header.Phnum), most) {
		var segment elf.Prog64
		if err := readAt(file, int64(header.Phoff)+i*int64(binary.Size(segment)), &segment); err != nil {
			return fmt.Sprintf("%s: is a damaged program, its end is missing", path)
		}
		if elf.ProgType(segment.Type) != elf.PT_INTERP {
			continue
		}
		name := make([]byte, min(segment.Filesz, 4096))
		if _, err := file.ReadAt(name, int64(segment.Off)); err != nil {
			return fmt.Sprintf("%s: is a damaged program, its end is missing", path)
		}
		loader, _, _ := strings.Cut(string(name), "\x00")
		if !executable(loader) {
			return fmt.Sprintf("%s: the loader that it was built for, %q, %s", path, loader, why(loader))
		}
	}
	return ""
}

// readAt reads a structure as it stands in a file.
func readAt(file io.ReaderAt, offset int64, into any) error {
	if offset < 0 {
		return io.ErrUnexpectedEOF
	}
	return binary.Read(io.NewSectionReader(file, offset, int64(binary.Size(into))), binary.LittleEndian, into)
}

// foreign names kinds of files that people hand in and Linux does not execute.
func foreign(head []byte) string {
	for _, kind := range []struct{ magic, name string }{
		{"\xca\xfe\xba\xbe", "a Java class file"},
		{"PK\x03\x04", "an archive (zip or jar)"},
		{"MZ", "a program for Windows"},
		{"\xcf\xfa\xed\xfe", "a program for macOS"},
		{"\x1f\x8b", "a compressed file"},
		{"!<arch>", "a library that has not been linked"},
		{"%PDF", "a PDF"},
		{"\xef\xbb\xbf#!", "a script with a byte order mark before its #!"},
	} {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return kind.name
		}
	}
	return ""
}

// remedy is what helps with a file that is not executable, to follow the problem.
func remedy(path string, head []byte) string {
	name := filepath.Base(path)
	switch {
	case bytes.HasPrefix(head, []byte("#!")), bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return "; chmod +x makes it so"
	case strings.HasSuffix(name, ".py"):
		return fmt.Sprintf("; name python3 as the program and %s as its first argument", name)
	case strings.HasSuffix(name, ".js"):
		return fmt.Sprintf("; name node as the program and %s as its first argument", name)
	case strings.HasSuffix(name, ".jar"):
		return fmt.Sprintf("; name java as the program and -jar %s as its first arguments", name)
	case strings.HasSuffix(name, ".class"):
		return fmt.Sprintf("; name java as the program and -cp {dir} %s as its first arguments", strings.TrimSuffix(name, ".class"))
	case strings.HasSuffix(name, ".java"):
		return fmt.Sprintf("; name java as the program and %s as its first argument", name)
	case strings.HasSuffix(name, ".c"), strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".rs"), strings.HasSuffix(name, ".cpp"):
		return "; it is a source file that has to be compiled"
	}
	return ""
}
