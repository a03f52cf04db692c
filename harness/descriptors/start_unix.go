//go:build unix

package descriptors

import "syscall"

// ForkExec is syscall.ForkExec, and Close waits until the program executes.
func ForkExec(path string, args []string, attr *syscall.ProcAttr) (pid int, err error) {
	starting.Lock()
	defer starting.Unlock()
	return syscall.ForkExec(path, args, attr)
}
