package descriptors_test

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/descriptors"
)

// TestNobodyHasACopy closes pipes while programs are started, and looks whether their end came at once.
func TestNobodyHasACopy(t *testing.T) {
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	with := func(flags uintptr) func() error {
		return func() error {
			pid, err := descriptors.ForkExec(program, []string{"true"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: flags}})
			if err == nil {
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			return err
		}
	}
	for name, start := range map[string]func() error{
		"as a command": func() error {
			command := exec.Command(program)
			if err := descriptors.Start(command.Start); err != nil {
				return err
			}
			return command.Wait()
		},
		"as a child": with(0), "in a user namespace": with(unix.CLONE_NEWUSER),
	} {
		t.Run(name, func(t *testing.T) {
			if err := start(); err != nil {
				t.Skip("it cannot be started so: ", err)
			}
			stop := make(chan struct{})
			var starting sync.WaitGroup
			for range 2 {
				starting.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							if err := start(); err != nil {
								t.Error(err)
								return
							}
						}
					}
				})
			}
			late := 0
			for range 1000 {
				if !endsAtOnce(t) {
					late++
				}
			}
			close(stop)
			starting.Wait()
			if late > 0 {
				t.Errorf("%d of 1000 pipes had no end of file when they had been closed", late)
			}
		})
	}
}

// endsAtOnce says whether the reading end of a pipe is told of its end as soon as the other is closed.
func endsAtOnce(t *testing.T) bool {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := descriptors.Close(writer.Close); err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(reader.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, 0); err != nil {
		t.Fatal(err)
	}
	return poll[0].Revents&unix.POLLHUP != 0
}

func TestCloseYieldsTheError(t *testing.T) {
	if err := descriptors.Close(func() error { return os.ErrClosed }); err != os.ErrClosed {
		t.Error(err)
	}
}
