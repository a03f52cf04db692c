package wire

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// Places in a TCP header, in bytes from its start (RFC 9293 §3.1), and in a UDP header (RFC 768).
const (
	tcpWindow   = 14
	tcpChecksum = 16
	tcpHeader   = 20
	udpChecksum = 6
)

func setWindow(p *Packet, data []byte, window uint16) {
	binary.BigEndian.PutUint16(data[p.transport+tcpWindow:], window)
}

// repairChecksum makes the TCP or UDP checksum of an IP packet right. data has the headers that p was read from.
func repairChecksum(p *Packet, data []byte) {
	segment := data[p.transport:]
	var at int
	switch {
	case p.IsTCP():
		at = tcpChecksum
	case p.IsUDP():
		at = udpChecksum
	default:
		return
	}
	binary.BigEndian.PutUint16(segment[at:], 0)
	sum := checksum(p, data)
	if p.Protocol == layers.IPProtocolUDP && sum == 0 {
		sum = 0xffff // 0 would mean that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(segment[at:], sum)
}

// checksum is the Internet checksum over the pseudo header and the segment (RFC 9293 §3.1, RFC 8200 §8.1).
// Over a segment whose checksum is filled in right it is 0.
func checksum(p *Packet, data []byte) uint16 {
	segment := data[p.transport:]
	addresses := data[12:20]
	if p.Version == 6 {
		addresses = data[8:40]
	}
	sum := uint64(p.Protocol) + uint64(len(segment)) + words(addresses) + words(segment)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// words is the sum of 16-bit words, an odd last byte being a high one.
func words(b []byte) uint64 {
	var sum uint64
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}
