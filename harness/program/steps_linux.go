//go:build amd64 || arm64

package program

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// vital is a step without which the program must not begin. Its failure is reported by a number that stands
// in the place of an errno.
type vital struct{ step, number int }

// What is reported. They are positive, an errno is negative.
const (
	unguarded = 1
	unbounded = 2
)

// lacking are the errors that the harness then has; the program has not begun.
var lacking = map[int]error{
	unguarded: errors.New("neither pid namespaces nor seccomp are available to keep the program from ending others"),
	unbounded: errors.New("the kernel has Landlock and does not put it into force, by which the program's files are bounded"),
}

// addProgram adds what a process does between being forked and being the program, whether it is traced or
// not: everything that only a process can do to itself. It yields the step that executes, and those whose
// failure the caller has to deal with too.
func (l *launch) addProgram(im *image, guard *guard) (exec int, vitals []vital) {
	// Should memory run out, it is the program that has to go.
	addWrite(im, "/proc/self/oom_score_adj", im.text("1000"), 4)
	im.add(unix.SYS_SETSID) // a session and a process group of its own
	addPrivileges(im)
	if guard != nil {
		vitals = append(vitals, vital{guard.add(im), unguarded})
	}
	if step := l.addLandlock(im); step >= 0 {
		vitals = append(vitals, vital{step, unbounded})
	}
	addSignals(im)
	im.add(unix.SYS_UMASK, 0o022)
	// Not closed but marked, so that the failure to execute can still be told. The harness's own are marked
	// already; here go those that it was started with, and those that a peer in the harness has just made.
	im.add(unix.SYS_CLOSE_RANGE, 3, uint64(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	for fd := uint64(fdReport); fd <= fdImage; fd++ { // for kernels before 5.11
		im.add(unix.SYS_FCNTL, fd, unix.F_SETFD, unix.FD_CLOEXEC)
	}
	return im.add(unix.SYS_EXECVE, im.text(l.path), im.texts(l.argv), im.texts(l.env)), vitals
}

// numberSize is the size of a number as addNumber reads it.
const numberSize = 8

// number is what addNumber has to be sent so that the next process in a namespace gets pid.
func number(pid int) []byte { return fmt.Appendf(nil, "%*d", numberSize, pid-1) }

// addNumber adds the steps by which the first process of a pid namespace reads a number from a pipe and has
// the next process get that number. Otherwise the first program in every namespace would be process 2, and
// two of them that put their number into a file name in /tmp, as every Java machine does, would be in each
// other's way. Where the system does not have it, the numbers are as they are.
func addNumber(im *image, pipe uint64) (read int) {
	text := im.put(make([]byte, numberSize))
	read = im.add(unix.SYS_READ, pipe, text, numberSize)
	addWrite(im, "/proc/sys/kernel/ns_last_pid", text, numberSize)
	return read
}

// addWrite adds the steps that write to a file, if it is there. It stays open until the next exec.
func addWrite(im *image, path string, text, size uint64) {
	open := im.add(unix.SYS_OPENAT, 0, im.text(path), unix.O_WRONLY|unix.O_CLOEXEC)
	im.steps[open].into = argumentAt(im.add(unix.SYS_WRITE, 0, text, size), 0)
}

// numbering are the capabilities that it takes, where the first process does not have all as root.
func numbering() []uintptr {
	if os.Geteuid() == 0 {
		return nil
	}
	return []uintptr{unix.CAP_SYS_ADMIN}
}

// onOwnThread runs f on an OS thread that ends with it. It is never the main one, which cannot end, and
// whose namespaces are those that others see as the harness's.
func onOwnThread(f func()) {
	runtime.LockOSThread() // never unlocked
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() { // while this goroutine holds the main thread, another one cannot get it
		defer close(done)
		onOwnThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}
