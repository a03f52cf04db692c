package stage

import (
	"encoding/binary"

	"tcpwitness/harness/evidence"
)

// rounds is how often a settling goes around: once for a segment, once for the answer to it, once for the
// answer to that, and one more.
const rounds = 4

// Settle waits until the loopback has carried everything that was sent before, and what was answered at
// once. It does so by sending a datagram of its own from each processor: a loopback queues packets by
// processor, first in, first out, so what arrives last proves the rest. Timers of the kernel, such as that
// of a delayed acknowledgement, are not waited for. A wire is told to carry all that it has.
func (s *Stage) Settle() {
	if s.cable != nil {
		s.settleWire()
		return
	}
	if s.settler == nil {
		settler, err := openSettler(s)
		if err != nil {
			s.fault("open the sockets that settle the loopback: %v", err)
		}
		s.settler = settler
		s.cleanup = append(s.cleanup, settler.close)
	}
	for range rounds {
		if err := s.settler.round(s.ctx); err != nil {
			s.fault("settle the loopback: %v", err)
		}
	}
	if _, err := s.capture.Sync(s.ctx); err != nil {
		s.fault("%v", err)
	}
}

// without leaves out the settler's own datagrams and numbers the rest anew.
func (t *settler) without(packets []evidence.Packet) []evidence.Packet {
	if t == nil {
		return packets
	}
	kept := make([]evidence.Packet, 0, len(packets))
	for _, p := range packets {
		if !t.owns(p) {
			p.N = len(kept) + 1
			kept = append(kept, p)
		}
	}
	return kept
}

const (
	ethernetHeader = 14
	ipv4Header     = 20
	udpHeader      = 8
	protocolUDP    = 17
	marking        = 1 // byte of data
)

// owns says whether a frame is one of the settler's: IPv4 without options, between two ports that nobody
// else has.
func (t *settler) owns(p evidence.Packet) bool {
	const size = ethernetHeader + ipv4Header + udpHeader + marking
	if len(p.Data) != size || binary.BigEndian.Uint16(p.Data[12:]) != 0x0800 {
		return false
	}
	ip := p.Data[ethernetHeader:]
	if ip[0] != 0x45 || ip[9] != protocolUDP || [4]byte(ip[12:16]) != t.address || [4]byte(ip[16:20]) != t.address {
		return false
	}
	udp := ip[ipv4Header:]
	return binary.BigEndian.Uint16(udp) == t.from && binary.BigEndian.Uint16(udp[2:]) == t.to
}
