package suites

import (
	"slices"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

var _ = Describe("recv", Label("api"), func() {
	rule("recv.returns-count", func(s *stage.Stage) {
		c := s.Connection()

		s.Client.Sent(c.Client, ping)
		Expect(s.Server.Recv(c.Accepted, room)).To(HaveReturned(len(ping)))
		s.Client.Sent(c.Client, ping)
		Expect(s.Server.Recv(c.Accepted, len(ping)-1)).To(HaveReturned(len(ping)-1), "no more than the buffer holds")
	})

	rule("recv.failure-is-minus-one", func(s *stage.Stage) {
		Expect(s.Client.Recv(nowhere, room)).To(HaveFailedWith("EBADF"))
		Expect(s.Client.Recv(s.NotASocket(), room)).To(HaveFailedWith("ENOTSOCK"))
		Expect(s.Client.Recv(s.Client.Stream(), room)).To(HaveFailedWith("ENOTCONN"))
	})

	rule("recv.blocks-until-data", func(s *stage.Stage) {
		c := s.Connection()

		receiving := s.Server.Receiving(c.Accepted, room)
		receiving.AwaitBlocked()
		s.Client.Sent(c.Client, ping)

		Expect(receiving.Result()).To(HaveReturned(len(ping)))
		Expect(receiving.Result()).To(HaveReturnedAfter(s.FirstCall(client, "send")))
	})

	rule("recv.dontwait-when-empty", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Server.Recv(c.Accepted, room, msgDontWait)).To(HaveFailedWith("EAGAIN"))
	})

	rule("recv.zero-on-peer-close", func(s *stage.Stage) {
		c := s.Connection()
		s.Client.Sent(c.Client, ping)
		s.Server.Received(c.Accepted, len(ping))
		s.Server.Sent(c.Accepted, pong)

		s.Server.Closed(c.Accepted)

		Expect(s.Client.Received(c.Client, len(pong))).To(Equal(pong), "what was sent before the close")
		Expect(s.Client.Recv(c.Client, room)).To(HaveReturned(0))
		Expect(s.Client.Recv(c.Client, room)).To(HaveReturned(0), "and again")
	})

	rule("recv.zero-on-peer-exit", func(s *stage.Stage) {
		listener := s.Server.Listening()
		process := s.ReferenceClient()
		accepted := s.Server.Accepted(listener)
		receiving := s.Server.Receiving(accepted, room)
		receiving.AwaitBlocked()

		process.Kill()

		Expect(receiving.Result()).To(HaveReturned(0))
		Expect(s.Server.Recv(accepted, room)).To(HaveReturned(0), "and again")
	})

	rule("recv.data-before-end", func(s *stage.Stage) {
		c := s.Connection()

		s.Client.Sent(c.Client, ping)
		s.Client.Sent(c.Client, pong)
		s.Client.Closed(c.Client)

		Expect(s.Server.ReceivedAll(c.Accepted)).To(Equal(slices.Concat(ping, pong)), "all that was sent before the end")
		Expect(s.Server.Recv(c.Accepted, room)).To(HaveReturned(0))
	})

	rule("recv.server-uses-accepted", func(s *stage.Stage) {
		c := s.Connection()
		s.Client.Sent(c.Client, ping)

		Expect(s.Server.Recv(c.Listener, room)).To(HaveFailedWith("ENOTCONN"))
		Expect(s.Server.Received(c.Accepted, len(ping))).To(Equal(ping), "what the accepted descriptor receives")
	})

	rule("recv.peek-keeps-data", func(s *stage.Stage) {
		c := s.Connection()
		s.Client.Sent(c.Client, ping)

		peeked := s.Server.Recv(c.Accepted, room, syscall.MSG_PEEK)
		received := s.Server.Recv(c.Accepted, room)

		Expect(peeked).To(HaveReturned(len(ping)))
		Expect(received).To(HaveReturned(len(ping)))
		Expect(received.Data).To(Equal(peeked.Data), "the bytes after the peek")
	})

	rule("recv.waitall-fills", func(s *stage.Stage) {
		c := s.Connection()
		whole := slices.Concat(ping, pong)
		s.Client.Sent(c.Client, ping)
		s.Server.Poll(c.Accepted, pollIn)

		receiving := s.Server.Receiving(c.Accepted, len(whole), syscall.MSG_WAITALL)
		receiving.AwaitBlocked()
		s.Client.Sent(c.Client, pong)
		Expect(receiving.Result()).To(HaveReturned(len(whole)))

		s.Client.Sent(c.Client, ping)
		s.Client.Closed(c.Client)
		Expect(s.Server.Recv(c.Accepted, len(whole), syscall.MSG_WAITALL)).To(HaveReturned(len(ping)), "the stream ended")
	})

	rule("recv.reset-reported-once", func(s *stage.Stage) {
		c := s.Connection()
		s.Server.SetOption(c.Accepted, syscall.SOL_SOCKET, syscall.SO_LINGER, sockets.Linger(true, 0))

		s.Server.Closed(c.Accepted)
		s.Client.Poll(c.Client, 0)

		Expect(s.Client.Recv(c.Client, room)).To(HaveFailedWith("ECONNRESET"))
		Expect(s.Client.Recv(c.Client, room)).To(HaveReturned(0))
	})
})
