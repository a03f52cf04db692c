package suites

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syscall"
	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
)

var _ = Describe("accept", Label("api"), func() {
	rule("accept.blocks-until-client", func(s *stage.Stage) {
		listener := s.Server.Listening()

		accepting := s.Server.Accepting(listener)
		accepting.AwaitBlocked()
		s.Client.Connected()

		Expect(accepting.Accepted()).To(HaveSucceeded())
		Expect(accepting.Result()).To(HaveReturnedAfter(s.FirstCall(client, "connect")))
	})

	rule("accept.fresh-descriptor", func(s *stage.Stage) {
		listener := s.Server.Listening()
		s.Client.Connected()

		accepted := s.Server.Accept(listener)

		Expect(accepted).To(BeFresh())
		Expect(accepted.FD).NotTo(Equal(listener.FD))
	})

	rule("accept.one-descriptor-per-client", func(s *stage.Stage) {
		listener := s.Server.Listening()
		one := s.Client.Connected()
		acceptedOne := s.Server.Accept(listener)
		two := s.Client.Connected()
		acceptedTwo := s.Server.Accept(listener)

		s.Client.Sent(one, ping)
		s.Client.Sent(two, pong)
		s.Client.Closed(one)
		s.Client.Closed(two)

		Expect(acceptedTwo.FD).NotTo(Equal(acceptedOne.FD))
		Expect(s.Server.ReceivedAll(acceptedOne)).To(Equal(ping), "all that came from the first client")
		Expect(s.Server.ReceivedAll(acceptedTwo)).To(Equal(pong), "all that came from the second client")
	})

	rule("accept.fills-peer-address", func(s *stage.Stage) {
		listener := s.Server.Listening()
		client := s.Client.Connected()

		accepted := s.Server.Accept(listener)

		Expect(accepted.Peer()).To(Equal(s.Client.SockName(client).Address()))
	})

	rule("accept.listener-keeps-listening", func(s *stage.Stage) {
		listener := s.Server.Listening()
		s.Client.Connected()
		Expect(s.Server.Accept(listener)).To(HaveSucceeded())

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))
		Expect(s.Server.Accept(listener)).To(HaveSucceeded())
	})

	rule("accept.failure-is-minus-one", func(s *stage.Stage) {
		Expect(s.Server.Accept(s.Server.Bound())).To(HaveFailedWith("EINVAL"))
		Expect(s.Server.Accept(nowhere)).To(HaveFailedWith("EBADF"))
		Expect(s.Server.Accept(s.NotASocket())).To(HaveFailedWith("ENOTSOCK"))
		Expect(s.Server.Accept(s.Server.Datagram())).To(HaveFailedWith("EOPNOTSUPP"))
	})

	rule("accept.empty-nonblocking", func(s *stage.Stage) {
		listener := s.Server.Listening()
		s.Server.Fcntl(listener, syscall.F_SETFL, syscall.O_NONBLOCK)

		Expect(s.Server.Accept(listener)).To(HaveFailedWith("EAGAIN"))
	})
})
