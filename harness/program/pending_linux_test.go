package program

import (
	"os"
	"testing"
)

func TestPendingOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := &stream{file: r}
	if s.pending() {
		t.Error("nothing was printed yet")
	}
	w.WriteString("x")
	if !s.pending() {
		t.Error("a byte waits to be read")
	}
	r.Close()
	if s.pending() {
		t.Error("nobody will read any more")
	}
}

func TestPendingInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := &feeder{file: w, done: make(chan struct{}), wake: make(chan struct{}, 1)} // that does not run yet
	if f.pending() {
		t.Error("nothing was fed yet")
	}
	f.feed(make([]byte, 200_000))
	if !f.pending() {
		t.Error("there is input, and room for it")
	}
	// Everything but what a pipe holds is left when it is full, and then it is the program's turn.
	for fill := make([]byte, 4096); f.pending(); {
		w.Write(fill)
	}
	f.close()
	if f.pending() {
		t.Error("the end comes behind the input")
	}
	buf := make([]byte, 1<<20)
	for n := 0; n < 65536; {
		k, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	go f.run()
	for {
		if _, err := r.Read(buf); err != nil {
			break
		}
	}
	<-f.done
	if f.pending() {
		t.Error("all was given")
	}
}
