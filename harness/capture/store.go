package capture

import (
	"time"

	"github.com/google/gopacket"

	"tcpwitness/harness/evidence"
)

// store keeps frames up to a limit. What list yielded stays as it is while more is added.
type store struct {
	maxFrames, maxBytes int

	packets []evidence.Packet
	bytes   int
	refused int    // frames that came when the store was full
	chunk   []byte // where the bytes of the next frames go
}

// Chunks begin small, since most captures are, and double.
const (
	firstChunk = 4 << 10
	lastChunk  = 1 << 20
)

func (s *store) add(frame []byte, info gopacket.CaptureInfo) {
	if s.refused > 0 || len(s.packets) >= s.maxFrames || s.bytes+len(frame) > s.maxBytes {
		s.refused++
		return
	}
	s.bytes += len(frame)
	s.packets = append(s.packets, evidence.Packet{
		N:      len(s.packets) + 1,
		Time:   s.moment(info.Timestamp),
		Data:   s.keep(frame),
		Length: info.Length,
	})
}

// keep copies bytes to where they can stay.
func (s *store) keep(frame []byte) []byte {
	if cap(s.chunk)-len(s.chunk) < len(frame) {
		size := min(max(firstChunk, 2*cap(s.chunk)), lastChunk)
		s.chunk = make([]byte, 0, max(size, len(frame)))
	}
	begin := len(s.chunk)
	s.chunk = append(s.chunk, frame...)
	return s.chunk[begin:len(s.chunk):len(s.chunk)]
}

// skew is the most by which two processors' frames can pass each other between being stamped and being
// put in order.
const skew = 100 * time.Millisecond

// moment yields the time of the next frame. Two processors that send at once can stamp their frames in
// one order and have them captured in the other. The later place then gets the earlier one's time: that
// is still before anything that could come of it, and the times rise as the numbers do. A clock that was set
// back by more is left alone.
func (s *store) moment(stamp time.Time) evidence.Time {
	t := evidence.At(stamp)
	if n := len(s.packets); n > 0 {
		if last := s.packets[n-1].Time; t < last && last.Sub(t) < skew {
			return last
		}
	}
	return t
}

func (s *store) list() []evidence.Packet {
	return s.packets[:len(s.packets):len(s.packets)]
}
