package suites

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
)

// shortQueue is a backlog that a few clients fill.
const shortQueue = 2

var _ = Describe("listen", Label("api"), func() {
	rule("listen.returns-zero", func(s *stage.Stage) {
		socket := s.Server.Bound()

		Expect(s.Server.Listen(socket, stage.Backlog)).To(HaveReturned(0))
	})

	rule("listen.makes-the-socket-passive", func(s *stage.Stage) {
		socket := s.Server.Bound()

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveFailedWith("ECONNREFUSED"), "before listen")
		Expect(s.Server.Listen(socket, stage.Backlog)).To(HaveReturned(0))
		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0), "after listen, and before accept")
		Expect(s.LastConversation()).To(HaveHandshake())
	})

	rule("listen.backlog-bounds-the-queue", func(s *stage.Stage) {
		listener := s.Server.ListeningWith(shortQueue)

		queued, further := s.FillAcceptQueue(listener, 4*shortQueue)
		Expect(queued).To(And(BeNumerically(">=", shortQueue), BeNumerically("<=", 2*shortQueue)), "connections that wait un-accepted")
		Expect(further.Returned()).To(BeFalse(), "with the queue full a further connect does not complete")

		accepted := s.Server.Accept(listener)
		Expect(further.Result()).To(HaveReturned(0), "once one is accepted")
		Expect(further.Result()).To(HaveReturnedAfter(accepted.Call()))
	})

	rule("listen.failure-is-minus-one", func(s *stage.Stage) {
		Expect(s.Server.Listen(nowhere, stage.Backlog)).To(HaveFailedWith("EBADF"))
		Expect(s.Server.Listen(s.NotASocket(), stage.Backlog)).To(HaveFailedWith("ENOTSOCK"))
		Expect(s.Server.Listen(s.Server.Datagram(), stage.Backlog)).To(HaveFailedWith("EOPNOTSUPP"))
	})

	rule("listen.unbound-gets-a-port", func(s *stage.Stage) {
		listener := s.Server.Stream()

		Expect(s.Server.Listen(listener, stage.Backlog)).To(HaveReturned(0))
		port := s.Server.SockName(listener).Address().Port()
		Expect(port).NotTo(BeZero(), "the port that the kernel chose")
		Expect(s.Client.Connect(s.Client.Stream(), netip.AddrPortFrom(s.ServerAddress().Addr(), port))).To(HaveReturned(0))
	})
})
