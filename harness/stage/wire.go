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
	return s.analyse(s.capture.Snapshot())
}

// Conversation is the first TCP conversation that the wire has shown so far.
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
	s.capture.Await(s.ctx, func(packets []evidence.Packet) bool {
		all := s.analyse(packets).TCP
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

func (s *Stage) needsCapture() {
	if s.capture == nil {
		s.skip("the wire cannot be observed: " + s.theatre.Ability.WhyNotCapture)
	}
}

func (s *Stage) analyse(packets []evidence.Packet) *conversation.Analysis {
	packets = s.seen(packets)
	s.looked = s.looked[:0]
	for _, p := range packets {
		s.looked = append(s.looked, p.N)
	}
	return conversation.AnalysePackets(packets, []evidence.Interface{s.capture.Interface()})
}

// seen is what of a capture belongs to the scenario: all but the stage's own packets.
func (s *Stage) seen(packets []evidence.Packet) []evidence.Packet {
	packets = s.settler.without(packets)
	if s.theatre.Tamper != nil {
		packets = s.theatre.Tamper(packets)
	}
	return packets
}
