package suites

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"tcpwitness/harness/evidence"
	. "tcpwitness/harness/match"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

var _ = Describe("connect", Label("api"), func() {
	rule("connect.returns-zero", func(s *stage.Stage) {
		s.Server.Listening()
		client := s.Client.Stream()

		Expect(s.Client.Connect(client, s.ServerAddress())).To(HaveReturned(0))
	})

	rule("connect.no-new-descriptor", func(s *stage.Stage) {
		s.Server.Listening()
		client := s.Client.Stream()

		connected := s.Client.Connect(client, s.ServerAddress())

		Expect(connected).To(HaveReturned(0))
		Expect(connected).To(HaveCreatedNoDescriptor())
	})

	rule("connect.same-descriptor-carries-data", func(s *stage.Stage) {
		listener := s.Server.Listening()
		client := s.Client.Connected()
		accepted := s.Server.Accepted(listener)

		Expect(s.Client.Send(client, ping)).To(HaveReturned(len(ping)))
		Expect(s.Server.Received(accepted, len(ping))).To(Equal(ping), "what arrives at the server")
		s.Server.Sent(accepted, pong)
		Expect(s.Client.Received(client, len(pong))).To(Equal(pong), "what arrives back on the client's own descriptor")
	})

	rule("connect.required-before-data", func(s *stage.Stage) {
		s.Server.Listening()
		unconnected := s.Client.Stream()

		Expect(s.Client.Send(unconnected, ping, msgNoSignal)).To(HaveFailedWith("EPIPE", "ENOTCONN"))
		Expect(s.Client.Recv(unconnected, 1)).To(HaveFailedWith("ENOTCONN"))
		Expect(s.Wire()).To(BeSilent())
	})

	rule("connect.handshake-first", func(s *stage.Stage) {
		s.Server.Listening()
		client := s.Client.Stream()

		connected := s.Client.Connect(client, s.ServerAddress())
		s.Client.Sent(client, ping)

		handshake := s.Conversation()
		Expect(handshake).To(HaveHandshake())
		Expect(handshake).To(HaveHandshakeBefore(connected.Call().Exit))
		Expect(handshake).To(HaveHandshakeBeforeData())
	})

	rule("connect.refused-without-listener", func(s *stage.Stage) {
		client := s.Client.Stream()

		Expect(s.Client.Connect(client, s.ServerAddress())).To(HaveFailedWith("ECONNREFUSED"))
		Expect(s.Conversation()).To(BeRefused())
	})

	rule("connect.names-both-ends", func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.PeerName(c.Client).Address()).To(Equal(s.Server.SockName(c.Accepted).Address()), "the client's peer is the server")
		Expect(s.Server.PeerName(c.Accepted).Address()).To(Equal(s.Client.SockName(c.Client).Address()), "the server's peer is the client")
		Expect(s.Client.PeerName(c.Client).Address()).To(Equal(s.ServerAddress()), "the client's peer is the address that it connected to")
	})

	rule("connect.twice-is-an-error", func(s *stage.Stage) {
		s.Server.Listening()
		client := s.Client.Connected()

		Expect(s.Client.Connect(client, s.ServerAddress())).To(HaveFailedWith("EISCONN"))
	})

	rule("connect.bad-arguments", func(s *stage.Stage) {
		s.Server.Listening()
		client := s.Client.Stream()
		address := sockets.Inet(s.ServerAddress())

		Expect(s.Client.ConnectRaw(nowhere, address)).To(HaveFailedWith("EBADF"))
		Expect(s.Client.ConnectRaw(s.NotASocket(), address)).To(HaveFailedWith("ENOTSOCK"))
		Expect(s.Client.ConnectRaw(client, sockets.Unix("/a/path/that/is/long/enough"))).To(HaveFailedWith("EAFNOSUPPORT"))
		Expect(s.Client.ConnectRaw(client, address[:8])).To(HaveFailedWith("EINVAL"))
	})

	rule("connect.nonblocking-in-progress", func(s *stage.Stage) {
		listener := s.Server.Listening()
		client := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM|sockNonblock, 0)

		Expect(s.Client.Connect(client, s.ServerAddress())).To(HaveFailedWith("EINPROGRESS"))
		Expect(s.Client.Poll(client, pollOut)&pollOut).NotTo(BeZero(), "the socket becomes writable")
		Expect(s.Client.Option(client, syscall.SOL_SOCKET, syscall.SO_ERROR, 4).Data).To(Equal(noError), "SO_ERROR after success")

		s.Server.Closed(listener)
		refused := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM|sockNonblock, 0)

		Expect(s.Client.Connect(refused, s.ServerAddress())).To(HaveFailedWith("EINPROGRESS"))
		s.Client.Poll(refused, pollOut)
		Expect(s.Client.Option(refused, syscall.SOL_SOCKET, syscall.SO_ERROR, 4).Data).To(Equal(sockets.Int(int(syscall.ECONNREFUSED))), "SO_ERROR tells of the refusal")
		Expect(s.Client.Option(refused, syscall.SOL_SOCKET, syscall.SO_ERROR, 4).Data).To(Equal(noError), "and tells of it once")
	})
})

// The ends as a wire record names them.
const (
	client = evidence.Client
	server = evidence.Server
)
