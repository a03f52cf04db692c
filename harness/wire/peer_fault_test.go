package wire

import (
	"testing"

	. "github.com/onsi/gomega"

	"tcpwitness/harness/evidence"
)

// TestFaultsOfAPeer has the SYN|ACK of the host changed on its way to the peer, and a SYN of the peer lost.
func TestFaultsOfAPeer(t *testing.T) {
	g, peer, _ := accepting(t, false, Options{Faults: []Fault{
		Lose(First(SYN, From(Client))),
		Rewrite("the flags", func(packet []byte, transport int) { packet[transport+13] = byte(FIN | ACK) }, SYN|ACK),
	}})
	peer.Send(SYN)
	g.Expect(peer).To(ReceiveNothing())
	peer.Send(SYN, Seq(0))
	g.Expect(peer).To(ReceiveSegment(FIN|ACK, Ack(1)))
	g.Expect(peer.Problems()).To(BeEmpty())
	var fates []evidence.Fate
	for _, p := range peer.Packets() {
		fates = append(fates, p.Fate)
	}
	g.Expect(fates).To(ContainElements(evidence.Lost, evidence.Rewritten))
}

func TestFaultOfAPeerThatNeverMatched(t *testing.T) {
	_, peer, _ := accepting(t, false, Options{Faults: []Fault{Lose(RST)}})
	NewWithT(t).Expect(peer.Problems()).To(ConsistOf(ContainSubstring("never matched")))
}

func TestAPeerHoldsNothingBack(t *testing.T) {
	_, err := NewPeer(bound(t), PeerOptions{Options: Options{Faults: []Fault{Hold(SYN)}}})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("cannot have the fault")))
}
