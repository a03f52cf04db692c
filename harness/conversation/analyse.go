package conversation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
)

// Analyse says what the packets of a run mean. The packets stay the run's own: their data is referred to,
// not copied, and must not change afterwards.
func Analyse(run *evidence.Run) *Analysis { return AnalysePackets(run.Packets, run.Interfaces) }

// AnalysePackets is [Analyse] for packets without a run. A packet whose interface is not listed counts as
// Ethernet.
func AnalysePackets(packets []evidence.Packet, interfaces []evidence.Interface) *Analysis {
	w := &analyser{
		Analysis:  &Analysis{Interfaces: interfaces, frames: make(map[int]item, len(packets))},
		current:   map[pair]*Conversation{},
		wireshark: map[pair]*sharkStream{},
		fragments: map[fragmentKey]*fragments{},
	}
	for i := range packets {
		w.take(&packets[i])
	}
	for _, c := range w.TCP {
		c.followStates(w.side(c.Interface))
		c.nameHandshakeACK()
	}
	return w.Analysis
}

// analyser is the work of one Analyse.
type analyser struct {
	*Analysis
	current   map[pair]*Conversation // the latest between two ports
	wireshark map[pair]*sharkStream
	fragments map[fragmentKey]*fragments
}

// pair is two ports on one interface, whichever way a packet goes.
type pair struct {
	iface     int
	low, high netip.AddrPort
}

func pairOf(iface int, a, b netip.AddrPort) pair {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return pair{iface, a, b}
}

func (w *analyser) linkType(iface int) evidence.LinkType {
	if iface >= 0 && iface < len(w.Interfaces) {
		return w.Interfaces[iface].LinkType
	}
	return evidence.LinkEthernet
}

func (w *analyser) take(raw *evidence.Packet) {
	p, err := decodeFrame(w.linkType(raw.Interface), raw.Data)
	if err != nil {
		w.other(raw, err.Error(), !errors.Is(err, errNotIP))
		return
	}
	frames := []int{raw.N}
	if p.fragment {
		if p, frames = w.reassemble(raw, p); p == nil {
			return
		}
	}
	switch p.protocol {
	case layers.IPProtocolTCP:
		w.takeTCP(raw, p)
	case layers.IPProtocolUDP:
		w.takeUDP(raw, p, frames)
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		w.takeICMP(raw, p)
	default:
		w.other(raw, fmt.Sprintf("IP protocol %d", p.protocol), false)
	}
}

func (w *analyser) other(raw *evidence.Packet, what string, broken bool) {
	f := &Frame{Frame: raw.N, Time: raw.Time, Interface: raw.Interface, What: what, Broken: broken}
	w.Other = append(w.Other, f)
	w.frames[raw.N] = item{other: f}
}

func (w *analyser) takeUDP(raw *evidence.Packet, p *packet, frames []int) {
	if len(p.payload) < 8 {
		w.other(raw, "UDP header: it is cut short", true)
		return
	}
	length := int(binary.BigEndian.Uint16(p.payload[4:]))
	if length < 8 || length > p.length {
		w.other(raw, fmt.Sprintf("UDP header: length %d in a packet of %d bytes", length, p.length), true)
		return
	}
	p.payload, p.length = p.payload[:min(length, len(p.payload))], length
	d := &Datagram{
		Frame: raw.N, Frames: frames, Time: raw.Time, Interface: raw.Interface, Fate: raw.Fate,
		Source:      netip.AddrPortFrom(p.source, binary.BigEndian.Uint16(p.payload)),
		Destination: netip.AddrPortFrom(p.destination, binary.BigEndian.Uint16(p.payload[2:])),
		Length:      length - 8, Payload: p.payload[8:], IPChecksum: p.checksum, Checksum: p.transportChecksum(6),
	}
	if p.version == 4 && binary.BigEndian.Uint16(p.payload[6:]) == 0 {
		d.Checksum = ChecksumNone // RFC 768
	}
	w.UDP = append(w.UDP, d)
	for _, n := range frames {
		w.frames[n] = item{datagram: d}
	}
}

func (w *analyser) takeICMP(raw *evidence.Packet, p *packet) {
	if len(p.payload) < 8 {
		w.other(raw, "ICMP header: it is cut short", true)
		return
	}
	m := &Message{
		Frame: raw.N, Time: raw.Time, Interface: raw.Interface, Version: 4,
		Type: int(p.payload[0]), Code: int(p.payload[1]), Source: p.source, Destination: p.destination,
	}
	quotes := m.Type == 3 || m.Type == 4 || m.Type == 5 || m.Type == 11 || m.Type == 12 // RFC 792
	if p.protocol == layers.IPProtocolICMPv6 {
		m.Version = 6
		quotes = m.Type < 128 // RFC 4443 §2.1
	}
	if quotes {
		m.About = quoted(p.payload[8:])
	}
	w.ICMP = append(w.ICMP, m)
	w.frames[raw.N] = item{message: m}
}

// quoted reads the packet that an ICMP error quotes, nil where it is not IP.
func quoted(data []byte) *Quoted {
	p, err := decodeIP(data)
	if err != nil {
		return nil
	}
	q := &Quoted{Protocol: int(p.protocol)}
	var from, to uint16
	if (p.protocol == layers.IPProtocolTCP || p.protocol == layers.IPProtocolUDP) && p.offset == 0 && len(p.payload) >= 4 {
		from, to = binary.BigEndian.Uint16(p.payload), binary.BigEndian.Uint16(p.payload[2:])
	}
	q.Source, q.Destination = netip.AddrPortFrom(p.source, from), netip.AddrPortFrom(p.destination, to)
	return q
}
