package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
)

// marker is the environment variable that keeps a process from entering a user namespace twice. Its value
// is "socket N" at the start of the second self, N being the descriptor on which that one tells the first how
// it went, and "entered" in it and in all its descendants from then on.
const marker = "TCPWITNESS_USERNS"

// granted are the capabilities of the process in its user namespace: what it takes to make network
// namespaces, to configure and capture in them, to trace, and to give programs their own process ids and
// temporary files. (An overlay's scratch folder is one that nobody may enter without CAP_DAC_OVERRIDE. The
// namespace has one user only, whose own files are all that it is good for.)
var granted = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_PTRACE, unix.CAP_DAC_OVERRIDE}

// EnterUserNamespace gets the process the right to make network namespaces. It is meant to be the first
// call of main or TestMain, before anything was printed, started or opened.
//
// A process that has that right, such as root's, goes on: reexecuted is false. Otherwise the running binary
// is started once more, with the same arguments, files and environment, in a user namespace of its own,
// where the user keeps its ids and gets the capabilities that sandboxes need, as ambient ones. They end at
// Sandbox.Enter and Sandbox.Do, so programs started there have the user's own rights. The first self passes
// signals on and waits; then reexecuted is true, and the caller should os.Exit(exit), exit being the status
// of the second self. Where a signal ended that one, the first self dies by the same signal or gives 128 and
// the signal's number. The second self never outlives the first. It is in a process group of its own and must not read the terminal.
//
// Where the machine does not allow it, reexecuted is false and err says why; the process can go on with
// Shared isolation. The network namespace of the process itself stays the host's in all cases.
func EnterUserNamespace() (exit int, reexecuted bool, err error) {
	switch value := os.Getenv(marker); {
	case strings.HasPrefix(value, "socket "):
		return beSecondSelf(value)
	case value != "":
		return 0, false, nil
	}
	if tryNamespace() == nil {
		return 0, false, nil
	}
	exit, reexecuted, err = beFirstSelf()
	if err != nil {
		err = fmt.Errorf("enter a user namespace: %w", err)
	}
	return exit, reexecuted, err
}

// beSecondSelf tells the first self whether network namespaces can be made now. Where not, this process
// has no purpose and is to exit.
func beSecondSelf(value string) (exit int, reexecuted bool, err error) {
	os.Setenv(marker, "entered")
	fd, err := strconv.Atoi(strings.TrimPrefix(value, "socket "))
	if err != nil {
		return 0, false, fmt.Errorf("enter a user namespace: %s=%q: %w", marker, value, err)
	}
	report := os.NewFile(uintptr(fd), "report to the first self")
	if report == nil {
		return 0, false, fmt.Errorf("enter a user namespace: %s=%q: %w", marker, value, os.ErrInvalid)
	}
	defer report.Close()
	if _, err := report.Read(make([]byte, 1)); err != nil {
		return 0, true, nil // the first self has ended, and this one with it
	}
	if err := tryNamespace(); err != nil {
		fmt.Fprint(report, err)
		return 0, true, nil
	}
	return 0, false, nil
}

// beFirstSelf starts the second self and accompanies it to its end.
func beFirstSelf() (exit int, reexecuted bool, err error) {
	// The second self is to end with this thread, which has to stay therefore.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	// It is started before any signal is caught, so that it ignores those that nohup or a shell made this one
	// ignore. What is sent before they are caught ends both.
	pid, report, err := startSecondSelf()
	if err != nil {
		return 0, false, err
	}
	ignored := slices.DeleteFunc(slices.Clone(passedOn), func(s os.Signal) bool { return !signal.Ignored(s) })
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, passedOn...)
	var passing sync.WaitGroup
	passing.Go(func() {
		for s := range signals {
			unix.Kill(pid, s.(syscall.Signal))
		}
	})
	// The second self does nothing until now, so that nobody who hears of it comes too early with a signal.
	if _, err := report.Write([]byte{0}); err != nil {
		unix.Kill(pid, unix.SIGKILL)
	}
	refusal, _ := io.ReadAll(report)
	report.Close()

	awaitEnd(pid)
	// While the ended process is not waited for, its id is not another one's.
	signal.Stop(signals)
	close(signals)
	passing.Wait()
	var status unix.WaitStatus
	if _, err := waitFor(pid, &status); err != nil {
		return 1, true, fmt.Errorf("wait for the second self: %w", err)
	}
	if len(refusal) > 0 {
		return 0, false, errors.New(string(refusal))
	}
	if status.Signaled() {
		if !slices.Contains(ignored, os.Signal(status.Signal())) {
			dieBy(status.Signal())
		}
		return 128 + int(status.Signal()), true, nil
	}
	return status.ExitStatus(), true, nil
}

// awaitEnd waits until a child has ended, and leaves its status to be waited for.
func awaitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// passedOn are the signals that are meant for the program as a whole.
var passedOn = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
}

func startSecondSelf() (pid int, report *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, os.NewSyscallError("socketpair", err)
	}
	report = os.NewFile(uintptr(pair[0]), "report of the second self")
	answer := os.NewFile(uintptr(pair[1]), "report to the first self")
	defer answer.Close()
	// The descriptor keeps its number in the second self, as all inherited ones do.
	if _, err := unix.FcntlInt(answer.Fd(), unix.F_SETFD, 0); err != nil {
		report.Close()
		return 0, nil, err
	}
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, marker+"=")
	})
	uid, gid := os.Geteuid(), os.Getegid()
	pid, err = descriptors.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(environment, fmt.Sprintf("%s=socket %d", marker, answer.Fd())),
		Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: granted,
			Pdeathsig:   unix.SIGKILL,
			// A terminal's signals then reach the first self only, which passes them on: once, not twice.
			Setpgid: true,
		},
	})
	if err != nil {
		report.Close()
		return 0, nil, err
	}
	return pid, report, nil
}

// dieBy ends the process by a signal that it does not ignore, so that its parent sees what the second self
// died of. It returns where the signal would not end this process, or not without a report by Go's runtime.
func dieBy(s unix.Signal) {
	switch s {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP:
	default:
		return
	}
	pid := unix.Getpid()
	if pid == 1 {
		return // the first process of a container is spared
	}
	signal.Reset(s)
	// Sent to this very thread, it takes effect before the call returns.
	unix.Tgkill(pid, unix.Gettid(), s)
}
