package wire

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

// TestUsableAtOnce sends to a host right after it was set up. The kernel makes an IPv6 address usable behind
// the scenes: a host that is handed over before that would lose the first packets.
func TestUsableAtOnce(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for range 20 {
			g, ctx := NewWithT(t), bound(t)
			peer := newTestPeer(t, ctx, PeerOptions{Plays: Client})
			peer.Towards(netip.AddrPortFrom(addressOf(t, peer.Host(), v6), 9))
			peer.Send(SYN)
			g.Expect(peer).To(ReceiveSegment(RST | ACK))
		}
	})
}
