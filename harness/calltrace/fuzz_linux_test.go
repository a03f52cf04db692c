package calltrace

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// FuzzCalls reads calls with arbitrary arguments out of arbitrary memory, at their entry and at their return.
// The memory is this process's own, so that no program has to be run. A word whose upper half is `pointer`
// stands for an address in the memory, its lower half for the offset.
func FuzzCalls(f *testing.F) {
	const pointer = 0xb0f0b0f0
	at := func(offset uint64) uint64 { return pointer<<32 | offset }
	words := func(w ...uint64) (b []byte) {
		for _, word := range w {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
		return b
	}
	kinds := tracedCalls()
	table := newSyscallTable(kinds)
	message := words(at(128), 16, at(64), 2, at(192), 64, 0, 3) // struct mmsghdr
	vectors := words(at(200), 5, at(0), 1<<63)
	control := words(20, scmRights<<32|levelSocket, 5)
	memory := append(append(append(message, vectors...), slices.Repeat([]byte{2, 0, 31, 144, 127, 0, 0, 1}, 8)...), control...)
	for _, k := range kinds {
		f.Add(uint16(k.nr), words(3, at(0), 2, 4, at(128), at(136)), memory, int64(2))
		f.Add(uint16(k.nr), words(1, at(64), 1<<40, at(8), ^uint64(0), 7), memory[:100], int64(-4))
	}
	f.Fuzz(func(t *testing.T, nr uint16, arguments, memory []byte, result int64) {
		kind := table.find(uint64(nr))
		if kind == nil || len(memory) == 0 || result == -512 {
			return
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		memory = slices.Clone(memory)
		base := uint64(uintptr(unsafe.Pointer(&memory[0])))
		relocate := func(word uint64) uint64 {
			if word>>32 != pointer {
				return word
			}
			return base + word&0xffffffff%uint64(len(memory))
		}
		for i := 0; i+8 <= len(memory); i += 8 {
			binary.LittleEndian.PutUint64(memory[i:], relocate(binary.LittleEndian.Uint64(memory[i:])))
		}
		tr := newTracer(&Trace{
			journal: newJournal(Limits{Data: 100}.withDefaults(), isAsleep), engine: engine{group: newGroup()},
		}, Command{End: evidence.Server, Limits: Limits{Data: 100}.withDefaults()})
		th := tr.addThread(unix.Gettid(), &process{pid: unix.Getpid()}, newFiles())
		tr.now = evidence.Now()
		p := &th.call
		*p = pending{kind: kind, files: th.files, nr: kind.nr, fd: -1, entry: tr.now}
		for i := range min(len(p.args), len(arguments)/8) {
			p.args[i] = relocate(binary.LittleEndian.Uint64(arguments[8*i:]))
		}
		tr.draft = evidence.Call{End: evidence.Server, PID: th.process.pid, TID: th.tid, Op: kind.op, Name: kind.name, FD: p.int(0), Entry: tr.now}
		if tr.begin(th, p) {
			tr.now = evidence.Now()
			tr.finish(th, p, tr.now, result)
			p.release()
		}
		calls := tr.trace.journal.snapshot()
		checkRecord(t, calls)
		for _, c := range calls {
			if len(c.Data) > 100 || len(c.Value) > maxOption || c.Length < 0 || len(c.Watched) > 1024 || !c.Returned() {
				t.Errorf("%+v", c)
			}
			_ = c.String()
		}
		if th.files.making != 0 || len(th.files.closing) != 0 {
			t.Errorf("left in the books: %d being made, closing %v", th.files.making, th.files.closing)
		}
	})
}
