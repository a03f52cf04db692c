package conversation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
)

// packet is the IP part of a frame.
type packet struct {
	version             int
	source, destination netip.Addr
	protocol            layers.IPProtocol
	ttl                 int
	checksum            Checksum // of the IP header
	payload             []byte   // as far as it was kept
	length              int      // of the payload, as the header says

	fragment bool // one of several
	more     bool // and not the last
	offset   int  // bytes
	id       uint32
}

// cut says whether the capture did not keep the whole payload.
func (p *packet) cut() bool { return len(p.payload) < p.length }

// errNotIP is for frames that are something else, such as ARP.
var errNotIP = errors.New("not IP")

// decodeFrame takes the link layer off and reads the IP header.
func decodeFrame(link evidence.LinkType, data []byte) (*packet, error) {
	switch link {
	case evidence.LinkRaw, linkIPv4, linkIPv6:
		return decodeIP(data)
	case evidence.LinkEthernet:
		return decodeEthernet(data)
	case linkNull, linkLoop:
		if len(data) < 4 {
			return nil, fmt.Errorf("frame of %d bytes is too short for its loopback header", len(data))
		}
		return decodeIP(data[4:])
	case linkCooked:
		if len(data) < 16 {
			return nil, fmt.Errorf("frame of %d bytes is too short for its Linux cooked header", len(data))
		}
		return decodeIP(data[16:])
	case linkCooked2:
		if len(data) < 20 {
			return nil, fmt.Errorf("frame of %d bytes is too short for its Linux cooked header", len(data))
		}
		return decodeIP(data[20:])
	}
	return nil, fmt.Errorf("link type %d is not known here", link)
}

// Further link types that captures of others can have (the registry of link types at tcpdump.org).
const (
	linkNull    evidence.LinkType = 0
	linkLoop    evidence.LinkType = 108
	linkCooked  evidence.LinkType = 113
	linkIPv4    evidence.LinkType = 228
	linkIPv6    evidence.LinkType = 229
	linkCooked2 evidence.LinkType = 276
)

func decodeEthernet(data []byte) (*packet, error) {
	if len(data) < 14 {
		return nil, fmt.Errorf("frame of %d bytes is too short for Ethernet", len(data))
	}
	kind, rest := layers.EthernetType(binary.BigEndian.Uint16(data[12:])), data[14:]
	for kind == layers.EthernetTypeDot1Q && len(rest) >= 4 {
		kind, rest = layers.EthernetType(binary.BigEndian.Uint16(rest[2:])), rest[4:]
	}
	switch kind {
	case layers.EthernetTypeIPv4, layers.EthernetTypeIPv6:
		return decodeIP(rest)
	case layers.EthernetTypeARP:
		return nil, fmt.Errorf("ARP: %w", errNotIP)
	}
	return nil, fmt.Errorf("EtherType %#04x: %w", uint16(kind), errNotIP)
}

func decodeIP(data []byte) (*packet, error) {
	if len(data) == 0 {
		return nil, errors.New("no IP header")
	}
	switch data[0] >> 4 {
	case 4:
		return decodeIPv4(data)
	case 6:
		return decodeIPv6(data)
	}
	return nil, fmt.Errorf("IP version %d", data[0]>>4)
}

func decodeIPv4(data []byte) (*packet, error) {
	var ip layers.IPv4
	if err := ip.DecodeFromBytes(data, gopacket.NilDecodeFeedback); err != nil && len(ip.Contents) < 20 || int(ip.IHL)*4 > len(data) {
		return nil, fmt.Errorf("IPv4 header: %w", err)
	} else if err != nil && (ip.IHL < 5 || int(ip.Length) < int(ip.IHL)*4) {
		return nil, fmt.Errorf("IPv4 header: %w", err)
	}
	header := int(ip.IHL) * 4
	total := int(ip.Length)
	p := &packet{
		version: 4, protocol: ip.Protocol, ttl: int(ip.TTL), checksum: ChecksumBad,
		payload: data[header:min(len(data), total)], length: total - header,
		more: ip.Flags&layers.IPv4MoreFragments != 0, offset: int(ip.FragOffset) * 8, id: uint32(ip.Id),
	}
	p.source, _ = netip.AddrFromSlice(data[12:16])
	p.destination, _ = netip.AddrFromSlice(data[16:20])
	p.fragment = p.more || p.offset != 0
	if fold(sum(0, data[:header])) == 0xffff {
		p.checksum = ChecksumGood
	}
	return p, nil
}

// decodeIPv6 walks over the extension headers itself: gopacket takes only the first of them off.
func decodeIPv6(data []byte) (*packet, error) {
	if len(data) < 40 {
		return nil, fmt.Errorf("IPv6 header: %d bytes are too few", len(data))
	}
	length := int(binary.BigEndian.Uint16(data[4:]))
	p := &packet{
		version: 6, protocol: layers.IPProtocol(data[6]), ttl: int(data[7]), checksum: ChecksumNone,
		payload: data[40:min(len(data), 40+length)], length: length,
	}
	p.source, _ = netip.AddrFromSlice(data[8:24])
	p.destination, _ = netip.AddrFromSlice(data[24:40])
	for {
		size := 0
		switch p.protocol {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
			if len(p.payload) >= 8 {
				size = int(p.payload[1])*8 + 8
			}
		case layers.IPProtocolIPv6Fragment:
			if len(p.payload) >= 8 {
				size = 8
				bits := binary.BigEndian.Uint16(p.payload[2:])
				p.more, p.offset, p.id = bits&1 != 0, int(bits&^7), binary.BigEndian.Uint32(p.payload[4:])
				p.fragment = p.more || p.offset != 0
			}
		default:
			return p, nil
		}
		if size == 0 || size > len(p.payload) {
			return nil, fmt.Errorf("IPv6 extension header %d is cut short", p.protocol)
		}
		p.protocol, p.payload, p.length = layers.IPProtocol(p.payload[0]), p.payload[size:], p.length-size
		if p.offset != 0 { // what follows is the middle of a packet, no header
			return p, nil
		}
	}
}

// transportChecksum checks the checksum of a TCP or UDP packet, which stands at an offset in its header,
// over the pseudo header (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1).
func (p *packet) transportChecksum(at int) Checksum {
	if p.cut() || p.fragment {
		return ChecksumUnknown
	}
	source, destination := p.source.AsSlice(), p.destination.AsSlice()
	total := sum(sum(0, source), destination) + uint64(p.protocol) + uint64(p.length)
	switch {
	case fold(sum(total, p.payload)) == 0xffff:
		return ChecksumGood
	case len(p.payload) >= at+2 && binary.BigEndian.Uint16(p.payload[at:]) == fold(total):
		return ChecksumPartial
	}
	return ChecksumBad
}

// sum adds data to a checksum as 16-bit words (RFC 1071).
func sum(total uint64, data []byte) uint64 {
	for ; len(data) >= 2; data = data[2:] {
		total += uint64(data[0])<<8 | uint64(data[1])
	}
	if len(data) == 1 {
		total += uint64(data[0]) << 8
	}
	return total
}

func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// decodeTCP reads a TCP header and its options.
func decodeTCP(p *packet) (*Segment, error) {
	var tcp layers.TCP
	err := tcp.DecodeFromBytes(p.payload, gopacket.NilDecodeFeedback)
	header := int(tcp.DataOffset) * 4
	if len(p.payload) < 20 || tcp.DataOffset < 5 || header > p.length {
		return nil, fmt.Errorf("TCP header: %w", errOr(err, "it is longer than its packet"))
	}
	s := &Segment{
		Source:      netip.AddrPortFrom(p.source, uint16(tcp.SrcPort)),
		Destination: netip.AddrPortFrom(p.destination, uint16(tcp.DstPort)),
		Flags:       Flags(p.payload[13]) | Flags(p.payload[12]&1)<<8,
		Seq:         tcp.Seq, Ack: tcp.Ack, Window: int(tcp.Window), Urgent: int(tcp.Urgent),
		Length: p.length - header, Checksum: p.transportChecksum(16), IPChecksum: p.checksum, TTL: p.ttl,
		Options: options(tcp.Options),
	}
	if header <= len(p.payload) {
		s.Payload = p.payload[header:]
	}
	if err != nil {
		s.Options.Malformed = err.Error()
	}
	return s, nil
}

func errOr(err error, why string) error {
	if err != nil {
		return err
	}
	return errors.New(why)
}

func options(list []layers.TCPOption) Options {
	o := Options{WindowScale: -1}
	for _, option := range list {
		data := option.OptionData
		switch {
		case option.OptionType == layers.TCPOptionKindMSS && len(data) == 2:
			o.MSS = int(binary.BigEndian.Uint16(data))
		case option.OptionType == layers.TCPOptionKindWindowScale && len(data) == 1:
			o.WindowScale = min(int(data[0]), 14) // RFC 7323 §2.3
		case option.OptionType == layers.TCPOptionKindSACKPermitted:
			o.SACKPermitted = true
		case option.OptionType == layers.TCPOptionKindTimestamps && len(data) == 8:
			o.Timestamps = true
			o.TSVal, o.TSEcr = binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		case option.OptionType == layers.TCPOptionKindSACK:
			for ; len(data) >= 8; data = data[8:] {
				o.SACK = append(o.SACK, SACK{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])})
			}
		}
	}
	return o
}
