package wire

import (
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Packet is an IP packet as selectors see it. It is valid only during the call that it was handed to.
type Packet struct {
	From     string // the end that sent it
	Version  int    // 4 or 6
	Protocol layers.IPProtocol
	Src, Dst netip.AddrPort // with port 0 where the protocol has none
	Flags    Flags          // of TCP
	Seq, Ack uint32         // of TCP, as on the wire
	Window   uint16         // of TCP, as on the wire
	Payload  []byte         // of TCP or UDP

	// Offset is the place of the first byte of payload in the stream, from 0; -1 where the connection's SYN
	// was not seen.
	Offset int64
	// Repeats says that the segment has a SYN, a FIN or data and nothing in it that was not sent before.
	Repeats bool

	noise     bool
	scale     int // window scale that applies to Window
	transport int // where the transport's header begins, in bytes from the start
	payload   int // where the payload begins
}

// IsTCP says whether it is a whole TCP segment.
func (p *Packet) IsTCP() bool { return p.Protocol == layers.IPProtocolTCP && p.payload > 0 }

// IsUDP says whether it is a whole UDP datagram.
func (p *Packet) IsUDP() bool { return p.Protocol == layers.IPProtocolUDP && p.payload > 0 }

// String is the packet in a few words: "client: SYN seq 0", "server: 1460 bytes from 0".
func (p *Packet) String() string {
	switch {
	case p.IsTCP() && len(p.Payload) > 0 && p.Offset >= 0:
		return fmt.Sprintf("%s: %s, %d bytes from %d", p.From, p.Flags, len(p.Payload), p.Offset)
	case p.IsTCP():
		return fmt.Sprintf("%s: %s, %d bytes", p.From, p.Flags, len(p.Payload))
	case p.IsUDP():
		return fmt.Sprintf("%s: datagram of %d bytes", p.From, len(p.Payload))
	}
	return fmt.Sprintf("%s: %s", p.From, p.Protocol)
}

// decoder reads packets one after another, without allocating, and follows the connections they belong to.
type decoder struct {
	parser4, parser6 *gopacket.DecodingLayerParser
	found            []gopacket.LayerType
	ip4              layers.IPv4
	ip6              layers.IPv6
	tcp              layers.TCP
	udp              layers.UDP

	packet Packet
	flows  flows
	// known are the addresses between which packets are carried; none stands for all.
	known []netip.Addr
}

func newDecoder() *decoder {
	d := &decoder{flows: newFlows()}
	d.parser4 = gopacket.NewDecodingLayerParser(layers.LayerTypeIPv4, &d.ip4, &d.tcp, &d.udp)
	d.parser6 = gopacket.NewDecodingLayerParser(layers.LayerTypeIPv6, &d.ip6, &d.tcp, &d.udp)
	d.parser4.IgnoreUnsupported = true
	d.parser6.IgnoreUnsupported = true
	return d
}

// decode reads the next packet of that end. What it yields is overwritten by the next call.
func (d *decoder) decode(from string, raw []byte) *Packet {
	p := d.read(from, raw)
	if p.IsTCP() {
		d.flows.follow(p, &d.tcp)
	}
	return p
}

// read reads a packet without following its connection. Packets that make no sense have no protocol.
func (d *decoder) read(from string, raw []byte) *Packet {
	d.packet = Packet{From: from, Offset: -1}
	p := &d.packet
	if len(raw) == 0 {
		p.noise = true
		return p
	}
	parser := d.parser4
	if raw[0]>>4 == 6 {
		parser = d.parser6
	}
	// An error means that there is a layer that cannot be read; those before it are in found.
	_ = parser.DecodeLayers(raw, &d.found)
	var src, dst netip.Addr
	for _, layer := range d.found {
		switch layer {
		case layers.LayerTypeIPv4:
			p.Version, p.Protocol, p.transport = 4, d.ip4.Protocol, int(d.ip4.IHL)*4
			src, _ = netip.AddrFromSlice(d.ip4.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip4.DstIP)
		case layers.LayerTypeIPv6:
			p.Version, p.Protocol, p.transport = 6, d.ip6.NextHeader, ipv6Header
			src, _ = netip.AddrFromSlice(d.ip6.SrcIP)
			dst, _ = netip.AddrFromSlice(d.ip6.DstIP)
		case layers.LayerTypeTCP:
			p.Flags, p.Seq, p.Ack, p.Window = flagsOf(&d.tcp), d.tcp.Seq, d.tcp.Ack, d.tcp.Window
			p.payload = p.transport + int(d.tcp.DataOffset)*4
			p.Payload = d.tcp.Payload
		case layers.LayerTypeUDP:
			p.payload = p.transport + udpHeader
			p.Payload = d.udp.Payload
		}
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	switch {
	case p.IsTCP():
		p.Src, p.Dst = netip.AddrPortFrom(src, uint16(d.tcp.SrcPort)), netip.AddrPortFrom(dst, uint16(d.tcp.DstPort))
	case p.IsUDP():
		p.Src, p.Dst = netip.AddrPortFrom(src, uint16(d.udp.SrcPort)), netip.AddrPortFrom(dst, uint16(d.udp.DstPort))
	}
	p.noise = !d.between(src) || !d.between(dst)
	return p
}

const (
	ipv6Header = 40
	udpHeader  = 8
)

// between says whether an address is of one of the hosts. What is not from one to the other (multicast
// memberships, router solicitations, link-local chatter) is no part of what is played: it is not carried.
func (d *decoder) between(a netip.Addr) bool {
	if len(d.known) == 0 {
		return true
	}
	for _, k := range d.known {
		if a == k {
			return true
		}
	}
	return false
}
