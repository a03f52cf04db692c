package stage

import (
	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// Wire is what the wire has shown so far: everything that was sent before this call, with all that the
// kernel answered at once.
func (s *Stage) Wire() *conversation.Analysis {
	s.needsCapture()
	s.Settle()
	return s.analyse()
}

// Conversation is the first TCP conversation that the wire has shown so far; where the wire has two sides,
// as the side of its first packet shows it.
func (s *Stage) Conversation() *conversation.Conversation {
	if all := s.Wire().TCP; len(all) > 0 {
		return all[0]
	}
	s.fault("the wire shows no TCP segment")
	return nil
}

// LastConversation is the last TCP conversation that began on the wire so far.
func (s *Stage) LastConversation() *conversation.Conversation {
	if all := s.Wire().TCP; len(all) > 0 {
		return all[len(all)-1]
	}
	s.fault("the wire shows no TCP segment")
	return nil
}

// AwaitConversation waits until the first conversation matches, or the deadline comes, and yields it. It
// is for what the kernel may send a little later, such as a delayed acknowledgement.
func (s *Stage) AwaitConversation(until types.GomegaMatcher) *conversation.Conversation {
	s.needsCapture()
	var last *conversation.Conversation
	s.awaitPackets(func(packets []evidence.Packet, interfaces []evidence.Interface) bool {
		all := s.analysed(s.seen(packets), interfaces).TCP
		if len(all) == 0 {
			return false
		}
		last = all[0]
		matched, err := until.Match(last)
		return matched || err != nil
	})
	if last == nil {
		s.timedOut("a TCP segment on the wire")
	}
	return last
}

// awaitPackets asks again as packets come, until the condition holds or the deadline comes.
func (s *Stage) awaitPackets(holds func([]evidence.Packet, []evidence.Interface) bool) {
	if s.cable != nil {
		s.awaitOnWire(holds)
		return
	}
	s.capture.Await(s.ctx, func(packets []evidence.Packet) bool {
		return holds(packets, []evidence.Interface{s.capture.Interface()})
	})
}

func (s *Stage) needsCapture() {
	if s.capture == nil && s.cable == nil {
		s.skip("the wire cannot be observed: " + s.theatre.Ability.WhyNotCapture)
	}
}

// analyse reads all packets so far.
func (s *Stage) analyse() *conversation.Analysis {
	if s.cable != nil {
		packets, interfaces := s.shown()
		return s.analysed(s.seen(packets), interfaces)
	}
	return s.analysed(s.seen(s.capture.Snapshot()), []evidence.Interface{s.capture.Interface()})
}

func (s *Stage) analysed(packets []evidence.Packet, interfaces []evidence.Interface) *conversation.Analysis {
	s.looked = s.looked[:0]
	for _, p := range packets {
		s.looked = append(s.looked, p.N)
	}
	return conversation.AnalysePackets(packets, interfaces)
}

// seen is what of a capture belongs to the scenario: all but the stage's own packets.
func (s *Stage) seen(packets []evidence.Packet) []evidence.Packet {
	packets = s.settler.without(packets)
	if s.theatre.Tamper != nil {
		packets = s.theatre.Tamper(packets)
	}
	return packets
}
