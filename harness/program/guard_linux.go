//go:build amd64 || arm64

package program

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// guard keeps a program that shares its pid namespace with the harness from ending it: a seccomp filter by
// which signals to all processes, to the harness, to its process group and to the keeper fail with EPERM, as
// they would for a stranger. All else is allowed.
//
// It is made for programs that are careless (kill -1 as root), and for graders on machines without
// namespaces. It is no wall: a program that is out to harm the harness there finds other ways.
type guard struct {
	code uint64 // address of the filter once it has a place
}

func newGuard() *guard { return &guard{} }

// Numbers of the instructions that compare with the pid of the keeper, which only the keeper knows. It puts
// it in the place of the pid of the harness, which stands there where there is no keeper.
const (
	guardKeeper      = 11
	guardKeeperGroup = 15
)

// filter is the program. Its jumps lead to the last instruction, the refusal.
func (g *guard) filter() []unix.SockFilter {
	const number, firstLow = 0, 16 // offsets in struct seccomp_data
	harness := uint32(os.Getpid())
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, K: k}
	}
	give := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	room := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM} // is overwritten by the upper half of the keeper's pid
	return []unix.SockFilter{
		load(number),
		equal(unix.SYS_KILL, 5),
		equal(unix.SYS_TGKILL, 4),
		equal(unix.SYS_TKILL, 3),
		equal(unix.SYS_RT_SIGQUEUEINFO, 2),
		equal(unix.SYS_PIDFD_OPEN, 1),
		give(unix.SECCOMP_RET_ALLOW),
		load(firstLow),
		equal(^uint32(0), 9),
		equal(harness, 8),
		equal(-uint32(unix.Getpgrp()), 7),
		equal(harness, 6), // guardKeeper
		room,
		load(firstLow),
		{Code: unix.BPF_ALU | unix.BPF_NEG},
		equal(harness, 2), // guardKeeperGroup
		room,
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
	}
}

// spare adds the steps by which a keeper has itself spared. They must come before those of add.
func (g *guard) spare(im *image) {
	for _, instruction := range []uint64{guardKeeper, guardKeeperGroup} {
		own := im.add(unix.SYS_GETPID)
		im.steps[own].into = g.place(im) + instruction*unix.SizeofSockFilter + 4 // its operand
	}
}

// add adds the step that puts the filter into force for the process and all that it starts.
func (g *guard) add(im *image) (step int) {
	program := im.words(uint64(len(g.filter())), g.place(im)) // struct sock_fprog
	return im.add(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, program)
}

// place is the address of the filter in the image.
func (g *guard) place(im *image) uint64 {
	if g.code == 0 {
		var code []byte
		for _, f := range g.filter() {
			code = binary.LittleEndian.AppendUint16(code, f.Code)
			code = append(code, f.Jt, f.Jf)
			code = binary.LittleEndian.AppendUint32(code, f.K)
		}
		g.code = im.put(code)
	}
	return g.code
}
