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
		if n := len(a.Frames()); n > 0 {
			return but("there are %d packets on it", n)
		}
		return ""
	})
}

// HaveDatagrams holds of a wire that shows exactly datagrams with these contents, in this order, and
// nothing else.
func HaveDatagrams(contents ...[]byte) types.GomegaMatcher {
	whole := func(v view) error {
		for _, d := range v.UDP {
			if len(d.Payload) < d.Length {
				return fmt.Errorf("the capture cut frame %d", d.Frame)
			}
		}
		return nil
	}
	return &matcher[view]{expected: fmt.Sprintf("show exactly the datagrams %q", contents), take: analysis, observed: whole, ask: func(a view) mismatch {
		if len(a.TCP)+len(a.ICMP)+len(a.Other) > 0 {
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
	}}
}
