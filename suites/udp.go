package suites

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
	"tcpwitness/harness/wire"
)

var _ = Describe("udp", Label("wire"), func() {
	rule("udp.no-handshake", func(s *stage.Stage) {
		d := s.Datagrams()

		Expect(s.Client.Send(d.Client, ping)).To(HaveReturned(len(ping)))
		Expect(s.Server.Recv(d.Server, room)).To(HaveReturned(len(ping)))

		Expect(s.Wire()).To(HaveDatagrams(ping))
	})

	rule("udp.no-listen-accept", func(s *stage.Stage) {
		d := s.Datagrams()

		Expect(s.Server.Listen(d.Server, stage.Backlog)).To(HaveFailedWith("EOPNOTSUPP"))
		Expect(s.Server.Accept(d.Server)).To(HaveFailedWith("EOPNOTSUPP"))
	})

	rule("udp.keeps-boundaries", func(s *stage.Stage) {
		d := s.Datagrams()
		long := pattern(100)

		s.Client.Sent(d.Client, ping)
		s.Client.Sent(d.Client, long)
		s.Client.Sent(d.Client, pong)

		Expect(s.Server.Recv(d.Server, room)).To(HaveReturned(len(ping)))
		Expect(s.Server.Recv(d.Server, room)).To(HaveReturned(len(long)))
		Expect(s.Server.Recv(d.Server, room)).To(HaveReturned(len(pong)))
	})

	rule("udp.zero-length-datagram", func(s *stage.Stage) {
		d := s.Datagrams()

		Expect(s.Client.Send(d.Client, nothing)).To(HaveReturned(0))

		Expect(s.Server.Recv(d.Server, room)).To(HaveReturned(0))
		Expect(s.Wire()).To(HaveDatagrams(nothing))
	})

	ruleOnWire("udp.lost-stays-lost", wire.Options{Faults: []wire.Fault{wire.Lose(wire.Nth(2, wire.Datagram))}}, func(s *stage.Stage) {
		d := s.Datagrams()

		s.Client.Sent(d.Client, ping)
		s.Client.Sent(d.Client, lost)
		s.Client.Sent(d.Client, pong)

		Expect(s.Server.Recv(d.Server, room).Data).To(BeTheBytes(ping), "the first datagram to arrive")
		Expect(s.Server.Recv(d.Server, room).Data).To(BeTheBytes(pong), "the second datagram to arrive")
		Expect(s.At(client)).To(HaveDatagrams(ping, lost, pong))
	})

	rule("udp.connect-emits-nothing", func(s *stage.Stage) {
		server := s.Server.Datagram()
		Expect(s.Server.Bind(server, s.ServerAddress())).To(HaveReturned(0))

		Expect(s.Client.Connect(s.Client.Datagram(), s.ServerAddress())).To(HaveReturned(0))

		Expect(s.Wire()).To(BeSilent())
	})

	rule("udp.close-emits-nothing", func(s *stage.Stage) {
		d := s.Datagrams()
		another := s.Client.Datagram()
		s.Client.Connect(another, s.ServerAddress())
		receiving := s.Server.Receiving(d.Server, room)
		receiving.AwaitBlocked()

		s.Client.Closed(d.Client)
		s.Client.Sent(another, ping)

		Expect(receiving.Result()).To(HaveReturned(len(ping)), "recv returns for a datagram, and not for the close before it")
		Expect(s.Wire()).To(HaveDatagrams(ping))
	})
})
