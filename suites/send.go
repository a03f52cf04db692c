package suites

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
)

var _ = Describe("send", Label("api"), func() {
	rule("send.returns-count", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Send(c.Client, ping)).To(HaveReturned(len(ping)))
		Expect(s.Server.Received(c.Accepted, len(ping))).To(Equal(ping), "what arrives")
	})

	rule("send.failure-is-minus-one", func(s *stage.Stage) {
		c := s.Connection()
		s.Client.Shutdown(c.Client, syscall.SHUT_WR)

		Expect(s.Client.Send(nowhere, ping)).To(HaveFailedWith("EBADF"))
		Expect(s.Client.Send(s.NotASocket(), ping)).To(HaveFailedWith("ENOTSOCK"))
		Expect(s.Client.Send(c.Client, ping, msgNoSignal)).To(HaveFailedWith("EPIPE"))
	})

	rule("send.blocks-when-full", func(s *stage.Stage) {
		c := s.NarrowConnection()
		more := pattern(overflowing)

		sending := s.Client.Sending(c.Client, more)
		sending.AwaitBlocked()
		Expect(s.Server.Received(c.Accepted, len(more))).To(Equal(more), "what arrives once the peer reads")

		Expect(sending.Result()).To(HaveReturned(len(more)))
		Expect(sending.Result()).To(HaveReturnedAfter(s.FirstCall(server, "recv")))
	})

	rule("send.dontwait-when-full", func(s *stage.Stage) {
		c := s.NarrowConnection()

		full := s.Client.SendUntilRefused(c.Client, pattern(overflowing), msgDontWait)

		Expect(full).To(HaveFailedWith("EAGAIN"))
	})

	rule("send.zero-length-emits-nothing", func(s *stage.Stage) {
		c := s.Connection()
		receiving := s.Server.Receiving(c.Accepted, room)
		receiving.AwaitBlocked()

		Expect(s.Client.Send(c.Client, nothing)).To(HaveReturned(0))
		s.Client.Sent(c.Client, ping)

		Expect(receiving.Result()).To(HaveReturned(len(ping)), "recv returns for the data, and not for the empty send before it")
		Expect(s.Conversation()).To(HaveSegmentsFrom(client, "SYN", "ACK", "PSH|ACK"))
	})

	rule("send.client-uses-its-socket", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Send(c.Client, ping)).To(HaveReturned(len(ping)))
		Expect(s.Server.Received(c.Accepted, len(ping))).To(Equal(ping), "what arrives at the server")
	})

	rule("send.server-uses-accepted", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Server.Send(c.Accepted, pong)).To(HaveReturned(len(pong)))
		Expect(s.Server.Send(c.Listener, pong, msgNoSignal)).To(HaveFailedWith("EPIPE", "ENOTCONN"))
		Expect(s.Client.Received(c.Client, len(pong))).To(Equal(pong), "what arrives at the client")
	})

	rule("send.partial-when-nonblocking", func(s *stage.Stage) {
		c := s.NarrowConnection()
		oversized := pattern(overflowing)

		sent := s.Client.Send(c.Client, oversized, msgDontWait)
		s.Client.Closed(c.Client)

		Expect(sent.Value).To(And(BeNumerically(">", 0), BeNumerically("<", overflowing)), "a part of it was taken")
		Expect(s.Server.ReceivedAll(c.Accepted)).To(Equal(oversized[:sent.Value]), "exactly that part arrives")
	})

	rule("send.epipe-after-peer-close", func(s *stage.Stage) {
		c := s.Connection()
		s.Server.Closed(c.Accepted)
		Expect(s.Client.Recv(c.Client, room)).To(HaveReturned(0), "the peer has closed")

		Expect(s.Client.Send(c.Client, ping)).To(HaveReturned(len(ping)))
		Expect(s.Client.Poll(c.Client, 0)&pollHup).NotTo(BeZero(), "the answer to the first send ends the connection")
		Expect(s.Client.Send(c.Client, ping, msgNoSignal)).To(HaveFailedWith("EPIPE"))
		Expect(s.Conversation()).To(HaveResetFrom(server))
	})
})
