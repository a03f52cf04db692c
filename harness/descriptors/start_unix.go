//go:build unix

package descriptors

import "syscall"

// Start calls a function that starts a program, and Close waits until it returns. Its functions are
// syscall.ForkExec, os.StartProcess and what calls them: they return when the program executes and has closed
// its copies. syscall.ForkLock alone is free a moment earlier, as vfork lets the parent go on before exec has
// closed what is close-on-exec.
func Start(start func() error) error {
	starting.Lock()
	defer starting.Unlock()
	return start()
}

// ForkExec is syscall.ForkExec, and Close waits until the program executes.
func ForkExec(path string, args []string, attr *syscall.ProcAttr) (pid int, err error) {
	err = Start(func() error {
		pid, err = syscall.ForkExec(path, args, attr)
		return err
	})
	return pid, err
}
