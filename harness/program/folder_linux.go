package program

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// whereabouts is the path of an open folder now, "" where it has been deleted.
func whereabouts(f *os.File, _ string) string {
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return ""
	}
	held, err := f.Stat()
	if err != nil {
		return ""
	}
	// A name can end in " (deleted)" without being so.
	for _, path := range []string{at, strings.TrimSuffix(at, " (deleted)")} {
		if found, err := os.Lstat(path); err == nil && os.SameFile(held, found) {
			return path
		}
	}
	return ""
}

func isNotEmpty(err error) bool { return errors.Is(err, syscall.ENOTEMPTY) }
