package match

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// CarryBytes holds where an end sent exactly this data, in however many segments. It is an error where the
// capture did not keep all bytes.
func CarryBytes(end string, data []byte) types.GomegaMatcher {
	kept := func(d dialog) error {
		if d.Sent(end).Cut() {
			return fmt.Errorf("the capture did not keep all that the %s sent", end)
		}
		return nil
	}
	ask := func(d dialog) mismatch {
		got := d.Stream(end)
		if bytes.Equal(got, data) {
			return ""
		}
		return but("it carries %s%s", quoted(got), difference(got, data))
	}
	return &matcher[dialog]{expected: fmt.Sprintf("carry %s from the %s", quoted(data), end), take: conversationOf, observed: kept, ask: ask}
}

func quoted(data []byte) string {
	if len(data) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes %s", len(data), evidence.Bytes(data).Quoted(60, len(data)))
}

// difference says where two streams part.
func difference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("; they differ from byte %d on", i+1)
		}
	}
	if len(got) < len(want) {
		return fmt.Sprintf("; what is missing are the last %d", len(want)-len(got))
	}
	return fmt.Sprintf("; the last %d are too many", len(got)-len(want))
}

// ReachState holds where an end was seen in a state of RFC 9293 §3.3.2.
func ReachState(end string, state conversation.State) types.GomegaMatcher {
	return ofConversation(fmt.Sprintf("bring the %s into %s", end, state), func(c *conversation.Conversation) mismatch {
		if slices.Contains(c.States(end), state) {
			return ""
		}
		var path []string
		for _, s := range c.States(end) {
			path = append(path, s.String())
		}
		return but("its path was %s", strings.Join(path, " → "))
	})
}

// CloseSimultaneously holds where each end sent its FIN before it had the other's, and both were
// acknowledged (RFC 9293 §3.6).
func CloseSimultaneously() types.GomegaMatcher {
	return ofConversation("be closed by both ends at once", func(c *conversation.Conversation) mismatch {
		switch closing := c.Close(); {
		case closing.Kind != conversation.SimultaneousClose:
			return but("it is a case of: %s", closing.Kind)
		case !closing.Complete():
			return "a FIN was not acknowledged"
		}
		return ""
	})
}
