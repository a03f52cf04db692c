//go:build amd64 || arm64

package program

import (
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// addProgram adds what a process does between being forked and being the program, whether it is traced or
// not: everything that only a process can do to itself. Descriptors from firstOpen on are not the program's;
// free is the first that is not open. It yields the step that executes, whose failure the caller has to deal with.
func (l *launch) addProgram(im *image, firstOpen, free uint64, guard *guard) (exec int) {
	// Should memory run out, it is the program that has to go.
	adjust := im.add(unix.SYS_OPENAT, 0, im.text("/proc/self/oom_score_adj"), unix.O_WRONLY)
	im.add(unix.SYS_WRITE, free, im.text("1000"), 4)
	last := im.add(unix.SYS_CLOSE, free)
	im.steps[adjust].failed = last + 1
	im.add(unix.SYS_SETSID) // a session and a process group of its own
	addPrivileges(im)
	if guard != nil {
		guard.add(im)
	}
	addSignals(im)
	im.add(unix.SYS_UMASK, 0o022)
	// Not closed but marked, so that the failure to execute can still be told. The harness's own are marked
	// already; here go those that it was started with, and those that a peer in the harness has just made.
	im.add(unix.SYS_CLOSE_RANGE, firstOpen, uint64(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	for fd := firstOpen; fd <= fdImage; fd++ { // for kernels before 5.11
		im.add(unix.SYS_FCNTL, fd, unix.F_SETFD, unix.FD_CLOEXEC)
	}
	return im.add(unix.SYS_EXECVE, im.text(l.path), im.texts(l.argv), im.texts(l.env))
}

// addMostProcesses adds the steps by which the first process of a pid namespace bounds the numbers in it,
// threads included. free is the descriptor that the next open gives. Before Linux 6.14 the bound would be
// that of the whole machine, and is left alone.
func addMostProcesses(im *image, free uint64, l Limits) {
	if l.Processes < 0 || !kernelAtLeast(6, 14) {
		return
	}
	// Numbers below 300 are only given once; the kernel takes no bound below 301.
	number := strconv.Itoa(max(l.Processes, 301))
	open := im.add(unix.SYS_OPENAT, 0, im.text("/proc/sys/kernel/pid_max"), unix.O_WRONLY)
	im.add(unix.SYS_WRITE, free, im.text(number), uint64(len(number)))
	last := im.add(unix.SYS_CLOSE, free)
	im.steps[open].failed = last + 1
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

// kernelAtLeast compares the version of the running kernel.
func kernelAtLeast(major, minor int) bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	release := unix.ByteSliceToString(name.Release[:])
	var has [2]int
	for i := range has {
		digits := 0
		for digits < len(release) && release[digits] >= '0' && release[digits] <= '9' {
			digits++
		}
		has[i], _ = strconv.Atoi(release[:digits])
		release = release[min(len(release), digits+1):]
	}
	return has[0] > major || has[0] == major && has[1] >= minor
}
