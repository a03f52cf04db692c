package match

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
)

// Thing names segments of a conversation, for [Show] and [ShowBefore].
type Thing struct {
	words string
	is    func(c *conversation.Conversation, s *conversation.Segment) bool
}

// SegmentThat names segments by a question of one's own; words complete "show …".
func SegmentThat(words string, is func(s *conversation.Segment) bool) Thing {
	return Thing{words, func(_ *conversation.Conversation, s *conversation.Segment) bool { return is(s) }}
}

// FlagFrom is a segment of the end with these flags, and perhaps others.
func FlagFrom(end string, flags conversation.Flags) Thing {
	return SegmentThat(fmt.Sprintf("%s from the %s", flags, end), func(s *conversation.Segment) bool {
		return s.From == end && s.Flags.Has(flags)
	})
}

// DataFrom is a segment of the end with data.
func DataFrom(end string) Thing {
	return SegmentThat("data from the "+end, func(s *conversation.Segment) bool { return s.From == end && s.Length > 0 })
}

// EndOfHandshake is the third segment of the handshake.
func EndOfHandshake() Thing {
	return Thing{"the end of the handshake", func(c *conversation.Conversation, s *conversation.Segment) bool { return s == c.Handshake.ACK }}
}

// Named are segments to which Wireshark gives that name.
func Named(name conversation.Name) Thing {
	return SegmentThat("a "+string(name), func(s *conversation.Segment) bool { return s.Is(name) })
}

func (t Thing) first(c *conversation.Conversation) *conversation.Segment {
	for _, s := range c.Segments {
		if t.is(c, s) {
			return s
		}
	}
	return nil
}

// Show holds where at least one segment is such a thing.
func Show(thing Thing) types.GomegaMatcher {
	return ofConversation("show "+thing.words, func(c *conversation.Conversation) mismatch {
		if thing.first(c) == nil {
			return "there is none"
		}
		return ""
	})
}

// ShowBefore holds where the first of one thing comes before the first of the other; both must be there.
func ShowBefore(first, second Thing) types.GomegaMatcher {
	return ofConversation(fmt.Sprintf("show %s before %s", first.words, second.words), func(c *conversation.Conversation) mismatch {
		a, b := first.first(c), second.first(c)
		switch {
		case a == nil:
			return but("%s is not there", first.words)
		case b == nil:
			return but("%s is not there", second.words)
		case a.Frame >= b.Frame:
			return but("frame %d comes before frame %d", b.Frame, a.Frame)
		}
		return ""
	})
}
