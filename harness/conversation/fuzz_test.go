package conversation_test

import (
	"encoding/binary"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

// FuzzAnalyse reads a sequence of frames, each with two bytes of length before it and one that chooses
// link type, interface and fate. Whatever they hold, the analysis and everything that can be asked of it
// come to an end.
func FuzzAnalyse(f *testing.F) {
	for _, play := range scripts {
		s := conversationtest.New()
		play(s)
		var seed []byte
		for _, p := range s.Packets {
			kind := byte(0)
			if s.Link == evidence.LinkRaw {
				kind = 1
			}
			seed = append(seed, kind)
			seed = binary.BigEndian.AppendUint16(seed, uint16(len(p.Data)))
			seed = append(seed, p.Data...)
		}
		f.Add(seed)
	}
	fates := []evidence.Fate{"", evidence.Lost, evidence.Corrupted, evidence.Duplicated}
	interfaces := []evidence.Interface{
		{Name: "a", LinkType: evidence.LinkEthernet}, {Name: "b", LinkType: evidence.LinkRaw, End: client},
		{Name: "c", LinkType: evidence.LinkRaw, End: server}, {Name: "d", LinkType: 113},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		run := &evidence.Run{Interfaces: interfaces}
		for len(data) > 3 && len(run.Packets) < 200 {
			kind, length := data[0], int(binary.BigEndian.Uint16(data[1:]))
			data = data[3:]
			length = min(length, len(data))
			run.Packets = append(run.Packets, evidence.Packet{
				N: len(run.Packets) + 1, Interface: int(kind % 5), Fate: fates[kind>>4%4], Data: data[:length], Length: length,
				Time: evidence.Time(len(run.Packets)) * 1_000_000,
			})
			data = data[length:]
		}
		exercise(t, run)
	})
}

// FuzzSegments makes segments with right checksums out of bytes, so that what follows the decoding is
// reached: eight bytes each for sender, flags, numbers near or far, length, window and fate.
func FuzzSegments(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0, 9, 0, 0, 1, 0x12, 0, 1, 0, 9, 0, 0, 0, 0x10, 1, 1, 0, 9, 0, 0, 0, 0x18, 1, 1, 5, 9, 0, 0, 1, 0x11, 1, 6, 0, 9, 0, 0})
	f.Add([]byte{0, 2, 0, 0, 0, 9, 0, 0, 1, 0x14, 0, 1, 0, 0, 0, 0})
	fates := []evidence.Fate{"", "", evidence.Lost, evidence.Corrupted}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := conversationtest.New()
		for ; len(data) >= 8 && len(s.Packets) < 200; data = data[8:] {
			from := []string{client, server}[data[0]&1]
			number := func(b byte, scale byte) uint32 { return uint32(int32(int8(b))) << (scale & 3 * 10) }
			s.Send(from, conversation.Flags(data[1]), string(make([]byte, data[4]&0x3f)),
				seq(number(data[2], data[6])), acks(number(data[3], data[6]>>2)), window(uint16(data[5])<<(data[6]>>4)),
				conversationtest.Fate(fates[data[7]&3]))
		}
		if len(s.Packets) > 0 {
			exercise(t, s.Run())
		}
	})
}

// exercise asks everything that can be asked.
func exercise(t *testing.T, run *evidence.Run) {
	a := conversation.Analyse(run)
	if got := len(a.Frames()); got != len(run.Packets) {
		t.Fatalf("%d of %d frames are accounted for", got, len(run.Packets))
	}
	a.Annotate(run)
	total := 0
	for _, p := range run.Packets {
		total += len(p.Data)
		if p.Comment == "" {
			t.Fatalf("frame %d has no comment", p.N)
		}
	}
	segments := 0
	for _, c := range a.TCP {
		_ = c.Close().Frames()
		_ = c.Handshake.Frames()
		for i, s := range c.Segments {
			segments++
			_ = s.String()
			if found, same := a.Of(s.Frame); found != c || same != s || c.Segments[i] != s {
				t.Fatalf("frame %d is not where it belongs", s.Frame)
			}
		}
		for _, end := range []string{client, server} {
			d := c.Sent(end)
			if len(d.Stream()) > total {
				t.Fatal("a stream is longer than all packets together")
			}
			if int64(len(d.Stream())) > d.Length() {
				t.Fatal("a stream has more bytes than it counts")
			}
			_, _, _, _ = d.Data(), d.Retransmissions(), d.Conflicting(), c.States(end)
			_ = c.StateAfter(len(run.Packets)/2, end)
		}
	}
	if segments+len(a.ICMP)+len(a.Other) > len(run.Packets) {
		t.Fatal("there are more items than frames")
	}
}
