package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
)

// Probe finds out by trying what this machine allows, with isolation as wished: Auto takes Namespace where
// it is possible. It fails where Namespace is wished and not possible, and still tells the rest. It is meant
// to be called once, after EnterUserNamespace, and takes some tens of milliseconds.
func Probe(wish Isolation) (Ability, error) {
	a := Ability{Isolation: Shared}
	switch wish {
	case Auto, Namespace:
		if err := tryNamespace(); err != nil {
			a.WhyShared = err.Error()
		} else {
			a.Isolation = Namespace
		}
	case Shared:
		a.WhyShared = "as asked for"
	default:
		return a, fmt.Errorf("isolation must be %s, %s or %s, not %q", Auto, Namespace, Shared, wish)
	}
	a.Capture, a.WhyNotCapture = verdict(tryCapture(a.Isolation))
	a.Trace, a.WhyNotTrace = verdict(tryChild(&syscall.SysProcAttr{Ptrace: true}))
	a.PIDNamespace, a.WhyNotPIDNamespace = verdict(tryPIDNamespace(a.Trace))
	if wish == Namespace && a.Isolation != Namespace {
		return a, fmt.Errorf("isolation %s is not possible here: %s", Namespace, a.WhyShared)
	}
	return a, nil
}

func verdict(err error) (possible bool, why string) {
	if err != nil {
		return false, err.Error()
	}
	return true, ""
}

// tryNamespace makes a whole sandbox, and enters it as every user of it does.
func tryNamespace() error {
	s, err := newNamespace()
	if err != nil {
		return err
	}
	return errors.Join(s.Do(func() error { return nil }), s.Close())
}

// tryCapture opens a packet socket where a capture would.
func tryCapture(isolation Isolation) error {
	return onThread(func() error {
		if isolation == Namespace {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("unshare the network namespace: %w", err)
			}
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a packet socket: %w", err)
		}
		return unix.Close(fd)
	})
}

// tryPIDNamespace starts a child in a process id namespace of its own.
func tryPIDNamespace(traceable bool) error {
	if !traceable {
		return errors.New("not tried without ptrace")
	}
	return tryChild(&syscall.SysProcAttr{Ptrace: true, Cloneflags: unix.CLONE_NEWPID})
}

// tryChild starts this very program as a traced child, which stops before its first instruction, and
// sets the options that a tracer of system calls needs. Nothing of the child is ever run.
func tryChild(attributes *syscall.SysProcAttr) error {
	return onThread(func() error {
		const executable = "/proc/self/exe"
		pid, err := descriptors.ForkExec(executable, []string{os.Args[0]}, &syscall.ProcAttr{Sys: attributes})
		if err != nil {
			return fmt.Errorf("start a traced child: %w", err)
		}
		defer reap(pid)
		var status unix.WaitStatus
		if _, err := waitFor(pid, &status); err != nil {
			return fmt.Errorf("wait for a traced child: %w", err)
		}
		if !status.Stopped() {
			return fmt.Errorf("a traced child did not stop, its status is %#x", uint32(status))
		}
		const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACEFORK
		if err := unix.PtraceSetOptions(pid, options); err != nil {
			return fmt.Errorf("set options of a traced child: %w", err)
		}
		return nil
	})
}

// reap ends a child and waits for its end.
func reap(pid int) {
	unix.Kill(pid, unix.SIGKILL)
	for {
		var status unix.WaitStatus
		if _, err := waitFor(pid, &status); err != nil || status.Exited() || status.Signaled() {
			return
		}
	}
}

func waitFor(pid int, status *unix.WaitStatus) (int, error) {
	for {
		got, err := unix.Wait4(pid, status, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return got, err
		}
	}
}
