package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/gopacket/layers"
)

// Field names a field of a segment and its value, for [Connection.Send] as what it is to be, and for
// [ReceiveSegment] as what it must be.
type Field struct {
	name  string
	set   func(s *Segment) // nil: it can only be expected
	holds func(s *Segment) bool
}

// String is the field with its value: "seq 1".
func (f Field) String() string { return f.name }

// Seq is the sequence number, 0 for the sender's SYN. Where it is not named, a segment is sent with the one
// that follows what the peer has sent, a SYN with 0.
func Seq(n uint32) Field {
	return Field{fmt.Sprintf("seq %d", n), func(s *Segment) { s.Seq = n }, func(s *Segment) bool { return s.Seq == n }}
}

// Ack is the acknowledgement number, 0 for the receiver's SYN. Where it is not named, a segment with ACK is
// sent with the one that acknowledges all that has come in order.
func Ack(n uint32) Field {
	return Field{fmt.Sprintf("ack %d", n), func(s *Segment) { s.Ack = n }, func(s *Segment) bool { return s.Flags.has(ACK) && s.Ack == n }}
}

// Window is the window as it stands in the header, without regard to a window scale. Where it is not named
// it is 65,535.
func Window(n uint16) Field {
	return Field{fmt.Sprintf("win %d", n), func(s *Segment) { s.Window = n }, func(s *Segment) bool { return s.Window == n }}
}

// Payload is the data.
func Payload[T ~string | ~[]byte](data T) Field {
	b := []byte(data)
	const shown = 16
	name := fmt.Sprintf("payload %q", b)
	if len(b) > shown {
		name = fmt.Sprintf("payload of %d bytes, %q…", len(b), b[:shown])
	}
	return Field{name, func(s *Segment) { s.Payload = b }, func(s *Segment) bool { return bytes.Equal(s.Payload, b) }}
}

// Length is the number of bytes of data. It can only be expected.
func Length(n int) Field {
	return Field{fmt.Sprintf("len %d", n), nil, func(s *Segment) bool { return len(s.Payload) == n }}
}

// MSS is the maximum segment size option of a SYN, in bytes (RFC 9293 §3.7.1).
func MSS(n uint16) Field {
	return Field{fmt.Sprintf("mss %d", n),
		func(s *Segment) {
			s.MSS = n
			s.option(layers.TCPOptionKindMSS, binary.BigEndian.AppendUint16(nil, n))
		},
		func(s *Segment) bool { return s.MSS == n }}
}

// WindowScale is the window scale option of a SYN (RFC 7323 §2).
func WindowScale(n uint8) Field {
	return Field{fmt.Sprintf("wscale %d", n),
		func(s *Segment) {
			s.WindowScale = int(n)
			s.option(layers.TCPOptionKindWindowScale, []byte{n})
		},
		func(s *Segment) bool { return s.WindowScale == int(n) }}
}

// SACKPermitted is the option of a SYN that allows selective acknowledgements (RFC 2018 §2).
func SACKPermitted() Field {
	return Field{"sack permitted",
		func(s *Segment) {
			s.SACKPermitted = true
			s.option(layers.TCPOptionKindSACKPermitted, nil)
		},
		func(s *Segment) bool { return s.SACKPermitted }}
}

// Timestamps is the option with TSval and TSecr (RFC 7323 §3).
func Timestamps(value, echo uint32) Field {
	return Field{fmt.Sprintf("ts %d %d", value, echo),
		func(s *Segment) {
			s.Timestamps = &[2]uint32{value, echo}
			s.option(layers.TCPOptionKindTimestamps, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, value), echo))
		},
		func(s *Segment) bool { return s.Timestamps != nil && *s.Timestamps == [2]uint32{value, echo} }}
}

// BadChecksum is a checksum that is wrong. Segments are sent with a right one otherwise.
func BadChecksum() Field {
	return Field{"bad checksum", func(s *Segment) { s.BadChecksum = true }, func(s *Segment) bool { return s.BadChecksum }}
}

// Satisfying is whatever f says of a segment. It can only be expected. The name completes "a segment with …".
func Satisfying(name string, f func(s Segment) bool) Field {
	return Field{name, nil, func(s *Segment) bool { return f(*s) }}
}

func (s *Segment) option(kind layers.TCPOptionKind, data []byte) {
	s.options = append(s.options, layers.TCPOption{OptionType: kind, OptionLength: uint8(len(data) + 2), OptionData: data})
}

// wanted is what an expected segment must be.
type wanted struct {
	flags  Flags
	fields []Field
}

// incidental are the flags that a sender may set as it likes: they count only where they are named.
const incidental = PSH | URG | ECE | CWR

func (w wanted) fits(s *Segment) bool {
	if s.Flags&^incidental|w.flags&incidental&s.Flags != w.flags {
		return false
	}
	for _, f := range w.fields {
		if !f.holds(s) {
			return false
		}
	}
	return true
}

func (w wanted) String() string {
	parts := []string{w.flags.String()}
	for _, f := range w.fields {
		parts = append(parts, f.name)
	}
	return strings.Join(parts, " ")
}
