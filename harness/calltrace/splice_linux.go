//go:build amd64 || arm64

package calltrace

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

// beginSplice reads a splice, which sends where its output is a socket and receives where its input is one.
// What crosses a pipe cannot be read without taking it.
func (tr *tracer) beginSplice(th *thread, p *pending, c *evidence.Call) bool {
	c.Length, c.Op = clampLength(p.args[4]), evidence.OpSend
	c.FD = p.int(2)
	if c.Socket = tr.identity(th, c.FD); c.Socket != 0 {
		return true
	}
	c.FD, c.Op = p.int(0), evidence.OpRecv
	c.Socket = tr.identity(th, c.FD)
	return c.Socket != 0
}

// fileData reads from the file what a sendfile is going to send, where it is an ordinary file.
func (tr *tracer) fileData(th *thread, fd int, offsetAt uint64, length int) []byte {
	tr.proc.fdPath(th.tid, fd)
	path := string(tr.proc.path[:len(tr.proc.path)-1])
	var what unix.Stat_t
	if unix.Stat(path, &what) != nil || what.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // opening anything else might have effects
	}
	file, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(file)
	offset := int64(tr.memory.number(th.tid, offsetAt, 8))
	if offsetAt == 0 {
		offset = position(th.tid, fd)
	}
	b := tr.buffer[:min(length, tr.limits.Data)]
	if len(b) == 0 || offset < 0 {
		return nil
	}
	n, err := unix.Pread(file, b, offset)
	if err != nil {
		return nil
	}
	return b[:n]
}

// position reads how far a descriptor has been read (proc(5), fdinfo: "pos:	123").
func position(tid, fd int) int64 {
	var b [512]byte
	for line := range bytes.SplitSeq(readProc(tid, "fdinfo/"+strconv.Itoa(fd), b[:]), []byte("\n")) {
		if value, found := bytes.CutPrefix(line, []byte("pos:")); found {
			n, _ := decimal(bytes.TrimSpace(value))
			return int64(n)
		}
	}
	return -1
}
