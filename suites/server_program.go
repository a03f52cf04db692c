package suites

import (
	. "github.com/onsi/ginkgo/v2"

	"tcpwitness/harness/evidence"
)

// The rules about a server as a black box. Scenes are played once, by the stage, and judged by every rule
// that they bear on; the checks stand in package rules.
var _ = Describe("server", Label("program"), Ordered, ContinueOnFailure, func() {
	judged(evidence.Server, "server")
})
