package conversation_test

import (
	"net/netip"
	"os"
	"testing"

	"tcpwitness/harness/evidence"
)

const (
	client = evidence.Client
	server = evidence.Server
)

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func address(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
