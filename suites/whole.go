package suites

import (
	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"

	"tcpwitness/harness/stage"
)

// BeWhole holds of an exchange in which both messages arrived as they were sent.
func BeWhole() types.GomegaMatcher {
	return gcustom.MakeMatcher(func(x stage.Exchanged) (bool, error) { return x.Whole(), nil }).WithTemplate(
		"Expected both messages to arrive.\nThe server received {{printf \"%q\" .Actual.ToServer}} of {{printf \"%q\" .Actual.ToServerMeant}},\n" +
			"the client received {{printf \"%q\" .Actual.FromServer}} of {{printf \"%q\" .Actual.ToClientMeant}}")
}
