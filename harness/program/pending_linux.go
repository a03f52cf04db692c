package program

import (
	"os"

	"golang.org/x/sys/unix"
)

// Pending says whether something is still to be done for the program's standard streams outside of it: there
// is input that its pipe has room for, or output that nobody has read. While that is so, a program that
// sleeps may be about to go on.
func (p *Process) Pending() bool {
	return p.stdin.pending() || p.stdout.pending() || p.stderr.pending()
}

// pending asks by poll, which needs no lock: a program that splices a socket into the pipe holds the pipe's lock
// for as long as it waits for data, and any other question would wait with it.
func (s *stream) pending() bool {
	return ofOpen(s.file, func(fd int) bool {
		there := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(there, 0)
		return err == nil && n > 0 && there[0].Revents&unix.POLLIN != 0
	})
}

func (f *feeder) pending() bool {
	f.mu.Lock()
	queued, closing := f.writing || len(f.queue) > 0, f.closed
	f.mu.Unlock()
	select {
	case <-f.done:
		return false
	default:
	}
	if !queued {
		return closing
	}
	return ofOpen(f.file, func(fd int) bool {
		room := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(room, 0)
		return err == nil && n > 0
	})
}

// ofOpen puts a question about an open file; no is the answer about one that is closed.
func ofOpen(file *os.File, question func(fd int) bool) (answer bool) {
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { answer = question(int(fd)) })
	return answer
}
