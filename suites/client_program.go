package suites

import (
	. "github.com/onsi/ginkgo/v2"

	"tcpwitness/harness/evidence"
)

// The rules about a client as a black box.
var _ = Describe("client", Label("program"), Ordered, ContinueOnFailure, func() {
	judged(evidence.Client, "client")
})
