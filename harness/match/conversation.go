package match

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

var bothEnds = []string{evidence.Client, evidence.Server}

// HaveHandshake holds of a conversation that begins with SYN, SYN-ACK and ACK (RFC 9293 §3.5).
func HaveHandshake() types.GomegaMatcher {
	return ofConversation("show the three-way handshake", func(c *conversation.Conversation) mismatch {
		h := c.Handshake
		switch {
		case h.SYN == nil:
			return "there is no SYN"
		case h.SYNACK == nil:
			return "there is no SYN-ACK"
		case h.ACK == nil:
			return "the SYN-ACK is not acknowledged"
		}
		return ""
	})
}

// HaveHandshakeBefore holds where all three segments of the handshake were on the wire before a moment.
func HaveHandshakeBefore(moment evidence.Time) types.GomegaMatcher {
	return ofConversation("show the whole handshake before the call returned", func(c *conversation.Conversation) mismatch {
		if !c.Handshake.Complete() {
			return "the handshake is not complete"
		}
		for _, s := range []*conversation.Segment{c.Handshake.SYN, c.Handshake.SYNACK, c.Handshake.ACK} {
			if s.Time > moment {
				return but("frame %d came %v after it", s.Frame, s.Time.Sub(moment))
			}
		}
		return ""
	})
}

// HaveHandshakeBeforeData holds where the first byte of data of either end follows the complete handshake.
// The handshake's last segment may carry data itself.
func HaveHandshakeBeforeData() types.GomegaMatcher {
	return ofConversation("show no byte of data before the handshake is complete", func(c *conversation.Conversation) mismatch {
		if !c.Handshake.Complete() {
			return "the handshake is not complete"
		}
		data := 0
		for _, s := range c.Segments {
			if s.Length == 0 {
				continue
			}
			data++
			if s.Frame < c.Handshake.ACK.Frame {
				return but("frame %d carries data before frame %d completes it", s.Frame, c.Handshake.ACK.Frame)
			}
		}
		if data == 0 {
			return "there is no data at all"
		}
		return ""
	})
}

// BeRefused holds of an attempt that was answered with RST|ACK: SYN, RST and nothing else.
func BeRefused() types.GomegaMatcher {
	return ofConversation("show SYN, and RST|ACK in answer", func(c *conversation.Conversation) mismatch {
		// A SYN, and with it the answer, may be there twice: its timer runs out on a machine that stood still.
		if wrong := shape(firstOfEach(c.Segments), "client SYN", "server RST|ACK"); wrong != "" {
			return wrong
		}
		if !c.Refused() {
			return "the RST does not acknowledge the SYN"
		}
		return ""
	})
}

// HaveSegmentsFrom holds where an end sent exactly segments with these flags, such as "PSH|ACK", in this
// order.
func HaveSegmentsFrom(end string, flags ...string) types.GomegaMatcher {
	var wanted []string
	for _, f := range flags {
		wanted = append(wanted, end+" "+f)
	}
	return ofConversation(fmt.Sprintf("show exactly %s from the %s", strings.Join(flags, ", "), end), func(c *conversation.Conversation) mismatch {
		return shape(c.Sent(end).Segments(), wanted...)
	})
}

func shape(segments []*conversation.Segment, wanted ...string) mismatch {
	var seen []string
	for _, s := range segments {
		seen = append(seen, s.From+" "+flagsOf(s))
	}
	if !slices.Equal(seen, wanted) {
		return but("there are: %s", strings.Join(seen, ", "))
	}
	return ""
}

// firstOfEach leaves out the segments that are like an earlier one of their end.
func firstOfEach(segments []*conversation.Segment) []*conversation.Segment {
	var firsts []*conversation.Segment
	for _, s := range segments {
		same := func(o *conversation.Segment) bool {
			return o.From == s.From && o.Flags == s.Flags && o.Seq == s.Seq && o.Length == s.Length
		}
		if !slices.ContainsFunc(firsts, same) {
			firsts = append(firsts, s)
		}
	}
	return firsts
}

// flagsOf names the flags that matter for the shape of a conversation, in one order.
func flagsOf(s *conversation.Segment) string {
	var names []string
	for _, one := range []struct {
		bit  conversation.Flags
		name string
	}{
		{conversation.SYN, "SYN"}, {conversation.FIN, "FIN"}, {conversation.RST, "RST"},
		{conversation.PSH, "PSH"}, {conversation.ACK, "ACK"},
	} {
		if s.Flags.Has(one.bit) {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, "|")
}

// BeginWithSYNFrom holds where the very first segment is a SYN from this address, and the server has sent
// nothing before it.
func BeginWithSYNFrom(client netip.AddrPort) types.GomegaMatcher {
	return ofConversation("begin with a SYN from the client, "+client.String(), func(c *conversation.Conversation) mismatch {
		if len(c.Segments) == 0 {
			return "it has no segment"
		}
		first := c.Segments[0]
		if first.Source != client || !first.Flags.Has(conversation.SYN) || first.Flags.Has(conversation.ACK) {
			return but("the first segment is %s from %s", flagsOf(first), first.Source)
		}
		return ""
	})
}

// HaveServerAddress holds where the client's SYN went to this address and port.
func HaveServerAddress(server netip.AddrPort) types.GomegaMatcher {
	return ofConversation("be with "+server.String(), func(c *conversation.Conversation) mismatch {
		if c.Server != server {
			return but("the SYN went to %s", c.Server)
		}
		return ""
	})
}

// HaveMoreDataSegmentsThan holds where an end sent more than so many segments with data.
func HaveMoreDataSegmentsThan(n int, end string) types.GomegaMatcher {
	return ofConversation(fmt.Sprintf("show more than %d segments with data from the %s", n, end), func(c *conversation.Conversation) mismatch {
		if seen := len(c.Sent(end).Data()); seen <= n {
			return but("there are %d", seen)
		}
		return ""
	})
}

// HaveFINFrom holds where an end sent a FIN and no RST.
func HaveFINFrom(end string) types.GomegaMatcher {
	return ofConversation("show a FIN from the "+end, func(c *conversation.Conversation) mismatch {
		switch {
		case c.Sent(end).FIN == nil:
			return "there is none"
		case len(c.Sent(end).RSTs) > 0:
			return but("the %s also sent RST", end)
		}
		return ""
	})
}

// HaveAcknowledgedFINOf holds where an end sent a FIN that the other end has acknowledged.
func HaveAcknowledgedFINOf(end string) types.GomegaMatcher {
	return ofConversation(fmt.Sprintf("show the FIN of the %s acknowledged", end), func(c *conversation.Conversation) mismatch {
		switch {
		case c.Sent(end).FIN == nil:
			return "there is no FIN"
		case c.Sent(end).FINAck == nil:
			return "it is not acknowledged"
		}
		return ""
	})
}

// HaveResetFrom holds where an end sent RST.
func HaveResetFrom(end string) types.GomegaMatcher {
	return ofConversation("show an RST from the "+end, func(c *conversation.Conversation) mismatch {
		if len(c.Sent(end).RSTs) == 0 {
			return "there is none"
		}
		return ""
	})
}

// CloseInFourSteps holds where each end sent its own FIN and the other one acknowledged it, without RST
// (RFC 9293 §3.6). An acknowledgement may travel with the other end's FIN.
func CloseInFourSteps() types.GomegaMatcher {
	return ofConversation("end with a FIN and its acknowledgement in each direction", func(c *conversation.Conversation) mismatch {
		for _, end := range bothEnds {
			switch d := c.Sent(end); {
			case d.FIN == nil:
				return but("the %s sent no FIN", end)
			case d.FINAck == nil:
				return but("the FIN of the %s is not acknowledged", end)
			case len(d.RSTs) > 0:
				return but("the %s sent RST", end)
			}
		}
		return ""
	})
}
