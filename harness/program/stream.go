package program

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// stream collects what a program prints to one descriptor. It reads for as long as anybody can write, so
// that no program is ever blocked by its output, and keeps the first bytes only.
type stream struct {
	file    *os.File // the reading end of a pipe
	kept    int64    // bytes to keep, negative: all
	limit   int64    // bytes after which exceeded is called, negative: never
	changed func()
	over    func()
	done    chan struct{}

	mu    sync.Mutex
	data  []byte
	total int64
}

// run reads until the end of the stream or until finish.
func (s *stream) run() {
	defer close(s.done)
	buf := make([]byte, 64*kib)
	for {
		n, err := s.file.Read(buf)
		s.take(buf[:n])
		if err != nil {
			return
		}
	}
}

// take adds what was read.
func (s *stream) take(b []byte) {
	if len(b) == 0 {
		return
	}
	s.mu.Lock()
	room := int64(len(b))
	if s.kept >= 0 {
		room = min(room, s.kept-int64(len(s.data)))
	}
	s.data = append(s.data, b[:room]...)
	before := s.total
	s.total += int64(len(b))
	over := s.limit >= 0 && before <= s.limit && s.total > s.limit
	s.mu.Unlock()
	if over {
		s.over()
	}
	if room > 0 {
		s.changed()
	}
}

// snapshot is what has been kept up to now, and how many bytes came beyond that.
func (s *stream) snapshot() (data []byte, cut int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[:len(s.data):len(s.data)], s.total - int64(len(s.data))
}

// finish is called when the processes are gone. It takes what is left in the pipe and closes it. Should
// somebody else have got hold of the other end, it does not wait for them.
func (s *stream) finish() {
	// The goroutine may sit in Read although no more will come.
	_ = s.file.SetReadDeadline(time.Unix(1, 0))
	<-s.done
	if raw, err := s.file.SyscallConn(); err == nil {
		buf := make([]byte, 64*kib)
		_ = s.file.SetReadDeadline(time.Time{})
		// A pipe holds 1 MiB at most for users, so this ends even if somebody goes on writing.
		for left := int64(4 * mib); left > 0; {
			var n int
			_ = raw.Read(func(fd uintptr) bool {
				n, err = syscall.Read(int(fd), buf)
				return true
			})
			if n <= 0 || err != nil {
				break
			}
			s.take(buf[:n])
			left -= int64(n)
		}
	}
	s.file.Close()
}
