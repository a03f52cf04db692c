package program

import (
	"os"
	"sync"

	"tcpwitness/harness/descriptors"
)

// feeder writes to a program's standard input. Whoever feeds never waits for the program to read.
type feeder struct {
	file *os.File // the writing end of a pipe
	done chan struct{}

	mu      sync.Mutex
	queue   [][]byte
	writing bool // something that was taken from the queue
	closed  bool
	fed     []byte
	wake    chan struct{} // holds one token where there is something to do
}

func newFeeder(file *os.File) *feeder {
	f := &feeder{file: file, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go f.run()
	return f
}

// feed queues data. After close it does nothing.
func (f *feeder) feed(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.queue = append(f.queue, append([]byte(nil), data...))
	f.fed = append(f.fed, data...)
	f.signal()
}

// close ends the input behind what is queued.
func (f *feeder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.signal()
}

// abandon drops what the program did not read and closes the pipe.
func (f *feeder) abandon() {
	f.mu.Lock()
	f.closed, f.queue = true, nil
	f.signal()
	f.mu.Unlock()
	f.file.Close() // wakes a blocked write
	<-f.done
}

// given is all that was fed.
func (f *feeder) given() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fed[:len(f.fed):len(f.fed)]
}

func (f *feeder) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feeder) run() {
	defer close(f.done)
	defer descriptors.Close(f.file.Close)
	for range f.wake {
		for {
			f.mu.Lock()
			queue, closed := f.queue, f.closed
			f.queue, f.writing = nil, len(f.queue) > 0
			f.mu.Unlock()
			if len(queue) == 0 {
				if closed {
					return
				}
				break
			}
			for _, data := range queue {
				if _, err := f.file.Write(data); err != nil {
					// The program closed its input; what else is fed has no reader.
					f.mu.Lock()
					f.queue = nil
					f.mu.Unlock()
					break
				}
			}
		}
	}
}
