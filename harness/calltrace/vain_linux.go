//go:build amd64 || arm64

package calltrace

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// This file finds out whether a thread that makes one call in vain after the other sleeps in between, in
// whatever way its language has for that. The kernel counts how often a thread gave up its processor by
// itself (proc(5), voluntary_ctxt_switches); each stop of the trace is one such time, and what goes beyond
// that is sleep.

// vainEnough is the number of calls in vain from which on it is looked at: it costs time.
const vainEnough = 8

// countVain counts a call that has returned.
func (tr *tracer) countVain(th *thread, op evidence.Op, result int64) {
	if result > 0 && op != evidence.OpWait || result == 0 && op != evidence.OpWait && op != evidence.OpRecv {
		th.vain = 0
		return
	}
	if th.vain++; th.vain >= vainEnough {
		th.sleeps, th.watched = tr.sleeps(th)
	}
}

// sleptSince says whether a thread has slept since its last call in vain.
func (tr *tracer) sleptSince(th *thread) bool {
	if th.vain < vainEnough || !th.watched {
		return false
	}
	now, known := tr.sleeps(th)
	return known && now > th.sleeps
}

// sleeps is how often a thread that is stopped has been put to sleep otherwise than by its stops, up to a
// number that stays the same.
func (tr *tracer) sleeps(th *thread) (n int64, known bool) {
	switches, known := tr.proc.switches(th.tid)
	return int64(switches) - th.stops, known
}

var switchesLine = []byte("\nvoluntary_ctxt_switches:\t")

// switches is how often a thread has given up its processor by itself.
func (p *proc) switches(tid int) (n uint64, ok bool) {
	p.path = append(p.path[:0], "/proc/"...)
	p.path = strconv.AppendInt(p.path, int64(tid), 10)
	p.path = append(p.path, "/status\x00"...)
	file, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(atFDCWD), uintptr(unsafe.Pointer(&p.path[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return 0, false
	}
	defer unix.Close(int(file))
	length, err := unix.Read(int(file), p.dir[:])
	if err != nil {
		return 0, false
	}
	at := bytes.Index(p.dir[:length], switchesLine)
	if at < 0 {
		return 0, false
	}
	for _, digit := range p.dir[at+len(switchesLine) : length] {
		if digit < '0' || digit > '9' {
			return n, true
		}
		n = 10*n + uint64(digit-'0')
	}
	return 0, false
}
