//go:build amd64 || arm64

package calltrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prepare makes the program, at its exec stop, close what it has inherited beyond its standard streams and
// install the filter on itself. Registers and memory are as before when it is done.
func (tr *tracer) prepare(pid int, regs unix.PtraceRegs) error {
	i, err := newInjection(pid, regs, &tr.memory)
	if err != nil {
		return err
	}
	defer i.undo()
	if open := tr.proc.list(pid, maxScan); len(open) > 0 && open[len(open)-1] > standardError {
		if _, err := i.call(unix.SYS_CLOSE_RANGE, standardError+1, math.MaxUint32, 0); err != nil {
			return fmt.Errorf("close inherited descriptors: %w", err)
		}
	}
	if err := i.install(tr.filter); err != nil {
		return err
	}
	return i.undo()
}

func (i *injection) install(filter []unix.SockFilter) error {
	program, err := i.place(filter)
	if err != nil {
		return err
	}
	result, err := i.call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, program)
	if err == nil && unix.Errno(-result) == unix.EACCES {
		// Without privilege a process may only do so when it cannot gain any by exec.
		if result, err = i.call(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil && result == 0 {
			result, err = i.call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, program)
		}
	}
	if err != nil {
		return fmt.Errorf("install seccomp filter: %w", err)
	}
	if result != 0 {
		return fmt.Errorf("%w: install seccomp filter: %w", ErrUnavailable, unix.Errno(-result))
	}
	return nil
}

// injection makes system calls in the place of a stopped program.
type injection struct {
	pid    int
	regs   unix.PtraceRegs // as they were
	memory *memory
	code   []byte        // what stood at the program counter
	stack  []byte        // what stood where data was placed
	room   uint64        // where that is
	held   []unix.Signal // that came meanwhile
	undone bool
}

const (
	wordSize      = 8
	standardError = 2
)

func newInjection(pid int, regs unix.PtraceRegs, m *memory) (*injection, error) {
	i := &injection{pid: pid, regs: regs, memory: m, code: make([]byte, wordSize)}
	if _, err := unix.PtracePeekText(pid, uintptr(programCounter(&regs)), i.code); err != nil {
		return nil, fmt.Errorf("%w: read program: %w", ErrUnavailable, err)
	}
	if _, err := unix.PtracePokeText(pid, uintptr(programCounter(&regs)), syscallInstruction(i.code)); err != nil {
		return nil, fmt.Errorf("%w: write program: %w", ErrUnavailable, err)
	}
	return i, nil
}

// place puts a filter, as struct sock_fprog, below the stack and yields its address.
func (i *injection) place(filter []unix.SockFilter) (uint64, error) {
	const header = 16
	b := make([]byte, header, header+len(filter)*unix.SizeofSockFilter)
	for _, f := range filter {
		b = append(b, unsafe.Slice((*byte)(unsafe.Pointer(&f)), unix.SizeofSockFilter)...)
	}
	i.room = (stackPointer(&i.regs) - 1024 - uint64(len(b))) &^ 15
	binary.LittleEndian.PutUint16(b, uint16(len(filter)))
	binary.LittleEndian.PutUint64(b[8:], i.room+header)
	i.stack = make([]byte, len(b))
	if _, err := unix.PtracePeekData(i.pid, uintptr(i.room), i.stack); err != nil {
		i.stack = nil
		return 0, fmt.Errorf("read stack: %w", err)
	}
	return i.room, i.poke(b)
}

func (i *injection) poke(b []byte) error {
	if i.memory.write(i.pid, i.room, b) {
		return nil
	}
	if _, err := unix.PtracePokeData(i.pid, uintptr(i.room), b); err != nil {
		return fmt.Errorf("write stack: %w", err)
	}
	return nil
}

// call makes one system call and yields its result, -errno for a failure.
func (i *injection) call(nr uint64, args ...uint64) (int64, error) {
	regs := i.regs
	setCall(&regs, programCounter(&i.regs), nr, args...)
	if err := unix.PtraceSetRegs(i.pid, &regs); err != nil {
		return 0, fmt.Errorf("set registers: %w", err)
	}
	for stops := 0; stops < 2; { // its entry and its exit
		resume(unix.PTRACE_SYSCALL, i.pid, 0)
		status, err := awaitStop(i.pid)
		switch {
		case err != nil:
			return 0, err
		case status.StopSignal() == unix.SIGTRAP|syscallStop:
			// Everything rests on this request, which Linux has since 5.3.
			if stops++; !new(syscallInfo).read(i.pid) {
				return 0, fmt.Errorf("%w: the kernel does not tell what system call a thread is in", ErrUnavailable)
			}
		case stopEvent(status) == 0:
			i.held = append(i.held, status.StopSignal())
		}
	}
	if err := unix.PtraceGetRegs(i.pid, &regs); err != nil {
		return 0, fmt.Errorf("read registers: %w", err)
	}
	return callResult(&regs), nil
}

// undo puts registers and memory back.
func (i *injection) undo() error {
	if i.undone {
		return nil
	}
	i.undone = true
	_, codeErr := unix.PtracePokeText(i.pid, uintptr(programCounter(&i.regs)), i.code)
	var stackErr error
	if i.stack != nil {
		stackErr = i.poke(i.stack)
	}
	if err := errors.Join(codeErr, stackErr, unix.PtraceSetRegs(i.pid, &i.regs)); err != nil {
		return fmt.Errorf("put the program back as it was: %w", err)
	}
	for _, signal := range i.held {
		unix.Kill(i.pid, signal)
	}
	return nil
}
