package suites

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
	. "tcpwitness/harness/wire"
)

const (
	// longest is the longest segment, in bytes, that a scripted peer says it takes.
	longest = 1000
	// farOff is a distance in sequence numbers that no window reaches, and early one that lies in the window.
	farOff = 1_000_000
	early  = 1
	// leastTimeout is the least retransmission timeout of a host whose timeouts are measured.
	leastTimeout = 50 * time.Millisecond
	// stranger is an acknowledgement number of what was never sent.
	stranger = 777
)

// noTimer has a host send nothing again for want of an acknowledgement: no scenario lasts so long.
var noTimer = Options{RTOMin: time.Minute}

// eachAnswered has a host answer every segment that it does not take, and not one in half a second only.
var eachAnswered = Options{Settings: map[string]string{"net.ipv4.tcp_invalid_ratelimit": "0"}}

// The rules about segments that no kernel sends, and about how a host goes on where its peer is silent.
var _ = Describe("tcp with a scripted peer", Label("wire"), func() {
	ruleOnPeer("tcp.bad-ack-in-syn-received-draws-rst", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		s.Server.Listening()
		peer.Towards(s.ServerAddress())
		peer.Send(SYN)
		Expect(peer).To(ReceiveSegment(SYN|ACK, Seq(0), Ack(1)))

		peer.Send(ACK, Ack(stranger))

		Expect(peer).To(ReceiveSegment(RST, Seq(stranger)))
	})

	ruleOnPeer("tcp.reset-in-syn-sent-refuses", Server, Options{}, func(s *stage.Stage, peer *Peer) {
		connecting := s.Client.Connecting(s.Client.Stream(), s.ServerAddress())
		Expect(peer).To(ReceiveSegment(SYN))

		peer.Send(RST|ACK, Seq(0), Ack(1))

		Expect(connecting.Result()).To(HaveFailedWith("ECONNREFUSED"))
		Expect(peer).To(ReceiveNothing())
	})

	ruleOnPeer("tcp.closed-port-draws-rst", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		toSYN, toData, toACK := peer.Another(), peer.Another(), peer.Another()
		toSYN.Towards(s.ServerAddress())
		toData.Towards(s.ServerAddress())
		toACK.Towards(s.ServerAddress())

		toSYN.Send(SYN)
		toData.Send(0, Seq(10), Payload("ping"))
		toACK.Send(ACK, Seq(10), Ack(stranger))

		Expect(toSYN).To(ReceiveSegment(RST|ACK, Seq(0), Ack(1)))
		Expect(toData).To(ReceiveSegment(RST|ACK, Seq(0), Ack(14)), "10, and 4 bytes of data")
		Expect(toACK).To(ReceiveSegment(RST, Seq(stranger)))
	})

	ruleOnPeer("tcp.syn-in-established-draws-challenge-ack", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(SYN, Seq(1))

		Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		expectAlive(s, peer, accepted)
	})

	ruleOnPeer("tcp.reset-outside-window-ignored", Client, eachAnswered, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(RST, Seq(farOff))
		peer.Send(RST, Seq(0))

		expectAlive(s, peer, accepted)
	})

	ruleOnPeer("tcp.reset-off-edge-draws-challenge-ack", Client, eachAnswered, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(RST, Seq(peer.Next()+early))

		Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		expectAlive(s, peer, accepted)
	})

	ruleOnPeer("tcp.data-outside-window-not-delivered", Client, eachAnswered, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(ACK, Seq(farOff), Payload("stray"))

		Expect(s.Server.Recv(accepted, room, msgDontWait)).To(HaveFailedWith("EAGAIN"))
		Expect(peer).To(ReceiveSegment(ACK, Seq(1), Ack(1), Length(0)))
		expectAlive(s, peer, accepted)
	})

	ruleOnPeer("tcp.overlapping-segments-merge", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(ACK, Seq(5), Payload("efgh"))
		peer.Send(ACK, Seq(3), Payload("cdef"))
		peer.Send(ACK, Seq(1), Payload("abcd"))
		peer.Send(ACK, Seq(3), Payload("cdefghij"))

		Expect(s.Server.Recv(accepted, room).Data).To(BeTheBytes([]byte("abcdefghij")))
		Expect(peer).To(ReceiveSegment(ACK, Ack(11)))
	})

	ruleOnPeer("tcp.segment-without-ack-dropped", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(PSH, Seq(1), Payload("dropped"))

		Expect(s.Server.Recv(accepted, room, msgDontWait)).To(HaveFailedWith("EAGAIN"))
		peer.Send(PSH|ACK, Seq(1), Payload("taken"))
		Expect(s.Server.Recv(accepted, room).Data).To(BeTheBytes([]byte("taken")))
	})

	ruleOnPeer("tcp.simultaneous-open", Server, Options{}, func(s *stage.Stage, peer *Peer) {
		connecting := s.Client.Connecting(s.Client.Stream(), s.ServerAddress())
		Expect(peer).To(ReceiveSegment(SYN, Seq(0)))

		peer.Send(SYN)
		Expect(peer).To(ReceiveSegment(SYN|ACK, Seq(0), Ack(1)))
		peer.Send(ACK)

		Expect(connecting.Result()).To(HaveReturned(0))
	})

	ruleOnPeer("tcp.data-after-close-draws-rst", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		s.Server.Closed(s.AcceptedFromPeer())
		Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1)))

		peer.Send(ACK, Payload("too late"))

		Expect(peer).To(ReceiveSegment(RST, Seq(2)))
	})

	ruleOnPeer("tcp.fin-counts-one", Client, noTimer, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()

		peer.Send(FIN|ACK, Payload("last"))
		Expect(s.Server.ReceivedAll(accepted)).To(BeTheBytes([]byte("last")))
		s.Server.Closed(accepted)

		Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1), Ack(6)), "1, 4 bytes of data and the FIN")
		peer.Send(ACK, Ack(2))
		Expect(peer).To(ReceiveNothing())
	})

	ruleOnPeer("tcp.half-close-carries-data", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer()
		long := pattern(10 * longest)

		Expect(s.Server.Shutdown(accepted, syscall.SHUT_WR)).To(HaveReturned(0))
		Expect(peer).To(ReceiveSegment(FIN|ACK, Seq(1)))
		peer.Send(ACK, Ack(2))
		inSegments(peer, long, longest)

		received := s.Server.Recv(accepted, len(long), syscall.MSG_WAITALL)
		Expect(received).To(HaveReturned(len(long)))
		Expect(received.Data).To(BeTheBytes(long), "what arrives after the server's FIN")
	})

	ruleOnPeer("tcp.lost-handshake-ack-healed-by-data", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		listener := s.Server.Listening()
		peer.Towards(s.ServerAddress())
		peer.Send(SYN)
		Expect(peer).To(ReceiveSegment(SYN|ACK, Ack(1)))

		peer.Send(PSH|ACK, Payload(ping))

		Expect(s.Server.Recv(s.Server.Accept(listener), room).Data).To(BeTheBytes(ping))
	})

	// A timer comes late where the machine is busy, so waits are not held against each other, but each against
	// the shortest that it can be: the timeout before the first, doubled as often as it ran out. The host tells the waits
	// by its own clock, its timestamps.
	ruleOnPeer("tcp.retransmission-backs-off", Client, Options{RTOMin: leastTimeout}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(Timestamps(1, 0))
		first := timeoutOf(s, accepted)

		s.Server.Sent(accepted, ping)

		Expect(waitsBetween(s, peer, 4, ping)).To(DoubleFrom(first))
	})

	ruleOnPeer("tcp.push-on-last-segment", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(MSS(longest))

		s.Server.Sent(accepted, pattern(2*longest+500))

		Expect(peer).To(ReceiveSegment(ACK, Length(longest)))
		Expect(peer).To(ReceiveSegment(ACK, Length(longest)))
		Expect(peer).To(ReceiveSegment(PSH|ACK, Length(500)))
	})

	// That two duplicate acknowledgements draw nothing is certain here, where the standards leave no other way
	// to find a loss: RACK (RFC 8985) needs SACK, which the peer does not offer, and Early Retransmit (RFC 5827) is
	// for fewer than four segments in flight.
	ruleOnPeer("tcp.fast-retransmit", Client, noTimer, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(MSS(longest))
		long := pattern(5 * longest)
		s.Server.Sent(accepted, long)
		sentTo(s, peer, len(long))

		peer.Send(ACK, Ack(1))
		peer.Send(ACK, Ack(1))
		Expect(peer).To(ReceiveNothing(), "two duplicate acknowledgements may mean no more than that segments changed places")
		peer.Send(ACK, Ack(1))

		Expect(peer).To(ReceiveSegment(ACK, Seq(1), Payload(long[:longest])))
	})

	// Of five segments that fitted into the window, four are outside when the first is acknowledged.
	ruleOnPeer("tcp.window-shrink-survived", Client, Options{RTOMin: soon}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(MSS(longest))
		long := pattern(3 * longest)
		s.Server.Sent(accepted, long)
		sentTo(s, peer, len(long))

		peer.Send(ACK, Ack(1+longest), Window(longest))
		Expect(peer).To(ReceiveSegment(ACK, Seq(1+longest), Payload(long[longest:2*longest])))
		peer.Send(ACK, Ack(1+2*longest), Window(longest))
		Expect(peer).To(ReceiveSegment(ACK, Seq(1+2*longest), Payload(long[2*longest:])))
		peer.Send(ACK, Ack(1+3*longest))

		expectAlive(s, peer, accepted)
	})

	ruleOnPeer("tcp.mss-option-obeyed", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(MSS(longest))
		long := pattern(3 * longest)

		s.Server.Sent(accepted, long)

		Expect(sentTo(s, peer, len(long))).To(HaveEach(BeNumerically("<=", longest)), "the sizes of the segments")
	})

	ruleOnPeer("tcp.mss-default-536", Client, Options{}, func(s *stage.Stage, peer *Peer) {
		accepted := s.AcceptedFromPeer(WindowScale(0))
		long := pattern(3 * longest)

		s.Server.Sent(accepted, long)

		Expect(sentTo(s, peer, len(long))).To(HaveEach(BeNumerically("<=", defaultMSS(s))), "the sizes of the segments")
	})
})
