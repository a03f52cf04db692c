package calltrace

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

const (
	nativeArch = unix.AUDIT_ARCH_X86_64
	x32Bit     = 0x40000000 // __X32_SYSCALL_BIT
)

// foreignExits are the calls of a foreign architecture that are let through, so that a program of it can
// end: exit and exit_group of i386 (arch/x86/entry/syscalls/syscall_32.tbl).
var foreignExits = [...]uint32{1, 252}

// archCalls are the traced calls that amd64 has and arm64 has not.
func archCalls() []syscallKind {
	return []syscallKind{
		{nr: unix.SYS_DUP2, name: "dup2", form: formDup, op: evidence.OpDup},
		{nr: unix.SYS_POLL, name: "poll", form: formPoll, op: evidence.OpWait},
		{nr: unix.SYS_SELECT, name: "select", form: formSelect, op: evidence.OpWait},
		{nr: unix.SYS_EPOLL_WAIT, name: "epoll_wait", form: formEpollWait, op: evidence.OpWait, only: &condition{arg: 3, notZero: true}},
	}
}

// cloneFlags tells from the registers at a clone event how the child was made. For clone3 the flags stand in
// memory at the address that is returned.
func cloneFlags(r *unix.PtraceRegs) (flags uint64, at uint64) {
	switch r.Orig_rax {
	case unix.SYS_CLONE:
		return r.Rdi, 0
	case unix.SYS_CLONE3:
		return 0, r.Rdi
	case unix.SYS_VFORK:
		return unix.CLONE_VM | unix.CLONE_VFORK, 0
	}
	return 0, 0
}

// syscallInstruction is `syscall`, padded to a machine word with what stood there.
func syscallInstruction(word []byte) []byte {
	return append([]byte{0x0f, 0x05}, word[2:]...)
}

// setCall prepares registers to make a system call at the instruction at pc.
func setCall(r *unix.PtraceRegs, pc uint64, nr uint64, args ...uint64) {
	r.Rip, r.Rax, r.Orig_rax = pc, nr, ^uint64(0)
	for i, to := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}[:len(args)] {
		*to = args[i]
	}
}

func programCounter(r *unix.PtraceRegs) uint64 { return r.Rip }
func stackPointer(r *unix.PtraceRegs) uint64   { return r.Rsp }
func callResult(r *unix.PtraceRegs) int64      { return int64(r.Rax) }

// is64Bit says whether the program runs in 64-bit mode (user code segment 0x33).
func is64Bit(r *unix.PtraceRegs) bool { return r.Cs == 0x33 }

// refuse makes the call that the thread is entering fail without being made.
func refuse(tid int, errno unix.Errno) error {
	if err := pokeRegister(tid, unsafe.Offsetof(unix.PtraceRegs{}.Orig_rax), ^uint64(0)); err != nil {
		return err
	}
	return pokeRegister(tid, unsafe.Offsetof(unix.PtraceRegs{}.Rax), uint64(-int64(errno)))
}

// setArgument changes an argument of the call that the thread is entering.
func setArgument(tid int, index int, value uint64) error {
	offsets := [...]uintptr{
		unsafe.Offsetof(unix.PtraceRegs{}.Rdi), unsafe.Offsetof(unix.PtraceRegs{}.Rsi), unsafe.Offsetof(unix.PtraceRegs{}.Rdx),
		unsafe.Offsetof(unix.PtraceRegs{}.R10), unsafe.Offsetof(unix.PtraceRegs{}.R8), unsafe.Offsetof(unix.PtraceRegs{}.R9),
	}
	return pokeRegister(tid, offsets[index], value)
}

// restoreArgument undoes setArgument at the exit of the call: the kernel keeps all registers but the
// result's for the program.
func restoreArgument(tid int, index int, value uint64) error { return setArgument(tid, index, value) }

func pokeRegister(tid int, offset uintptr, value uint64) error {
	return ptrace(unix.PTRACE_POKEUSR, tid, offset, uintptr(value))
}

// Where a signal frame keeps the interrupted registers, from the stack pointer at the handler's first
// instruction (struct rt_sigframe, struct sigcontext).
const (
	frameSize   = 8 + 40 + 17*8
	frameResult = 8 + 40 + 13*8 // rax
)

// frameRestarts says, from the signal frame, whether the interrupted call is made again after the handler.
func frameRestarts(frame []byte) bool {
	if len(frame) < frameSize {
		return true
	}
	return int64(binary.LittleEndian.Uint64(frame[frameResult:])) != -int64(unix.EINTR)
}
