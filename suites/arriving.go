package suites

import (
	"bytes"
	"fmt"

	"github.com/onsi/gomega/types"
)

// BeTheBytes holds of received bytes that are those that were sent, each once and in order.
func BeTheBytes(sent []byte) types.GomegaMatcher { return arriving{sent} }

type arriving struct{ sent []byte }

func (m arriving) Match(actual any) (bool, error) {
	got, ok := actual.([]byte)
	if !ok {
		return false, fmt.Errorf("received bytes are needed, not %T", actual)
	}
	return bytes.Equal(got, m.sent), nil
}

func (m arriving) FailureMessage(actual any) string {
	got := actual.([]byte)
	at := 0
	for at < len(got) && at < len(m.sent) && got[at] == m.sent[at] {
		at++
	}
	return fmt.Sprintf("what arrives is not what was sent: %d bytes of %d arrived, and from byte %d on\n    received: %q\n    sent:     %q",
		len(got), len(m.sent), at, glimpse(got, at), glimpse(m.sent, at))
}

func (m arriving) NegatedFailureMessage(any) string {
	return fmt.Sprintf("what arrives should not be what was sent: %q", glimpse(m.sent, 0))
}

// glimpse is a few bytes from that place on.
func glimpse(data []byte, at int) []byte {
	const most = 24
	return data[at:min(len(data), at+most)]
}
