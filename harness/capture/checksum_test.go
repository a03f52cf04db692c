package capture

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestSum16(t *testing.T) {
	for _, tc := range []struct {
		data []byte
		want uint16
	}{
		{nil, 0},
		{[]byte{0x12}, 0x1200},
		{[]byte{0x12, 0x34}, 0x1234},
		// RFC 1071 §3
		{[]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0xddf2},
		{bytes.Repeat([]byte{0xff}, 65_536), 0xffff},
	} {
		if got := sum16(tc.data); got != tc.want {
			t.Errorf("sum of %d bytes is %#x, want %#x", len(tc.data), got, tc.want)
		}
	}
}

func TestSum16OfAnyLengthIsThatOfItsWords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for length := range 300 {
		data := make([]byte, length)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		sum := 0
		for i := 0; i < length; i += 2 {
			sum += int(data[i]) << 8
			if i+1 < length {
				sum += int(data[i+1])
			}
			sum = sum&0xffff + sum>>16
		}
		if got := sum16(data); int(got) != sum {
			t.Errorf("sum of % x is %#x, want %#x", data, got, sum)
		}
	}
}

func TestCompleteMakesTheSumRight(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		frame := make([]byte, 60+random.IntN(100))
		for i := range frame {
			frame[i] = byte(random.Uint32())
		}
		const start, field = 34, 50
		frame[field], frame[field+1] = 0x12, 0x34 // of a pseudo-header
		complete(frame, start, field)
		// Everything with the pseudo-header now sums to all ones.
		if got := uint32(sum16(frame[start:])) + 0x1234; uint16(got)+uint16(got>>16) != 0xffff {
			t.Fatalf("the sum is %#x of % x", got, frame)
		}
	}
}

func TestASumOfZeroIsAllOnesInUDPOnly(t *testing.T) {
	for field, want := range map[int]byte{udpField: 0xff, 16: 0} {
		frame := make([]byte, field+2)
		frame[0], frame[1] = 0xff, 0xff
		complete(frame, 0, field)
		if frame[field] != want || frame[field+1] != want {
			t.Errorf("the checksum at %d is written as % x", field, frame[field:])
		}
	}
}

func TestCompleteOutsideTheFrameDoesNothing(t *testing.T) {
	for _, at := range []struct{ start, field int }{{-1, 2}, {0, 3}, {4, 4}, {100, 116}, {2, 0}} {
		frame := []byte{1, 2, 3, 4}
		complete(frame, at.start, at.field)
		if !bytes.Equal(frame, []byte{1, 2, 3, 4}) {
			t.Errorf("from %d at %d: % x", at.start, at.field, frame)
		}
	}
}
