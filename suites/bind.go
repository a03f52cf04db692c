package suites

import (
	"net/netip"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

// foreign is an address that belongs to no host (TEST-NET-1, RFC 5737).
var foreign = netip.MustParseAddr("192.0.2.1")

var _ = Describe("bind", Label("api"), func() {
	rule("bind.returns-zero", func(s *stage.Stage) {
		socket := s.Server.Stream()

		Expect(s.Server.Bind(socket, s.ServerAddress())).To(HaveReturned(0))
	})

	rule("bind.fixes-the-address", func(s *stage.Stage) {
		listener := s.Server.Listening()

		Expect(s.Server.SockName(listener).Address()).To(Equal(s.ServerAddress()), "the address of the bound socket")
		client := s.Client.Connected()
		Expect(s.Server.Accept(listener)).To(HaveSucceeded())
		Expect(s.Client.PeerName(client).Address()).To(Equal(s.ServerAddress()), "where the client reached the server")
	})

	rule("bind.network-byte-order", func(s *stage.Stage) {
		s.Server.Listening()

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))
		Expect(s.Conversation()).To(HaveServerAddress(s.ServerAddress()))
	})

	rule("bind.any-address", func(s *stage.Stage) {
		port := s.ServerAddress().Port()
		listener := s.Server.BoundTo(netip.AddrPortFrom(s.AnyAddress(), port))
		Expect(s.Server.Listen(listener, stage.Backlog)).To(HaveReturned(0))

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))
		Expect(s.Client.Connect(s.Client.Stream(), netip.AddrPortFrom(s.OtherAddress(), port))).To(HaveReturned(0))
		Expect(s.Server.Accept(listener)).To(HaveSucceeded())
		Expect(s.Server.Accept(listener)).To(HaveSucceeded())
	})

	rule("bind.failure-is-minus-one", func(s *stage.Stage) {
		bound := s.Server.Listening()

		Expect(s.Server.Bind(s.Server.Stream(), s.ServerAddress())).To(HaveFailedWith("EADDRINUSE"))
		Expect(s.Server.Bind(s.Server.Stream(), netip.AddrPortFrom(foreign, s.ServerAddress().Port()))).To(HaveFailedWith("EADDRNOTAVAIL"))
		Expect(s.Server.Bind(bound, netip.AddrPortFrom(s.ServerAddress().Addr(), 0))).To(HaveFailedWith("EINVAL"))
		Expect(s.Server.Bind(s.Server.Stream(), netip.AddrPortFrom(netip.IPv6Loopback(), s.ServerAddress().Port()))).To(HaveFailedWith("EAFNOSUPPORT"))
	})

	rule("bind.port-zero-is-ephemeral", func(s *stage.Stage) {
		socket := s.Server.Stream()

		Expect(s.Server.Bind(socket, netip.AddrPortFrom(s.ServerAddress().Addr(), 0))).To(HaveReturned(0))
		Expect(s.Server.SockName(socket).Address().Port()).NotTo(BeZero(), "the port that the kernel chose")
	})

	rule("bind.time-wait-needs-reuseaddr", func(s *stage.Stage) {
		c := s.ReusableConnection()
		s.Server.Closed(c.Accepted)
		s.Client.Closed(c.Client)
		s.Server.Closed(c.Listener)
		s.AwaitTimeWait(s.ServerAddress())

		careless := s.Server.Stream()
		careful := s.Server.Stream()
		s.Server.SetOption(careful, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, sockets.Int(1))

		Expect(s.Server.Bind(careless, s.ServerAddress())).To(HaveFailedWith("EADDRINUSE"))
		Expect(s.Server.Bind(careful, s.ServerAddress())).To(HaveReturned(0))
	})
})
