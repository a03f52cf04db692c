package suites

import (
	"slices"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
)

var _ = Describe("tcp", Label("wire"), func() {
	rule("tcp.connection-oriented", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Exchange(c)).To(BeWhole())

		Expect(s.Conversation()).To(HaveHandshakeBeforeData())
	})

	rule("tcp.client-active-server-passive", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Exchange(c)).To(BeWhole())

		Expect(s.Conversation()).To(BeginWithSYNFrom(s.Client.SockName(c.Client).Address()))
	})

	rule("tcp.byte-stream-merges", func(s *stage.Stage) {
		c := s.Connection()
		whole := slices.Concat(ping, pong, ping)

		s.Client.Sent(c.Client, ping)
		s.Client.Sent(c.Client, pong)
		s.Client.Sent(c.Client, ping)
		s.Server.Recv(c.Accepted, len(whole), syscall.MSG_PEEK|syscall.MSG_WAITALL)

		received := s.Server.Recv(c.Accepted, room)
		Expect(received).To(HaveReturned(len(whole)))
		Expect(received.Data).To(Equal(whole), "three sends in one recv")
	})

	rule("tcp.byte-stream-splits", func(s *stage.Stage) {
		c := s.Connection()
		long := pattern(s.SeveralSegments())

		Expect(s.Client.Send(c.Client, long)).To(HaveReturned(len(long)))

		Expect(s.Server.Received(c.Accepted, len(long))).To(Equal(long), "what arrives, in order")
		Expect(s.Conversation()).To(HaveMoreDataSegmentsThan(1, client))
	})

	rule("tcp.sequence-numbers", func(s *stage.Stage) {
		s.WholeConversation()

		Expect(s.Conversation()).To(HaveContinuousSequenceNumbers())
	})

	rule("tcp.acknowledges-data", func(s *stage.Stage) {
		s.WholeConversation()

		Expect(s.Conversation()).To(AcknowledgeEverything())
	})

	rule("tcp.respects-mss", func(s *stage.Stage) {
		c := s.Connection()
		long := pattern(s.SeveralSegments())

		s.Client.Sent(c.Client, long)
		s.Server.Received(c.Accepted, len(long))

		Expect(s.Conversation()).To(RespectMSS())
	})

	rule("tcp.four-way-close", func(s *stage.Stage) {
		s.WholeConversation()

		Expect(s.Conversation()).To(CloseInFourSteps())
	})

	rule("tcp.time-wait-on-active-closer", func(s *stage.Stage) {
		c := s.Connection()
		active := s.Client.SockName(c.Client).Address()

		s.Client.Closed(c.Client)
		Expect(s.Server.Recv(c.Accepted, room)).To(HaveReturned(0))
		s.Server.Closed(c.Accepted)

		Expect(s.TimeWaits()).To(ConsistOf(active), "the ends in TIME_WAIT")
	})

	rule("tcp.never-resets-a-reset", func(s *stage.Stage) {
		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveFailedWith("ECONNREFUSED"))
		s.Settle()

		Expect(s.Conversation()).To(HaveResetFrom(server))
		Expect(s.Conversation()).NotTo(HaveResetFrom(client))
	})
})
