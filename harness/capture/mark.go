package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// A mark is a frame that no protocol takes: it carries an EtherType set aside for experiments (IEEE 802),
// so the kernel throws it away and no program sees anything of it. It goes the way of all frames, and so
// stands in the capture behind all that were sent before it.
//
//	0  12  no addresses, as on every loopback
//	12  2  EtherType
//	14 10  "tcpwitness"
//	24  8  the capture it belongs to
//	32  8  its number
const (
	markEtherType = 0x88b5
	markMagic     = "tcpwitness"
	markOwnerAt   = 14 + len(markMagic)
	markNumberAt  = markOwnerAt + 8
	markLength    = markNumberAt + 8
)

// marker makes and knows the marks of one capture.
type marker struct{ owner uint64 }

func newMarker() marker { return marker{owner: rand.Uint64()} }

// frame makes a mark of that length in bytes, at least markLength.
func (m marker) frame(number uint64, length int) []byte {
	b := make([]byte, max(length, markLength))
	binary.BigEndian.PutUint16(b[12:], markEtherType)
	copy(b[14:], markMagic)
	binary.BigEndian.PutUint64(b[markOwnerAt:], m.owner)
	binary.BigEndian.PutUint64(b[markNumberAt:], number)
	return b
}

// marked yields the number of a mark of this capture.
func (m marker) marked(frame []byte) (number uint64, ok bool) {
	if len(frame) < markLength ||
		binary.BigEndian.Uint16(frame[12:]) != markEtherType ||
		!bytes.Equal(frame[14:markOwnerAt], []byte(markMagic)) ||
		binary.BigEndian.Uint64(frame[markOwnerAt:]) != m.owner {
		return 0, false
	}
	return binary.BigEndian.Uint64(frame[markNumberAt:]), true
}
