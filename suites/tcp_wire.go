package suites

import (
	"slices"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"tcpwitness/harness/conversation"
	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
	. "tcpwitness/harness/wire"
)

// soon is the least time after which a host sends again, where a spec waits for that.
const soon = 20 * time.Millisecond

// severalSegments is more bytes than fit into a few segments on a wire with an MTU of 1500.
const severalSegments = 10_000

// The rules about what TCP makes of a wire that loses, damages, doubles and mixes up what it carries.
var _ = Describe("tcp on a wire", Label("wire"), func() {
	ruleOnWire("tcp.retransmits-lost", Options{Faults: []Fault{Lose(FirstData(Client))}, RTOMin: soon}, func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Send(c.Client, ping)).To(HaveReturned(len(ping)))

		received := s.Server.Recv(c.Accepted, len(ping), syscall.MSG_WAITALL)
		Expect(received).To(HaveReturned(len(ping)))
		Expect(received.Data).To(BeTheBytes(ping))
		Expect(s.SeenBy(client)).To(HaveRetransmissionBy(client))
	})

	ruleOnWire("tcp.retransmits-corrupted", Options{Faults: []Fault{Corrupt(FirstData(Client))}, RTOMin: soon}, func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Send(c.Client, ping)).To(HaveReturned(len(ping)))

		received := s.Server.Recv(c.Accepted, len(ping), syscall.MSG_WAITALL)
		Expect(received).To(HaveReturned(len(ping)))
		Expect(received.Data).To(BeTheBytes(ping))
		Expect(s.SeenBy(client)).To(HaveRetransmissionBy(client))
	})

	ruleOnWire("tcp.lost-syn-retried", Options{Faults: []Fault{Lose(First(SYN))}}, func(s *stage.Stage) {
		listener := s.Server.Listening()

		Expect(s.Client.Connect(s.Client.Stream(), s.ServerAddress())).To(HaveReturned(0))

		Expect(s.Server.Accept(listener)).To(BeFresh())
		Expect(s.SeenBy(client)).To(HaveRetransmissionBy(client))
		Expect(s.SeenBy(server)).To(HaveHandshake())
	})

	ruleOnWire("tcp.lost-fin-retried", Options{Faults: []Fault{Lose(First(FIN, From(Client)))}, RTOMin: soon}, func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Close(c.Client)).To(HaveReturned(0))

		Expect(s.Server.Recv(c.Accepted, room)).To(HaveReturned(0))
		Expect(s.Server.Close(c.Accepted)).To(HaveReturned(0))
		Expect(s.SeenBy(client)).To(HaveRetransmissionBy(client))
		Expect(s.SeenBy(client)).To(CloseInFourSteps())
	})

	ruleOnWire("tcp.reorders", Options{Faults: []Fault{Reorder(FirstData(Client))}}, func(s *stage.Stage) {
		c := s.Connection()
		long := pattern(severalSegments)

		s.Client.Sent(c.Client, long)

		received := s.Server.Recv(c.Accepted, len(long), syscall.MSG_WAITALL)
		Expect(received).To(HaveReturned(len(long)))
		Expect(received.Data).To(BeTheBytes(long))
	})

	ruleOnWire("tcp.discards-duplicates", Options{Faults: []Fault{Duplicate(FirstData(Client))}}, func(s *stage.Stage) {
		c := s.Connection()

		s.Client.Sent(c.Client, ping)
		s.Client.Sent(c.Client, pong)
		s.Client.Closed(c.Client)

		Expect(s.Server.ReceivedAll(c.Accepted)).To(BeTheBytes(slices.Concat(ping, pong)))
		Expect(s.SeenBy(server)).To(HaveRetransmissionBy(client), "the copy that the wire made")
	})

	ruleOnWire("tcp.respects-window", Options{RTOMin: soon}, func(s *stage.Stage) {
		c := s.NarrowConnection()
		long := pattern(overflowing)

		sending := s.Client.Sending(c.Client, long)
		sending.AwaitBlocked()
		Expect(s.SeenBy(server)).To(RespectWindow(client))
		Expect(s.AwaitConversation(Show(probeOfClosedWindow))).To(Show(probeOfClosedWindow))
		received := s.Server.Recv(c.Accepted, len(long), syscall.MSG_WAITALL)

		Expect(sending.Result()).To(HaveReturned(len(long)))
		Expect(received.Data).To(BeTheBytes(long))
		Expect(s.SeenBy(server)).To(RespectWindow(client))
	})

	// The client's FIN is on its way until the server has sent its own.
	ruleOnWire("tcp.simultaneous-close", Options{Faults: []Fault{Hold(FIN, From(Client)).Until(FIN, From(Server))}}, func(s *stage.Stage) {
		c := s.Connection()

		Expect(s.Client.Close(c.Client)).To(HaveReturned(0))
		s.Settle()
		Expect(s.Server.Close(c.Accepted)).To(HaveReturned(0))

		Expect(s.SeenBy(client)).To(CloseSimultaneously())
		Expect(s.SeenBy(client)).To(ReachState(client, conversation.TimeWait))
		Expect(s.SeenBy(server)).To(ReachState(server, conversation.TimeWait))
	})

	ruleOnWire("tcp.checksum-valid", Options{}, func(s *stage.Stage) {
		s.WholeConversation()

		Expect(s.SeenBy(client)).To(HaveValidChecksums())
		Expect(s.SeenBy(server)).To(HaveValidChecksums())
	})
})

// probeOfClosedWindow asks whether the window has opened. A probe with no data looks like a keep-alive.
var probeOfClosedWindow = SegmentThat("a probe of the closed window by the client", func(s *conversation.Segment) bool {
	return s.From == client && (s.Is(conversation.KeepAlive) || s.Is(conversation.ZeroWindowProbe))
})
