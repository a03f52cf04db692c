package program

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// machineMemory is the size of the memory in bytes, 0 where it is not known.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// moreFormats says whether somebody has told the kernel what to do with executables that are not its own
// (binfmt_misc): those of other machines, or archives of Java classes.
func moreFormats() bool {
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return e.Name() != "register" && e.Name() != "status"
	})
}

// untraceable says why a program cannot be traced, "" where nothing speaks against it.
func untraceable(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	var head [5]byte
	if _, err := file.ReadAt(head[:], 0); err == nil && string(head[:]) == "\x7fELF\x01" {
		return "it is a 32-bit program"
	}
	return ""
}
