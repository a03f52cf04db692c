package conversation_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/conversation"
)

// TestLiveCapturesAgreeWithWireshark records what real sockets do, also where segments are lost, windows
// close and ends fall silent, and holds numbers, lengths, windows, checksums, streams and names against
// tshark's, frame by frame.
func TestLiveCapturesAgreeWithWireshark(t *testing.T) {
	run := together(t, map[string]scenario{
		"client closes first": {false, playExchange(true)},
		"server closes first": {false, playExchange(false)},
		"IPv6":                {true, playExchange(true)},
		"refused":             {false, playRefused},
		"linger":              {false, playLinger},
		"unread":              {false, playUnread},
		"port reused":         {false, playPortReused},
		"zero window":         {false, playZeroWindow},
		"loss":                {false, playLoss},
		"SYN lost":            {false, playLostSYN},
		"FIN lost":            {false, playLostFIN},
		"keep-alive":          {false, playKeepAlive},
	})
	a := conversation.Analyse(run)
	rows := tshark(t, run)
	named := compareNames(t, a, rows)
	t.Logf("%d frames, %d names", len(run.Packets), named)
	compareNumbers(t, a, rows)
	noFalseAlarm(t, a)

	seen := map[conversation.Name]int{}
	for _, c := range a.TCP {
		for _, s := range c.Segments {
			for _, name := range s.Wireshark {
				seen[name]++
			}
		}
	}
	t.Log(seen)
	for _, name := range []conversation.Name{
		conversation.Retransmission, conversation.DupACK, conversation.ZeroWindow, conversation.WindowUpdate,
		conversation.WindowFull, conversation.KeepAlive, conversation.KeepAliveACK, conversation.PortReused,
	} {
		if seen[name] == 0 {
			t.Errorf("%q did not occur, so it was not compared", name)
		}
	}
}

// compareNumbers holds what the segments say against tshark.
func compareNumbers(t *testing.T, a *conversation.Analysis, rows map[int]sharkRow) {
	t.Helper()
	streams := map[int]int{}
	for _, c := range a.TCP {
		for i, s := range c.Segments {
			// A SYN with a new number within a connection begins another stream for tshark, whether or not the
			// other end takes it for one; from there on it counts from other numbers.
			if i > 0 && s.Is(conversation.PortReused) {
				break
			}
			row := rows[s.Frame]
			ack := int64(0)
			if s.Flags.Has(conversation.ACK) {
				ack = s.RelAck
			}
			if row.seq != s.RelSeq || row.ack != ack || row.length != int64(s.Length) || row.window != s.ScaledWindow {
				t.Errorf("frame %d: we say seq %d ack %d len %d win %d, tshark %d %d %d %d\n%s", s.Frame,
					s.RelSeq, ack, s.Length, s.ScaledWindow, row.seq, row.ack, row.length, row.window, around(a, s.Frame))
			}
			// A checksum of all ones stands for zero (RFC 1624 §3): tshark calls it bad in TCP, no receiver does.
			if good := row.checksum == "1"; good != (s.Checksum == conversation.ChecksumGood) && row.written != 0xffff {
				t.Errorf("frame %d: checksum %v, tshark %q", s.Frame, s.Checksum, row.checksum)
			}
			if stream, known := streams[c.N]; known && stream != row.stream {
				t.Errorf("frame %d: conversation %d is tshark's streams %d and %d", s.Frame, c.N, stream, row.stream)
			}
			streams[c.N] = row.stream
			if t.Failed() {
				return
			}
		}
	}
}

// noFalseAlarm makes sure that nothing is said against real kernels, seen where both ends are.
func noFalseAlarm(t *testing.T, a *conversation.Analysis) {
	t.Helper()
	for _, c := range a.TCP {
		for _, s := range c.Segments {
			if s.OutsideWindow || s.BeyondWindow > 0 || s.AckBack || s.AcksUnsent || s.Conflict || s.Gap > 0 || s.FillsGap || s.Ignored {
				t.Errorf("something is said against frame %d: %+v\n%s", s.Frame, s, around(a, s.Frame))
			}
		}
		for _, end := range []string{client, server} {
			if d := c.Sent(end); d.Cut() || int64(len(d.Stream())) != d.Length() || len(d.RSTs) == 0 && d.Started && d.Acked < d.Length() {
				t.Errorf("conversation %d: the %s sent %d bytes, %d acknowledged, %d known", c.N, end, d.Length(), d.Acked, len(d.Stream()))
			}
		}
	}
}

func playExchange(clientFirst bool) func(l *live) {
	return func(l *live) {
		c, s := l.connect()
		l.send(c, "hello")
		l.receive(s, 5)
		l.send(s, strings.Repeat("long ", 1000))
		l.receive(c, 5000)
		if !clientFirst {
			c, s = s, c
		}
		l.close(c)
		l.end(s)
		l.close(s)
	}
}

func playRefused(l *live) {
	l.close(l.listener)
	fd := l.socket()
	if err := unix.Connect(fd, sockaddr(l.address)); err != unix.ECONNREFUSED {
		l.t.Errorf("connect: %v", err)
	}
	l.close(fd)
	l.listener = l.socket()
}

func (l *live) linger(fd int) {
	l.must(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
}

func playLinger(l *live) {
	c, s := l.connect()
	l.send(c, "x")
	l.receive(s, 1)
	l.linger(s)
	l.close(s)
	l.awaitSegment(func(s *conversation.Segment) bool { return s.Flags.Has(conversation.RST) })
	l.close(c)
}

func playUnread(l *live) {
	c, s := l.connect()
	l.send(c, "x")
	l.awaitSegment(func(s *conversation.Segment) bool { return s.RelAck == 2 })
	l.close(s)
	l.close(c)
}

func playPortReused(l *live) {
	for range 2 {
		fd := l.socket()
		l.must(unix.Bind(fd, sockaddr(netipPort(l, 40001))))
		l.must(unix.Connect(fd, sockaddr(l.address)))
		s := l.accept()
		l.send(fd, "again")
		l.receive(s, 5)
		l.linger(fd)
		l.close(fd)
		if _, err := unix.Read(s, make([]byte, 1)); err != unix.ECONNRESET {
			l.t.Errorf("recv after RST: %v", err)
		}
		l.close(s)
	}
}

// playZeroWindow sends to an end that does not read until its window was probed.
func playZeroWindow(l *live) {
	l.must(unix.SetsockoptInt(l.listener, unix.SOL_SOCKET, unix.SO_RCVBUF, 8192))
	c, s := l.connect()
	sent := make(chan struct{})
	const size = 200_000
	go func() {
		defer close(sent)
		l.send(c, strings.Repeat("z", size))
	}()
	l.awaitSegment(func(s *conversation.Segment) bool {
		return s.Is(conversation.KeepAlive) || s.Is(conversation.ZeroWindowProbe)
	})
	l.receive(s, size)
	<-sent
	l.close(c)
	l.end(s)
	l.close(s)
}

// playLoss sends through a socket that drops a tenth of what arrives.
func playLoss(l *live) {
	c, s := l.connect()
	l.dropping(s, 6500)
	sent := make(chan struct{})
	const size = 1_000_000
	go func() {
		defer close(sent)
		l.send(c, strings.Repeat("l", size))
	}()
	l.receive(s, size)
	<-sent
	l.keeping(s)
	l.close(c)
	l.end(s)
	l.close(s)
}

func playLostSYN(l *live) {
	l.dropping(l.listener, 0x10000)
	fd := l.socket()
	connected := make(chan error, 1)
	go func() { connected <- unix.Connect(fd, sockaddr(l.address)) }()
	l.await(func(a *conversation.Analysis) bool { return len(a.TCP) > 0 && len(a.TCP[0].Segments) >= 2 })
	l.keeping(l.listener)
	l.must(<-connected)
	s := l.accept()
	l.close(fd)
	l.end(s)
	l.close(s)
}

func playLostFIN(l *live) {
	c, s := l.connect()
	l.dropping(s, 0x10000)
	l.close(c)
	l.await(func(a *conversation.Analysis) bool {
		return len(a.TCP) > 0 && len(a.TCP[0].Sent(client).Retransmissions()) >= 2
	})
	l.keeping(s)
	l.end(s)
	l.close(s)
}

func playKeepAlive(l *live) {
	c, s := l.connect()
	for option, value := range map[int]int{unix.TCP_KEEPIDLE: 1, unix.TCP_KEEPINTVL: 1} {
		l.must(unix.SetsockoptInt(c, unix.IPPROTO_TCP, option, value))
	}
	l.must(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	l.awaitSegment(func(s *conversation.Segment) bool { return s.Is(conversation.KeepAliveACK) })
	l.close(c)
	l.end(s)
	l.close(s)
}
