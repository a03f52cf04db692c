package capture

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"

	"tcpwitness/harness/evidence"
)

// script is a source that a test writes: what stands in frames comes, marks come behind it.
type script struct {
	marker
	mu       sync.Mutex
	more_    sync.Cond
	frames   [][]byte
	ended    bool
	failure  error    // of reading, when no frame is left
	lose     int      // marks that are dropped instead
	after    [][]byte // what comes at once after a mark
	dropped  int
	noMark   error
	noDrops  error
	closings int
}

func newScript(frames ...string) *script {
	s := &script{marker: newMarker()}
	s.more_.L = &s.mu
	for _, frame := range frames {
		s.frames = append(s.frames, []byte(frame))
	}
	return s
}

func (s *script) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.frames) == 0 && !s.ended && s.failure == nil {
		s.more_.Wait()
	}
	switch {
	case s.ended:
		return nil, gopacket.CaptureInfo{}, io.EOF
	case len(s.frames) == 0:
		return nil, gopacket.CaptureInfo{}, s.failure
	}
	frame := s.frames[0]
	s.frames = s.frames[1:]
	return frame, gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), Length: len(frame)}, nil
}

func (s *script) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.frames) > 0
}

func (s *script) mark(number uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.noMark != nil:
		return s.noMark
	case s.lose > 0:
		s.lose--
		s.dropped++
		s.frames = append(s.frames, []byte("after a drop"))
	default:
		s.frames = append(append(s.frames, s.frame(number, 0)), s.after...)
	}
	s.more_.Broadcast()
	return nil
}

func (s *script) drops() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.dropped
	s.dropped = 0
	return n, s.noDrops
}

func (s *script) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.more_.Broadcast()
}

func (s *script) close() error {
	s.closings++
	return nil
}

func begin(s *script) *Capture { return start("a script", s, Options{}.withDefaults()) }

func TestStopReadsToTheMark(t *testing.T) {
	s := newScript("one", "two", "three")
	c := begin(s)
	packets, err := c.Stop(t.Context())
	if err != nil || len(packets) != 3 || string(packets[2].Data) != "three" || packets[2].N != 3 {
		t.Errorf("%v, %v", packets, err)
	}
	<-c.Released()
	if s.closings != 1 {
		t.Errorf("closed %d times", s.closings)
	}
}

func TestALostMarkIsSentAgain(t *testing.T) {
	s := newScript("one")
	s.lose = 3
	packets, err := begin(s).Stop(t.Context())
	if !errors.Is(err, ErrDropped) || len(packets) < 1 {
		t.Errorf("%v, %v", packets, err)
	}
}

func TestFailuresOfTheSourceAreSaid(t *testing.T) {
	oops := errors.New("oops")
	for name, s := range map[string]*script{
		"mark":  {noMark: oops},
		"drops": {noDrops: oops},
		"read":  {failure: oops},
	} {
		s.more_.L = &s.mu
		c := begin(s)
		if packets, err := c.Stop(t.Context()); !errors.Is(err, oops) || len(packets) > 0 {
			t.Errorf("%s: Stop yields %v, %v", name, packets, err)
		}
		<-c.Released()
	}
	s := newScript()
	s.failure = oops
	c := begin(s)
	defer c.Close()
	never := func([]evidence.Packet) bool { return false }
	if _, err := c.Await(t.Context(), never); !errors.Is(err, oops) {
		t.Errorf("Await yields %v", err)
	}
}

func TestStopEndsWithTheContext(t *testing.T) {
	s := newScript("one")
	// A mark that is lost unseen: nothing says that it was dropped.
	s.lose = 1
	c := begin(s)
	ctx, cancel := context.WithCancel(t.Context())
	seen := func(p []evidence.Packet) bool { return len(p) == 2 }
	go func() {
		c.Await(context.Background(), seen)
		cancel()
	}()
	s.mu.Lock()
	s.dropped = -1
	s.mu.Unlock()
	packets, err := c.Stop(ctx)
	if !errors.Is(err, context.Canceled) || len(packets) != 2 {
		t.Errorf("%v, %v", packets, err)
	}
	<-c.Released()
}

func TestANilCaptureSeesNothing(t *testing.T) {
	var c *Capture
	if packets, err := c.Stop(t.Context()); packets != nil || err != nil {
		t.Errorf("Stop: %v, %v", packets, err)
	}
	if packets, err := c.Sync(t.Context()); packets != nil || err != nil {
		t.Errorf("Sync: %v, %v", packets, err)
	}
	if packets, err := c.Await(t.Context(), func([]evidence.Packet) bool { return true }); packets != nil || !errors.Is(err, ErrNoCapture) {
		t.Errorf("Await: %v, %v", packets, err)
	}
	if c.Snapshot() != nil || c.Close() != nil || c.Interface() != (evidence.Interface{}) {
		t.Error("it is not a no-op")
	}
	<-c.Released()
}

func TestTimesRiseWithNumbers(t *testing.T) {
	s := store{maxFrames: 10, maxBytes: 100}
	at := func(d time.Duration) gopacket.CaptureInfo {
		return gopacket.CaptureInfo{Timestamp: time.Unix(100, 0).Add(d), Length: 1}
	}
	for _, d := range []time.Duration{0, 5 * time.Microsecond, 3 * time.Microsecond, 9 * time.Microsecond, -time.Hour} {
		s.add([]byte("x"), at(d))
	}
	want := []time.Duration{0, 5 * time.Microsecond, 5 * time.Microsecond, 9 * time.Microsecond, -time.Hour}
	for i, p := range s.list() {
		if got := p.Time.Go().Sub(time.Unix(100, 0)); got != want[i] {
			t.Errorf("frame %d is from %v, want %v", p.N, got, want[i])
		}
	}
}

func TestAListStaysAsItIs(t *testing.T) {
	s := store{maxFrames: 1 << 20, maxBytes: 1 << 30}
	var (
		longer []evidence.Packet // a caller's own, made of a list
		data   []byte
	)
	for i := range 1000 {
		frame := []byte{byte(i), byte(i >> 8), 3}
		s.add(frame, gopacket.CaptureInfo{Length: 3})
		frame[0] = 99 // the source uses its memory again
		if i > 0 && (longer[i].N != -1 || data[3] != 88) {
			t.Fatalf("frame %d overwrote what was appended to a list: %v, %v", i+1, longer[i], data)
		}
		list := s.list()
		longer = append(list, evidence.Packet{N: -1})
		data = append(list[i].Data, 88)
	}
	for i, p := range s.list() {
		if p.N != i+1 || len(p.Data) != 3 || p.Data[0] != byte(i) || p.Data[1] != byte(i>>8) {
			t.Fatalf("frame %d has number %d and data %v", i+1, p.N, p.Data)
		}
	}
}

func TestStopEndsAtItsMark(t *testing.T) {
	s := newScript("before")
	s.after = [][]byte{[]byte("after"), []byte("and more")}
	c := begin(s)
	packets, err := c.Stop(t.Context())
	if err != nil || len(packets) != 1 {
		t.Errorf("%d packets, %v, want the one that was sent before", len(packets), err)
	}
	<-c.Released()
	if again := c.Snapshot(); len(again) != 1 {
		t.Errorf("%d packets in the end", len(again))
	}
}
