package suites

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

var _ = Describe("close", Label("api"), func() {
	rule("close.peer-receives-zero", func(s *stage.Stage) {
		c := s.Connection()
		receiving := s.Client.Receiving(c.Client, room)
		receiving.AwaitBlocked()

		s.Server.Closed(c.Accepted)

		Expect(receiving.Result()).To(HaveReturned(0))
	})

	rule("close.sends-fin", func(s *stage.Stage) {
		c := s.Connection()

		s.Client.Closed(c.Client)

		Expect(s.AwaitConversation(HaveFINFrom(client))).To(HaveFINFrom(client))
		Expect(s.AwaitConversation(HaveAcknowledgedFINOf(client))).To(HaveAcknowledgedFINOf(client))
	})

	rule("close.listener-refuses-new", func(s *stage.Stage) {
		listener := s.Server.Listening()

		s.Server.Closed(listener)

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveFailedWith("ECONNREFUSED"))
	})

	rule("close.listener-spares-live", func(s *stage.Stage) {
		c := s.Connection()

		s.Server.Closed(c.Listener)

		Expect(s.Exchange(c)).To(BeWhole())
	})

	rule("close.connection-spares-listener", func(s *stage.Stage) {
		first := s.Connection()
		second := s.Further(first.Listener)

		s.Server.Closed(first.Accepted)

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))
		Expect(s.Server.Accept(first.Listener)).To(HaveSucceeded())
		Expect(s.Exchange(second)).To(BeWhole())
	})

	rule("close.client-ends-only-its-connection", func(s *stage.Stage) {
		first := s.Connection()
		second := s.Further(first.Listener)

		s.Client.Closed(first.Client)

		Expect(s.Server.Recv(first.Accepted, room)).To(HaveReturned(0), "its own connection has ended")
		Expect(s.Exchange(second)).To(BeWhole())
		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))
	})

	rule("close.frees-the-descriptor", func(s *stage.Stage) {
		socket := s.Client.Stream()
		high := s.Client.Fcntl(socket, syscall.F_DUPFD, farAway)

		Expect(s.Client.Close(&stage.Socket{FD: high.Value})).To(HaveReturned(0))
		Expect(s.Client.Close(&stage.Socket{FD: high.Value})).To(HaveFailedWith("EBADF"))
		Expect(s.Client.Fcntl(socket, syscall.F_DUPFD, farAway)).To(HaveReturned(high.Value), "the number is free again")
	})

	rule("close.last-duplicate-closes", func(s *stage.Stage) {
		c := s.Connection()
		duplicate := s.Client.Dup(c.Client)

		s.Client.Closed(c.Client)
		Expect(s.Client.Send(duplicate, ping, msgNoSignal)).To(HaveReturned(len(ping)))
		Expect(s.Server.Received(c.Accepted, len(ping))).To(Equal(ping), "the connection lives")
		Expect(s.Conversation()).NotTo(HaveFINFrom(client))

		s.Client.Closed(duplicate)
		Expect(s.AwaitConversation(HaveFINFrom(client))).To(HaveFINFrom(client))
	})

	rule("close.unread-data-resets", func(s *stage.Stage) {
		c := s.Connection()
		s.Server.Sent(c.Accepted, pong)
		s.Client.Poll(c.Client, pollIn)

		s.Client.Closed(c.Client)

		Expect(s.AwaitConversation(HaveResetFrom(client))).To(HaveResetFrom(client))
		Expect(s.Conversation()).NotTo(HaveFINFrom(client))
	})

	rule("close.linger-zero-resets", func(s *stage.Stage) {
		c := s.Connection()
		s.Client.SetOption(c.Client, syscall.SOL_SOCKET, syscall.SO_LINGER, sockets.Linger(true, 0))

		s.Client.Closed(c.Client)

		Expect(s.AwaitConversation(HaveResetFrom(client))).To(HaveResetFrom(client))
		Expect(s.Conversation()).NotTo(HaveFINFrom(client))
	})
})

var _ = Describe("shutdown", Label("api"), func() {
	rule("shutdown.write-half", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Shutdown(c.Client, syscall.SHUT_WR)).To(HaveReturned(0))

		Expect(s.Server.Recv(c.Accepted, room)).To(HaveReturned(0), "the other end sees the end of the stream")
		s.Server.Sent(c.Accepted, pong)
		Expect(s.Client.Recv(c.Client, room)).To(HaveReturned(len(pong)), "this end still receives")
		Expect(s.Conversation()).To(HaveFINFrom(client))
		Expect(s.Conversation()).NotTo(HaveFINFrom(server))
	})
})
