//go:build amd64 || arm64

package program

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
)

// nest is a pid namespace for a traced program, which is forked by its tracer and not by a keeper. The first
// process in it does nothing but take in orphans. When it is ended, so is all that is in the namespace, and
// no signal gets out. It also ends with the harness, whose end of a pipe it reads from.
type nest struct {
	number     int
	namespaces []*os.File    // pid and ipc
	hold       *os.File      // its writing end
	ended      chan struct{} // closed when no process is left in it; those that the harness is the parent of have to be waited for first

	once sync.Once
}

// newNest makes one. It fails where namespaces are not allowed.
func newNest() (*nest, error) {
	file, err := nestImage().file()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer theirs.Close()
	answer, theirAnswer, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer answer.Close()
	n := &nest{hold: ours, ended: make(chan struct{})}
	started := make(chan error, 1)
	// A thread of its own, which stays until the child has ended: on any other, a tracer that comes to run
	// there later would find it among its children.
	go onOwnThread(func() {
		var err error
		n.number, err = descriptors.ForkExec("/proc/self/fd/2", []string{"nest"}, &syscall.ProcAttr{
			Dir: "/", Env: []string{}, Files: []uintptr{theirs.Fd(), theirAnswer.Fd(), file.Fd()},
			Sys: &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC, AmbientCaps: numbering()},
		})
		theirAnswer.Close()
		started <- err
		if err == nil {
			n.attend()
		}
	})
	if err := <-started; err != nil {
		ours.Close()
		return nil, fmt.Errorf("make a pid namespace: %w", err)
	}
	if err := n.open(answer); err != nil {
		n.end()
		<-n.ended
		return nil, fmt.Errorf("make a pid namespace: %w", err)
	}
	return n, nil
}

// open gives the namespace its number and takes hold of it.
func (n *nest) open(answer *os.File) error {
	if _, err := n.hold.Write(number(n.number)); err != nil {
		return err
	}
	if _, err := answer.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("its first process does not answer: %w", err)
	}
	for _, kind := range []string{"pid", "ipc"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", n.number, kind))
		if err != nil {
			return err
		}
		n.namespaces = append(n.namespaces, f)
	}
	return nil
}

// nestImage is what the first process of the namespace does.
func nestImage() *image {
	im := &image{}
	addNumber(im, 0)
	const ignore = 1 // SIG_IGN: children need not be waited for
	im.add(unix.SYS_RT_SIGACTION, uint64(unix.SIGCHLD), im.words(ignore, 0, 0, 0), 0, 8)
	im.add(unix.SYS_WRITE, 1, im.words(0), 1)
	im.add(unix.SYS_CLOSE, 1)
	im.add(unix.SYS_CLOSE, 2)
	read := im.add(unix.SYS_READ, 0, im.words(0), 1) // until the harness closes the pipe, or is gone
	im.add(unix.SYS_EXIT_GROUP, 0)
	im.steps[read].more = read
	return im
}

// enter makes the children of the calling thread members of the namespace.
func (n *nest) enter() error {
	for i, kind := range []int{unix.CLONE_NEWPID, unix.CLONE_NEWIPC} {
		if err := unix.Setns(int(n.namespaces[i].Fd()), kind); err != nil {
			return fmt.Errorf("enter the pid namespace: %w", err)
		}
	}
	return nil
}

// end ends all processes in the namespace. It does not wait.
func (n *nest) end() {
	n.once.Do(func() {
		n.hold.Close() // the first process leaves, and the others are killed
		for _, f := range n.namespaces {
			f.Close()
		}
	})
}

// attend waits for the first process to end, which it does when it is the last one.
func (n *nest) attend() {
	waitFor(n.number, nil)
	close(n.ended)
}
