package sandbox

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on an OS thread that ends with it, and waits for it. A panic or a runtime.Goexit of f
// happens in the caller instead.
//
// The thread is never the process's main one: that one cannot end, and would hold a namespace for ever.
func onThread(f func() error) error {
	var (
		err      error
		returned bool
		panicked any
		done     = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		runtime.LockOSThread()
		if onMainThread() {
			// While this goroutine holds the main thread, another one cannot get it.
			defer runtime.UnlockOSThread()
			err = onThread(f)
		} else {
			err = f()
		}
		returned = true
	}()
	<-done
	switch {
	case panicked != nil:
		panic(panicked)
	case !returned:
		runtime.Goexit()
	}
	return err
}

// lockAwayFromMain locks the calling goroutine to an OS thread that is not the main one.
func lockAwayFromMain() error {
	const attempts = 1000
	for range attempts {
		runtime.LockOSThread()
		if !onMainThread() {
			return nil
		}
		runtime.UnlockOSThread()

		// Have another goroutine occupy the main thread until this one has found a different thread.
		held, release := make(chan bool), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			held <- onMainThread()
			<-release
		}()
		<-held
		runtime.LockOSThread()
		away := !onMainThread()
		close(release)
		if away {
			return nil
		}
		runtime.UnlockOSThread()
		runtime.Gosched()
	}
	return fmt.Errorf("find a thread for the sandbox: %w", ErrMainThread)
}

func onMainThread() bool { return unix.Gettid() == unix.Getpid() }
