package calltrace

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	nativeArch = unix.AUDIT_ARCH_AARCH64
	x32Bit     = 0 // there is none
)

// foreignExits are the calls of a foreign architecture that are let through, so that a program of it can
// end: exit and exit_group of 32-bit ARM.
var foreignExits = [...]uint32{1, 248}

// archCalls are the traced calls that only this architecture has.
func archCalls() []syscallKind { return nil }

// cloneFlags tells from the registers at a clone event how the child was made. For clone3 the flags stand in
// memory at the address that is returned.
func cloneFlags(r *unix.PtraceRegs) (flags uint64, at uint64) {
	// x0 is still the first argument: the result is written after the event.
	switch r.Regs[8] {
	case unix.SYS_CLONE:
		return r.Regs[0], 0
	case unix.SYS_CLONE3:
		return 0, r.Regs[0]
	}
	return 0, 0
}

// syscallInstruction is `svc #0`, padded to a machine word with what stood there.
func syscallInstruction(word []byte) []byte {
	return append([]byte{0x01, 0x00, 0x00, 0xd4}, word[4:]...)
}

// setCall prepares registers to make a system call at the instruction at pc.
func setCall(r *unix.PtraceRegs, pc uint64, nr uint64, args ...uint64) {
	r.Pc, r.Regs[8] = pc, nr
	copy(r.Regs[:6], args)
}

func programCounter(r *unix.PtraceRegs) uint64 { return r.Pc }
func stackPointer(r *unix.PtraceRegs) uint64   { return r.Sp }
func callResult(r *unix.PtraceRegs) int64      { return int64(r.Regs[0]) }

// is64Bit says whether the program runs in 64-bit mode (PSR_MODE32_BIT is clear).
func is64Bit(r *unix.PtraceRegs) bool { return r.Pstate&0x10 == 0 }

// refuse makes the call that the thread is entering fail without being made.
func refuse(tid int, errno unix.Errno) error {
	none := int32(-1)
	vec := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none))}
	vec.SetLen(4)
	if err := ptrace(unix.PTRACE_SETREGSET, tid, unix.NT_ARM_SYSTEM_CALL, uintptr(unsafe.Pointer(&vec))); err != nil {
		return err
	}
	return setArgument(tid, 0, uint64(-int64(errno)))
}

// setArgument changes an argument of the call that the thread is entering.
func setArgument(tid int, index int, value uint64) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return err
	}
	r.Regs[index] = value
	return unix.PtraceSetRegs(tid, &r)
}

// restoreArgument undoes setArgument at the exit of the call. The first one is the result by then.
func restoreArgument(tid int, index int, value uint64) error {
	if index == 0 {
		return nil
	}
	return setArgument(tid, index, value)
}

// Where a signal frame keeps the interrupted registers, from the stack pointer at the handler's first
// instruction (struct rt_sigframe: siginfo of 128 bytes, then ucontext, whose mcontext is aligned to 16).
const (
	frameSize   = 128 + 176 + 8 + 31*8 + 16
	frameResult = 128 + 176 + 8 // x0
)

// frameRestarts says, from the signal frame, whether the interrupted call is made again after the handler.
func frameRestarts(frame []byte) bool {
	if len(frame) < frameSize {
		return true
	}
	return int64(binary.LittleEndian.Uint64(frame[frameResult:])) != -int64(unix.EINTR)
}
