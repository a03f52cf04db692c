package suites

import (
	"bytes"
	"slices"
	"strconv"

	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

// What specs send and offer.
var (
	ping    = []byte("ping")
	pong    = []byte("pong!")
	lost    = []byte("lost on the way")
	nothing = []byte{}
	noError = sockets.Int(0)
)

const (
	room = 128 // bytes of a receive buffer, as the notes have it
	// overflowing is more than the buffers of a narrow connection hold, in bytes.
	overflowing = 1 << 18
	// farAway is a descriptor number above all that a process uses by itself, so that nothing else takes it
	// once it is free.
	farAway = 900
)

// Flags and events as Linux numbers them (bits/socket.h, bits/poll.h), so that the specs build everywhere.
const (
	msgDontWait  = 0x40
	msgNoSignal  = 0x4000
	sockNonblock = 0x800
	sockCloexec  = 0x80000
	soProtocol   = 38
	tcpInfo      = 11
	pollIn       = 0x1
	pollOut      = 0x4
	pollHup      = 0x10
)

// nowhere is a descriptor that is not open.
var nowhere = &stage.Socket{FD: 1 << 20}

// pattern is so many bytes in which no part looks like another.
func pattern(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteByte(byte(i))
		b.WriteByte(byte(i >> 8))
		b.WriteByte(byte(i*7 + 3))
	}
	return b.Bytes()[:n]
}

func itoa(port uint16) string { return strconv.Itoa(int(port)) }

func contains(fds []int, fd int) bool { return slices.Contains(fds, fd) }
