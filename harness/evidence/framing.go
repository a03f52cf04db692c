package evidence

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// FramingKind says how the end of a text is known in a stream of bytes.
type FramingKind string

// The kinds of framing.
const (
	FramingFixed  FramingKind = "fixed"       // a frame of Size bytes: the text, then NULs, at least one
	FramingLine   FramingKind = "line"        // the text, then a newline
	FramingLength FramingKind = "length"      // the text's length in Width bytes, then the text
	FramingEnd    FramingKind = "end of file" // the text, then the end of the stream
)

// Framing says how texts are put into a stream of bytes.
type Framing struct {
	Kind  FramingKind `json:"kind"`
	Size  int         `json:"size,omitempty"`  // of a fixed frame, in bytes, NULs included
	Width int         `json:"width,omitempty"` // of the length prefix: 1, 2, 4 or 8 bytes
	// Little says that the length prefix has its low byte first; network byte order is the other.
	Little bool `json:"little,omitempty"`
}

// MaxText is the longest text that a frame can carry, in bytes, and whether there is such a bound that a
// scene can reach.
func (f Framing) MaxText() (n int, bounded bool) {
	switch {
	case f.Kind == FramingFixed:
		return f.Size - 1, true
	case f.Kind == FramingLength && f.Width == 1:
		return math.MaxUint8, true
	case f.Kind == FramingLength && f.Width == 2:
		return math.MaxUint16, true
	}
	return math.MaxInt32, false
}

// Frame is the text as it crosses the wire. A text that is too long is cut.
func (f Framing) Frame(text []byte) Bytes {
	n, _ := f.MaxText()
	text = text[:min(len(text), n)]
	switch f.Kind {
	case FramingFixed:
		frame := make([]byte, f.Size)
		copy(frame, text)
		return frame
	case FramingLine:
		return append(bytes.Clone(text), '\n')
	case FramingLength:
		return append(f.prefix(len(text)), text...)
	}
	return bytes.Clone(text)
}

func (f Framing) prefix(n int) []byte {
	whole := binary.BigEndian.AppendUint64(nil, uint64(n))
	prefix := whole[8-f.Width:]
	if f.Little {
		prefix = binary.LittleEndian.AppendUint64(nil, uint64(n))[:f.Width]
	}
	return prefix
}

// Split takes the first frame off a stream. Whole is false where the stream holds no whole frame (yet);
// then the frame is empty. With FramingEnd a frame is whole only at the end of the stream, which the caller
// must know: ended says so.
func (f Framing) Split(stream []byte, ended bool) (frame, rest []byte, whole bool) {
	n := -1
	switch f.Kind {
	case FramingFixed:
		n = f.Size
	case FramingLine:
		n = bytes.IndexByte(stream, '\n') + 1
	case FramingLength:
		n = f.prefixed(stream)
	default:
		if ended {
			n = len(stream)
		}
	}
	if n < 0 || n > len(stream) || n == 0 && f.Kind != FramingEnd {
		return nil, stream, false
	}
	return stream[:n], stream[n:], true
}

// prefixed is the length of the first frame, prefix included, or -1 where it is not known or absurd.
func (f Framing) prefixed(stream []byte) int {
	if len(stream) < f.Width {
		return -1
	}
	whole := make([]byte, 8)
	if f.Little {
		copy(whole, stream[:f.Width])
	} else {
		copy(whole[8-f.Width:], stream)
	}
	n := binary.BigEndian.Uint64(whole)
	if f.Little {
		n = binary.LittleEndian.Uint64(whole)
	}
	if n > math.MaxInt32 {
		return -1
	}
	return f.Width + int(n)
}

// Text is what a whole frame carries.
func (f Framing) Text(frame []byte) []byte {
	switch f.Kind {
	case FramingFixed:
		text, _, _ := bytes.Cut(frame, []byte{0})
		return text
	case FramingLine:
		return bytes.TrimSuffix(frame, []byte("\n"))
	case FramingLength:
		return frame[min(f.Width, len(frame)):]
	}
	return frame
}

// Behind is what stands behind the text of a frame and should be NUL; only fixed frames have it.
func (f Framing) Behind(frame []byte) []byte {
	if f.Kind != FramingFixed {
		return nil
	}
	_, behind, _ := bytes.Cut(frame, []byte{0})
	return behind
}

// Same says whether what was sent is the frame that was to be sent. What stands behind the text's NUL in
// a fixed frame does not count.
func (f Framing) Same(sent, want []byte) bool {
	if f.Kind != FramingFixed {
		return bytes.Equal(sent, want)
	}
	return len(sent) == f.Size && bytes.IndexByte(sent, 0) >= 0 && bytes.Equal(f.Text(sent), f.Text(want))
}

// String is the framing in words, such as "a frame of 128 bytes, padded with NULs".
func (f Framing) String() string {
	switch f.Kind {
	case FramingFixed:
		return fmt.Sprintf("a frame of %d bytes, padded with NULs", f.Size)
	case FramingLine:
		return "a line that ends with a newline"
	case FramingLength:
		order := "network byte order"
		if f.Little {
			order = "little-endian order"
		}
		if f.Width == 1 {
			return "a length of 1 byte, then the text"
		}
		return fmt.Sprintf("a length of %d bytes in %s, then the text", f.Width, order)
	}
	return "a text up to the end of file"
}
