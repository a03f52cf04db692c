package calltrace

import (
	"encoding/binary"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"tcpwitness/harness/evidence"
)

func TestDecodeAddress(t *testing.T) {
	inet := []byte{2, 0, 0x1f, 0x90, 127, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0}
	inet6 := append([]byte{10, 0, 0x1f, 0x90, 0, 0, 0, 0, 0xfe, 0x80}, make([]byte, 18)...)
	inet6[23], inet6[24] = 1, 3
	at := netip.MustParseAddrPort("127.1.2.3:8080")
	for name, test := range map[string]struct {
		bytes  []byte
		length int
		want   evidence.Address
	}{
		"inet":            {inet, 16, evidence.Address{Family: 2, AddrPort: at}},
		"inet, longer":    {inet, 128, evidence.Address{Family: 2, AddrPort: at, Length: 128}},
		"inet, short":     {inet, 8, evidence.Address{Family: 2, AddrPort: at, Length: 8}},
		"inet, shorter":   {inet, 7, evidence.Address{Family: 2, Length: 7}},
		"one byte":        {inet, 1, evidence.Address{Length: 1}},
		"nothing":         {nil, 0, evidence.Address{}},
		"unreadable":      {nil, 16, evidence.Address{Length: 16}},
		"negative":        {nil, -1, evidence.Address{}},
		"inet6":           {inet6, 28, evidence.Address{Family: 10, AddrPort: netip.MustParseAddrPort("[fe80::1%3]:8080")}},
		"inet6, no scope": {inet6, 24, evidence.Address{Family: 10, AddrPort: netip.MustParseAddrPort("[fe80::1]:8080"), Length: 24}},
		"unix":            {[]byte("\x01\x00/tmp/x\x00junk"), 13, evidence.Address{Family: 1, Path: "/tmp/x"}},
		"abstract":        {[]byte("\x01\x00\x00name"), 7, evidence.Address{Family: 1, Path: "@name"}},
		"unnamed":         {[]byte("\x01\x00"), 2, evidence.Address{Family: 1}},
		"unspecified":     {make([]byte, 16), 16, evidence.Address{Length: 16}},
		"netlink":         {[]byte{16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12, evidence.Address{Family: 16, Length: 12}},
	} {
		if got := decodeAddress(test.bytes, test.length); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestDecodeMessage(t *testing.T) {
	if _, ok := decodeMessage(make([]byte, msghdrSize-1)); ok {
		t.Error("a message that is too short")
	}
	b := make([]byte, msghdrSize)
	for i := range b {
		b[i] = byte(i)
	}
	got, ok := decodeMessage(b)
	le := binary.LittleEndian
	want := message{le.Uint64(b), le.Uint32(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint32(b[48:])}
	if !ok || got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTotalLengthSaturates(t *testing.T) {
	for _, test := range []struct {
		lengths []uint64
		want    int
	}{
		{nil, 0}, {[]uint64{1, 2}, 3}, {[]uint64{math.MaxUint64}, math.MaxInt}, {[]uint64{math.MaxInt, 1}, math.MaxInt},
		{[]uint64{5, math.MaxUint64, 5}, math.MaxInt},
	} {
		var vectors []iovec
		for _, n := range test.lengths {
			vectors = append(vectors, iovec{length: n})
		}
		if got := totalLength(vectors); got != test.want {
			t.Errorf("%v: %d, want %d", test.lengths, got, test.want)
		}
	}
}

func TestDecodeSets(t *testing.T) {
	read, write := []byte{0b1001, 0, 1}, []byte{0b0010}
	if got := decodeSets(20, read, write); !slices.Equal(got, []int{0, 1, 3, 16}) {
		t.Error(got)
	}
	if got := decodeSets(3, read, write); !slices.Equal(got, []int{0, 1}) {
		t.Error(got)
	}
	if got := decodeSets(1024); got != nil {
		t.Error(got)
	}
}

func TestDecodePoll(t *testing.T) {
	b := []byte{5, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 9, 9}
	if got := decodePoll(b); !slices.Equal(got, []int{5, 7}) {
		t.Error(got)
	}
}

func TestDecodeMillis(t *testing.T) {
	for _, test := range []struct {
		seconds, rest, units, want int64
	}{
		{0, 0, 1e9, 0}, {0, 1, 1e9, 1}, {0, 1e6, 1e9, 1}, {0, 1e6 + 1, 1e9, 2}, {2, 500_000, 1e6, 2500},
		{-1, 0, 1e9, 1 << 50}, {math.MaxInt64, 0, 1e9, 1 << 50}, {0, -5, 1e6, 1 << 50}, {1, math.MaxInt64, 1e9, 1 << 50},
	} {
		b := binary.LittleEndian.AppendUint64(nil, uint64(test.seconds))
		b = binary.LittleEndian.AppendUint64(b, uint64(test.rest))
		if got := decodeMillis(b, test.units); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	if decodeMillis(make([]byte, 15), 1e9) != 0 {
		t.Error("a time that is too short")
	}
}

// cmsg is a control message.
func cmsg(length uint64, level, kind uint32, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, length)
	b = binary.LittleEndian.AppendUint32(b, level)
	return append(binary.LittleEndian.AppendUint32(b, kind), data...)
}

func TestHasRights(t *testing.T) {
	other := cmsg(20, levelSocket, 2, 1, 2, 3, 4, 0, 0, 0, 0)
	rights := cmsg(20, levelSocket, scmRights, 5, 0, 0, 0)
	for name, test := range map[string]struct {
		b    []byte
		want bool
	}{
		"rights": {rights, true}, "other": {other, false}, "second": {append(slices.Clone(other), rights...), true},
		"empty rights": {cmsg(16, levelSocket, scmRights), false}, "zero length": {cmsg(0, 9, 9, rights...), false},
		"overflow": {cmsg(math.MaxUint64, 9, 9, rights...), false}, "beyond the end": {cmsg(100, 9, 9, rights...), false},
		"short": {rights[:15], false}, "nothing": {nil, false},
	} {
		if got := hasRights(test.b); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestDecodeSocketLink(t *testing.T) {
	for link, want := range map[string]uint64{
		"socket:[12345]": 12345, "socket:[0]": 0, "pipe:[12345]": 0, "socket:[": 0, "socket:[]": 0, "socket:[12x]": 0,
		"socket:[99999999999999999999999]": 0, "/tmp/socket:[1]": 0, "": 0,
	} {
		id, is := decodeSocketLink([]byte(link))
		if id != want || is != (want != 0 || link == "socket:[0]") {
			t.Errorf("%q: %d, %t", link, id, is)
		}
	}
}

// FuzzDecode feeds all decoders with the same bytes. None may panic, and what they yield is bounded by what
// they got.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 16)
	f.Add([]byte{10, 0, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 0, 0, 0}, 28)
	f.Add([]byte("\x01\x00\x00abstract"), 11)
	f.Add(append(cmsg(20, 1, 2, 1, 2, 3, 4, 0, 0, 0, 0), cmsg(20, 1, 1, 5, 0, 0, 0)...), 1)
	f.Add([]byte("socket:[12345]"), -1)
	f.Add(make([]byte, msghdrSize), 1<<31-1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		before := slices.Clone(b)
		address := decodeAddress(b, n)
		if len(address.Path) > len(b) {
			t.Errorf("path of %d bytes from %d", len(address.Path), len(b))
		}
		_ = address.String()
		if again := decodeAddress(b, n); again != address {
			t.Errorf("%+v, then %+v", address, again)
		}
		decodeMessage(b)
		vectors := decodeIovecs(b, nil)
		if len(vectors) > len(b)/iovecSize || totalLength(vectors) < 0 {
			t.Errorf("%d vectors, %d bytes", len(vectors), totalLength(vectors))
		}
		if watched := decodePoll(b); len(watched) > len(b)/pollfdSize || slices.ContainsFunc(watched, func(fd int) bool { return fd < 0 }) {
			t.Errorf("watched %v", watched)
		}
		if fds := decodeSets(min(n, 1024), b, b); len(fds) > 8*len(b) || !slices.IsSorted(fds) {
			t.Errorf("sets %v", fds)
		}
		if decodeMillis(b, 1e9) < 0 || decodeMillis(b, 1e6) < 0 {
			t.Error("a negative time")
		}
		hasRights(b)
		decodeSocketLink(b)
		if !reflect.DeepEqual(b, before) {
			t.Error("the bytes were changed")
		}
	})
}
