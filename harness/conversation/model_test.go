package conversation

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestRangesAgainstAModel holds the set of positions against a plain array.
func TestRangesAgainstAModel(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		var r ranges
		var model [120]bool
		for range 60 {
			from := random.IntN(100)
			to := from + random.IntN(20)
			want := int64(0)
			for i := from; i < to; i++ {
				if !model[i] {
					want++
				}
				model[i] = true
			}
			if got := r.add(int64(from), int64(to)); got != want {
				t.Fatalf("seed %d: add(%d, %d) = %d, want %d", seed, from, to, got, want)
			}
			for i, held := range model {
				if r.holds(int64(i)) != held {
					t.Fatalf("seed %d: holds(%d) = %v", seed, i, !held)
				}
				end := i
				for end < len(model) && model[end] {
					end++
				}
				if got := r.contiguous(int64(i)); got != int64(end) {
					t.Fatalf("seed %d: contiguous(%d) = %d, want %d", seed, i, got, end)
				}
			}
		}
		end := int64(-1)
		r.spans.Ascend(func(s span) bool {
			if end >= s.from {
				t.Fatalf("seed %d: spans touch at %d", seed, end)
			}
			end = s.to
			return true
		})
	}
}

// TestReassemblyAgainstAModel holds it against a plain array of bytes, with pieces in any order that overlap
// in any way, some with other contents and some cut by the capture.
func TestReassemblyAgainstAModel(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		var r reassembly
		type cell struct{ frame, value int } // value -1: not kept
		model := map[int64]cell{}
		for frame := 1; frame <= 40; frame++ {
			from, length := int64(random.IntN(80)-5), 1+random.IntN(15)
			data := make([]byte, length)
			for i := range data {
				data[i] = byte(from + int64(i))
				if random.IntN(60) == 0 {
					data[i]++
				}
			}
			if random.IntN(10) == 0 && length > 0 {
				data = data[:random.IntN(length)]
			}
			wantFresh, wantFirst, wantConflict := 0, 0, false
			for i := range length {
				at := from + int64(i)
				value := -1
				if i < len(data) {
					value = int(data[i])
				}
				old, known := model[at]
				if !known {
					model[at] = cell{frame, value}
					wantFresh++
					continue
				}
				if i == 0 {
					wantFirst = old.frame
				}
				if old.value >= 0 && value >= 0 && old.value != value {
					wantConflict = true
				}
			}
			fresh, first, conflict := r.add(from, length, data, frame)
			if fresh != wantFresh || first != wantFirst || conflict != wantConflict {
				t.Fatalf("seed %d, frame %d: got %d %d %v, want %d %d %v", seed, frame, fresh, first, conflict, wantFresh, wantFirst, wantConflict)
			}
		}
		var want []byte
		length := int64(0)
		for model[length+1].frame != 0 {
			length++
		}
		for at := int64(1); at <= length && model[at].value >= 0; at++ {
			want = append(want, byte(model[at].value))
		}
		if got := r.bytes(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: stream % x, want % x", seed, got, want)
		}
		if got := r.length(); got != length {
			t.Fatalf("seed %d: length %d, want %d", seed, got, length)
		}
	}
}

// TestRelativeNumbersNeitherWrapNorJump follows a direction over more than one turn of the sequence numbers.
func TestRelativeNumbersNeitherWrapNorJump(t *testing.T) {
	d := Direction{ISN: 0xffff_ff00, based: true, Started: true}
	for _, at := range []int64{0, 1, 255, 256, 257, 1 << 31, 1<<32 - 1, 1 << 32, 5<<32 + 77} {
		for d.next < at { // in steps that a window allows
			d.next = min(at, d.next+1<<30)
		}
		for _, off := range []int64{0, -1, 1, -70_000, 1 << 30, -1 << 30} {
			if got := d.relative(d.ISN + uint32(at+off)); got != at+off {
				t.Errorf("at %d%+d: got %d", at, off, got)
			}
		}
	}
}
