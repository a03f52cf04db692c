package match

import (
	"bytes"
	"fmt"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
)

// BeSilent holds of a wire on which nothing has been sent.
func BeSilent() types.GomegaMatcher {
	return ofWire("be silent", func(a *conversation.Analysis) mismatch {
		if n := len(a.TCP) + len(a.UDP) + len(a.ICMP); n > 0 {
			return "there are packets on it"
		}
		return ""
	})
}

// HaveDatagrams holds of a wire that shows exactly datagrams with these contents, in this order, and
// nothing else.
func HaveDatagrams(contents ...[]byte) types.GomegaMatcher {
	return ofWire(fmt.Sprintf("show exactly the datagrams %q", contents), func(a *conversation.Analysis) mismatch {
		if len(a.TCP)+len(a.ICMP) > 0 {
			return "there are other packets on it"
		}
		if len(a.UDP) != len(contents) {
			return but("there are %d datagrams", len(a.UDP))
		}
		for i, d := range a.UDP {
			if !bytes.Equal(d.Payload, contents[i]) {
				return but("frame %d carries %q", d.Frame, d.Payload)
			}
		}
		return ""
	})
}
