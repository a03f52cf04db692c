//go:build unix

package program

import (
	"os"

	"golang.org/x/sys/unix"
)

// executable says whether the user may execute a file.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && unix.Access(path, unix.X_OK) == nil
}
