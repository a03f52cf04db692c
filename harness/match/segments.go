package match

import (
	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
)

// defaultMSS is what is assumed of a peer whose SYN has no MSS option (RFC 9293 §3.7.1).
const defaultMSS = 536

// HaveContinuousSequenceNumbers holds where each segment of an end begins where the one before it ended,
// SYN and FIN counting one each (RFC 9293 §3.4). Segments that were sent again do not count.
func HaveContinuousSequenceNumbers() types.GomegaMatcher {
	return ofConversation("have sequence numbers that continue where the last segment ended", func(c *conversation.Conversation) mismatch {
		for _, end := range bothEnds {
			next := int64(0)
			for _, s := range c.Sent(end).Segments() {
				if s.RetransmissionOf != 0 || s.Flags.Has(conversation.RST) {
					continue
				}
				if s.RelSeq != next {
					return but("frame %d has sequence number %d, and %d comes next", s.Frame, s.RelSeq, next)
				}
				next = s.End()
			}
		}
		return ""
	})
}

// AcknowledgeEverything holds where each end has acknowledged all that the other sent, and no
// acknowledgement number went back or beyond what had been sent.
func AcknowledgeEverything() types.GomegaMatcher {
	return ofConversation("have every byte acknowledged, with numbers that never go back", func(c *conversation.Conversation) mismatch {
		for _, end := range bothEnds {
			sent, last := int64(0), int64(0)
			for _, s := range c.Segments {
				switch {
				case s.From == end:
					sent = max(sent, s.End())
				case !s.Flags.Has(conversation.ACK):
				case s.RelAck < last:
					return but("frame %d acknowledges %d after %d", s.Frame, s.RelAck, last)
				case s.RelAck > sent:
					return but("frame %d acknowledges %d, and only %d were sent", s.Frame, s.RelAck, sent)
				default:
					last = s.RelAck
				}
			}
			if last < sent {
				return but("the %s sent up to %d, and only %d is acknowledged", end, sent, last)
			}
		}
		return ""
	})
}

// HaveValidChecksums holds where the checksum of every segment is right (RFC 9293 §3.1).
func HaveValidChecksums() types.GomegaMatcher {
	return ofConversation("have a right checksum in every segment", func(c *conversation.Conversation) mismatch {
		for _, s := range c.Segments {
			if s.Checksum != conversation.ChecksumGood {
				return but("the checksum of frame %d is %s", s.Frame, s.Checksum)
			}
		}
		return ""
	})
}

// RespectMSS holds where no segment carries more than the MSS that the other end's SYN announced
// (RFC 9293 §3.7.1).
func RespectMSS() types.GomegaMatcher {
	return ofConversation("have no segment longer than the other end's MSS", func(c *conversation.Conversation) mismatch {
		data := 0
		for _, end := range bothEnds {
			limit := defaultMSS
			if syn := c.Sent(conversation.Other(end)).SYN; syn != nil && syn.Options.MSS != 0 {
				limit = syn.Options.MSS
			}
			for _, s := range c.Sent(end).Data() {
				data++
				if s.Length > limit {
					return but("frame %d carries %d bytes, and the MSS is %d", s.Frame, s.Length, limit)
				}
			}
		}
		if data == 0 {
			return "there is no data at all"
		}
		return ""
	})
}
