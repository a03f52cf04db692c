package program

import (
	"debug/elf"

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

// untraceable says why a program cannot be traced, "" where nothing speaks against it.
func untraceable(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return "" // a script
	}
	defer f.Close()
	if f.Class == elf.ELFCLASS32 {
		return "it is a 32-bit program"
	}
	return ""
}
