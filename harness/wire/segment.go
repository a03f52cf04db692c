package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
)

// Segment is a TCP segment that went between a scripted peer and its host.
type Segment struct {
	Frame    int           // its number in the record
	Time     evidence.Time // when it was read or written
	FromHost bool          // and otherwise from the peer

	Flags Flags
	// Seq and Ack are relative: 0 is the sender's SYN, or for Ack the receiver's. Where the SYN has not been
	// seen they are as on the wire.
	Seq, Ack uint32
	Window   uint16 // as on the wire, without regard to a window scale
	Payload  []byte

	MSS           uint16 // 0: no such option
	WindowScale   int    // -1: no such option
	SACKPermitted bool
	SACK          []Block    // selective acknowledgements, in relative sequence numbers
	Timestamps    *[2]uint32 // TSval and TSecr (RFC 7323 §3), nil for none
	BadChecksum   bool
	Repeats       bool // from the host: a SYN, a FIN or data, all of which it sent before
	// Drawn says that the host sent it while it dealt with a packet of the peer: at once, and not later by a
	// timer or for a program.
	Drawn bool

	src, dst netip.AddrPort
	options  []layers.TCPOption
}

// Block is a range of sequence numbers, the right edge not included (RFC 2018 §3).
type Block struct{ Left, Right uint32 }

// Len is what the segment takes of the sequence space: its payload, and one each for SYN and FIN.
func (s *Segment) Len() uint32 {
	n := uint32(len(s.Payload))
	for _, f := range []Flags{SYN, FIN} {
		if s.Flags.has(f) {
			n++
		}
	}
	return n
}

// isBareACK says whether it does nothing but acknowledge.
func (s *Segment) isBareACK() bool {
	return s.Flags&(SYN|FIN|RST|ACK) == ACK && len(s.Payload) == 0
}

// String is the segment on one line: `SYN|ACK seq 0 ack 1 win 65535 <mss 1460>`.
func (s Segment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s seq %d", s.Flags, s.Seq)
	if s.Flags.has(ACK) {
		fmt.Fprintf(&b, " ack %d", s.Ack)
	}
	fmt.Fprintf(&b, " win %d", s.Window)
	if n := len(s.Payload); n > 0 {
		fmt.Fprintf(&b, " len %d", n)
		const shown = 16
		if n <= shown {
			fmt.Fprintf(&b, " %q", s.Payload)
		} else {
			fmt.Fprintf(&b, " %q…", s.Payload[:shown])
		}
	}
	if o := s.optionsInWords(); o != "" {
		b.WriteString(" <" + o + ">")
	}
	if s.BadChecksum {
		b.WriteString(" bad checksum")
	}
	return b.String()
}

func (s *Segment) optionsInWords() string {
	var list []string
	if s.MSS > 0 {
		list = append(list, fmt.Sprintf("mss %d", s.MSS))
	}
	if s.WindowScale >= 0 {
		list = append(list, fmt.Sprintf("wscale %d", s.WindowScale))
	}
	if s.SACKPermitted {
		list = append(list, "sack permitted")
	}
	for _, block := range s.SACK {
		list = append(list, fmt.Sprintf("sack %d-%d", block.Left, block.Right))
	}
	if s.Timestamps != nil {
		list = append(list, fmt.Sprintf("ts %d %d", s.Timestamps[0], s.Timestamps[1]))
	}
	return strings.Join(list, ", ")
}

// readSegment makes a segment of what the decoder has just read, its sequence numbers as on the wire.
func readSegment(d *decoder, p *Packet, raw []byte) Segment {
	s := Segment{
		Flags: p.Flags, Seq: p.Seq, Ack: p.Ack, Window: p.Window, Payload: bytes.Clone(p.Payload),
		WindowScale: scaleOffered(&d.tcp), Repeats: p.Repeats, BadChecksum: checksum(p, raw) != 0,
		src: p.Src, dst: p.Dst,
	}
	for _, o := range d.tcp.Options {
		data := o.OptionData
		switch {
		case o.OptionType == layers.TCPOptionKindMSS && len(data) == 2:
			s.MSS = binary.BigEndian.Uint16(data)
		case o.OptionType == layers.TCPOptionKindSACKPermitted:
			s.SACKPermitted = true
		case o.OptionType == layers.TCPOptionKindSACK:
			for ; len(data) >= 8; data = data[8:] {
				s.SACK = append(s.SACK, Block{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])})
			}
		case o.OptionType == layers.TCPOptionKindTimestamps && len(data) == 8:
			s.Timestamps = &[2]uint32{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])}
		}
	}
	return s
}

// packet makes the IP packet of a segment whose sequence numbers are as on the wire.
func (s *Segment) packet(id uint16) ([]byte, error) {
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.src.Port()), DstPort: layers.TCPPort(s.dst.Port()),
		Seq: s.Seq, Ack: s.Ack, Window: s.Window, Options: s.options,
		FIN: s.Flags.has(FIN), SYN: s.Flags.has(SYN), RST: s.Flags.has(RST), PSH: s.Flags.has(PSH),
		ACK: s.Flags.has(ACK), URG: s.Flags.has(URG), ECE: s.Flags.has(ECE), CWR: s.Flags.has(CWR),
	}
	raw, err := serialize(s.src.Addr(), s.dst.Addr(), id, layers.IPProtocolTCP, tcp, gopacket.Payload(s.Payload))
	if err == nil && s.BadChecksum {
		raw[len(raw)-len(s.Payload)-tcpLength(tcp)+tcpChecksum+1] ^= 1
	}
	return raw, err
}

func tcpLength(t *layers.TCP) int { return int(t.DataOffset) * 4 }

// serialize puts a packet together. The first layer is the one that needs the addresses for its checksum.
func serialize(src, dst netip.Addr, id uint16, protocol layers.IPProtocol, list ...gopacket.SerializableLayer) ([]byte, error) {
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	const hops = 64
	if src.Is4() {
		ip = &layers.IPv4{Version: 4, TTL: hops, Id: id, Flags: layers.IPv4DontFragment, Protocol: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: hops, NextHeader: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	if needs, ok := list[0].(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := needs.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, fmt.Errorf("make a packet: %w", err)
		}
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, append([]gopacket.SerializableLayer{ip}, list...)...); err != nil {
		return nil, fmt.Errorf("make a packet: %w", err)
	}
	return buffer.Bytes(), nil
}
