package suites

import (
	"encoding/binary"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
	. "tcpwitness/harness/wire"
)

// expectAlive sends something in each direction of a connection with a scripted peer.
func expectAlive(s *stage.Stage, peer *Peer, accepted *stage.Socket) {
	GinkgoHelper()
	next := peer.Next()
	peer.Send(PSH|ACK, Payload(ping))
	Expect(peer).To(ReceiveSegment(ACK, Ack(next+uint32(len(ping)))), "the connection should live: what is sent on it is acknowledged")
	Expect(s.Server.Recv(accepted, room).Data).To(BeTheBytes(ping), "the connection should live: what the server receives")
	s.Server.Sent(accepted, pong)
	Expect(peer).To(ReceiveSegment(PSH|ACK, Payload(pong)), "the connection should live: what the server sends")
}

// inSegments has the peer send data in segments of so many bytes.
func inSegments(peer *Peer, data []byte, size int) {
	for ; len(data) > size; data = data[size:] {
		peer.Send(ACK, Payload(data[:size]))
	}
	peer.Send(PSH|ACK, Payload(data))
}

// sentTo takes data segments of the host, in order, until so many bytes have come, and yields their sizes.
func sentTo(s *stage.Stage, peer *Peer, bytes int) (sizes []int) {
	GinkgoHelper()
	for got := 0; got < bytes; {
		segment, err := peer.Receive(s.Context(), ACK, Seq(uint32(1+got)), Satisfying("data", func(s Segment) bool { return len(s.Payload) > 0 }))
		Expect(err).NotTo(HaveOccurred())
		got += len(segment.Payload)
		sizes = append(sizes, len(segment.Payload))
	}
	return sizes
}

// timeoutOf is how long the host waits for an acknowledgement on a connection before it sends again for the
// first time, as TCP_INFO tells it.
func timeoutOf(s *stage.Stage, accepted *stage.Socket) time.Duration {
	GinkgoHelper()
	const place, size = 8, 4 // of tcpi_rto in linux/tcp.h, which counts microseconds
	told := s.Server.Option(accepted, syscall.IPPROTO_TCP, tcpInfo, place+size)
	Expect(told).To(HaveReturned(0))
	Expect(told.Data).To(HaveLen(place + size))
	return time.Duration(binary.NativeEndian.Uint32(told.Data[place:])) * time.Microsecond
}

// waitsBetween takes the same data from the host so many times and yields the times between, by the host's own
// clock (RFC 7323 §5.4; Linux counts milliseconds).
func waitsBetween(s *stage.Stage, peer *Peer, times int, data []byte) (waits []time.Duration) {
	GinkgoHelper()
	var before uint32
	for n := range times {
		segment, err := peer.Receive(s.Context(), PSH|ACK, Seq(1), Payload(data),
			Satisfying("timestamps", func(s Segment) bool { return s.Timestamps != nil }))
		Expect(err).NotTo(HaveOccurred())
		now := segment.Timestamps[0]
		if n > 0 {
			waits = append(waits, time.Duration(now-before)*time.Millisecond)
		}
		before = now
	}
	return waits
}

// defaultMSS is the segment size that is to be assumed where the SYN names none, in bytes (RFC 9293 §3.7.1).
func defaultMSS(s *stage.Stage) int {
	if s.ServerAddress().Addr().Is6() {
		return 1220
	}
	return 536
}
