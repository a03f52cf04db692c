//go:build amd64 || arm64

package calltrace

import (
	"golang.org/x/sys/unix"
)

// Where things stand in struct seccomp_data.
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

const (
	retTrace = unix.SECCOMP_RET_TRACE
	retAllow = unix.SECCOMP_RET_ALLOW
)

// filter makes the seccomp program that stops a thread at the traced calls, and at every call of a foreign
// architecture. The kernel finds out by itself which calls pass whatever their arguments are, and asks the
// program no more about those.
func filter(kinds []syscallKind) []unix.SockFilter {
	var f assembler
	f.load(dataArch)
	f.skipIfEqual(nativeArch, 3+2*len(foreignExits)-1)
	f.load(dataNr)
	for _, nr := range foreignExits {
		f.returnIfEqual(nr, retAllow)
	}
	f.ret(retTrace)
	f.load(dataNr)
	if x32Bit != 0 {
		f.returnIfAtLeast(x32Bit, retTrace)
	}
	for _, k := range kinds {
		if k.only == nil {
			f.returnIfEqual(uint32(k.nr), retTrace)
			continue
		}
		var test assembler
		test.condition(k.only)
		f.skipUnlessEqual(uint32(k.nr), len(test))
		f = append(f, test...)
	}
	f.ret(retAllow)
	return f
}

// assembler appends instructions of classic BPF.
type assembler []unix.SockFilter

func (a *assembler) add(code uint16, k uint32, jt, jf int) {
	*a = append(*a, unix.SockFilter{Code: code, Jt: uint8(jt), Jf: uint8(jf), K: k})
}

func (a *assembler) load(offset uint32) { a.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0) }
func (a *assembler) ret(action uint32)  { a.add(unix.BPF_RET|unix.BPF_K, action, 0, 0) }

func (a *assembler) skipIfEqual(k uint32, n int) {
	a.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, n, 0)
}

func (a *assembler) skipUnlessEqual(k uint32, n int) {
	a.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, 0, n)
}

func (a *assembler) returnIfEqual(k, action uint32) {
	a.skipUnlessEqual(k, 1)
	a.ret(action)
}

func (a *assembler) returnIfAtLeast(k, action uint32) {
	a.add(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, k, 0, 1)
	a.ret(action)
}

// condition returns for a call whose number has matched.
func (a *assembler) condition(c *condition) {
	a.load(dataArgs + 8*uint32(c.arg)) // the low half, on a little-endian machine
	switch {
	case c.notZero:
		a.returnIfEqual(0, retAllow)
		a.ret(retTrace)
	case c.bits != 0:
		a.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, c.bits, 0, 1)
		a.ret(retTrace)
		a.ret(retAllow)
	default:
		for _, v := range c.values {
			a.returnIfEqual(v, retTrace)
		}
		a.ret(retAllow)
	}
}
