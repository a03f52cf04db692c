package match

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
)

// What is assumed of a peer whose SYN has no MSS option, over IPv4 and IPv6 (RFC 9293 §3.7.1).
const (
	defaultMSS  = 536
	defaultMSS6 = 1220
)

// HaveContinuousSequenceNumbers holds where each segment of an end begins where the one before it ended,
// SYN and FIN counting one each (RFC 9293 §3.4). Segments that were sent again do not count, nor do
// keep-alives and probes, which step back on purpose; bytes that are sent again must be the same.
func HaveContinuousSequenceNumbers() types.GomegaMatcher {
	return ofOpening("have sequence numbers that continue where the last segment ended", func(c *conversation.Conversation) mismatch {
		for _, end := range bothEnds {
			next := int64(0)
			for _, s := range c.Sent(end).Segments() {
				switch {
				case s.Conflict:
					return but("frame %d sends other bytes than before", s.Frame)
				case s.RetransmissionOf != 0 && s.RelSeq <= next:
					next = max(next, s.End())
					continue
				case s.Flags.Has(conversation.RST), s.Is(conversation.KeepAlive), s.Is(conversation.ZeroWindowProbe):
					continue
				case s.RelSeq != next:
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

// HaveValidChecksums holds where the checksum of every segment and of its IP header is right (RFC 9293
// §3.1). Where one cannot be told and none is wrong, it is an error: the capture cut a packet, or took it
// before its checksum was there.
func HaveValidChecksums() types.GomegaMatcher {
	wrong := func(d dialog) mismatch {
		for _, s := range d.Segments {
			switch {
			case s.Checksum == conversation.ChecksumBad:
				return but("the checksum of frame %d is wrong", s.Frame)
			case s.IPChecksum == conversation.ChecksumBad:
				return but("the IP checksum of frame %d is wrong", s.Frame)
			}
		}
		return ""
	}
	told := func(d dialog) error {
		for _, s := range d.Segments {
			if s.Checksum != conversation.ChecksumGood && wrong(d) == "" {
				return fmt.Errorf("the checksum of frame %d is %s", s.Frame, s.Checksum)
			}
		}
		return nil
	}
	return &matcher[dialog]{expected: "have a right checksum in every segment", take: conversationOf, observed: told, ask: wrong}
}

// RespectMSS holds where no segment carries more than the MSS that the other end's SYN announced
// (RFC 9293 §3.7.1).
func RespectMSS() types.GomegaMatcher {
	return ofOpening("have no segment longer than the other end's MSS", func(c *conversation.Conversation) mismatch {
		data := 0
		for _, end := range bothEnds {
			limit := c.Sent(conversation.Other(end)).SYN.Options.MSS
			switch {
			case limit != 0:
			case c.Client.Addr().Is4():
				limit = defaultMSS
			default:
				limit = defaultMSS6
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

// RespectWindow holds where an end sent no data beyond every window that the other end had given by then
// (RFC 9293 §3.8.6): a window that was taken back does not count against it. A probe of a closed window may carry one byte. It is meant for the side of the wire
// where the end is, or a loopback.
func RespectWindow(end string) types.GomegaMatcher {
	return ofOpening(fmt.Sprintf("keep what the %s sends within the window", end), func(c *conversation.Conversation) mismatch {
		data := 0
		for _, s := range c.Sent(end).Data() {
			data++
			switch {
			case s.Is(conversation.ZeroWindowProbe):
			case s.OutsideWindow:
				return but("frame %d begins beyond the window", s.Frame)
			case s.BeyondWindow > 0:
				return but("frame %d goes %d bytes beyond the window", s.Frame, s.BeyondWindow)
			}
		}
		if data == 0 {
			return "there is no data at all"
		}
		return ""
	})
}

// HaveRetransmissionBy holds where an end sent something a second time: data, its SYN or its FIN.
func HaveRetransmissionBy(end string) types.GomegaMatcher {
	return ofConversation("show a retransmission by the "+end, func(c *conversation.Conversation) mismatch {
		if len(c.Sent(end).Retransmissions()) == 0 {
			return "there is none"
		}
		return ""
	})
}
