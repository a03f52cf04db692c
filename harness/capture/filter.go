package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// Where things stand in an Ethernet frame.
const (
	etherTypeAt   = 12
	networkAt     = 14
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd

	ipv4FragmentAt    = networkAt + 6
	ipv4ProtocolAt    = networkAt + 9
	ipv4SourceAt      = networkAt + 12
	ipv4DestinationAt = networkAt + 16

	ipv6NextHeaderAt = networkAt + 6
	ipv6TransportAt  = networkAt + 40
	icmp6QuotedAt    = ipv6TransportAt + 8 // the packet that an error message is about

	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// packetOutgoing is the kernel's PACKET_OUTGOING: the copy of a frame that is tapped when it is sent.
const packetOutgoing = 4

// scope is what of a loopback that others use too belongs to a scenario.
type scope struct {
	addresses []netip.Addr // IPv4
	firstPort uint16       // a multiple of ports
	ports     int          // a power of two
}

// filter makes the program by which the kernel selects frames: of each frame the copy that is tapped on
// sending, this capture's marks in full, and snap bytes of all others that are in the scope. Without
// a scope that is everything but the marks of other captures.
//
// In a scope is IPv4 from or to one of the addresses, and TCP and UDP from or to one of the ports, over IPv4
// and IPv6 (so that a client with any source address is seen as well as a server on any address), and
// ICMPv6 about such a packet.
func filter(own marker, snap int, within *scope) ([]bpf.RawInstruction, error) {
	var p program
	p.add(bpf.LoadExtension{Num: bpf.ExtType})
	p.unless(packetOutgoing, drop)
	p.rest(own, within)
	raw, err := p.assemble(snap)
	if err != nil {
		return nil, fmt.Errorf("assemble the filter of a capture: %w", err)
	}
	return raw, nil
}

// rest is the filter without the choice of the copy.
func (p *program) rest(own marker, within *scope) {
	p.add(bpf.LoadAbsolute{Off: etherTypeAt, Size: 2})
	p.unless(markEtherType, "no mark")
	p.add(bpf.LoadAbsolute{Off: uint32(markOwnerAt), Size: 4})
	p.unless(uint32(own.owner>>32), drop)
	p.add(bpf.LoadAbsolute{Off: uint32(markOwnerAt + 4), Size: 4})
	p.unless(uint32(own.owner), drop)
	p.jump(whole)

	p.label("no mark")
	if within == nil {
		p.jump(keep)
		return
	}
	ports := &portTest{first: uint32(within.firstPort), mask: ^uint32(within.ports - 1)}
	p.when(etherTypeIPv4, "IPv4")
	p.when(etherTypeIPv6, "IPv6")
	p.jump(drop)

	p.label("IPv4")
	for _, at := range []uint32{ipv4SourceAt, ipv4DestinationAt} {
		p.add(bpf.LoadAbsolute{Off: at, Size: 4})
		for _, address := range within.addresses {
			raw := address.As4()
			p.when(binary.BigEndian.Uint32(raw[:]), keep)
		}
	}
	p.add(bpf.LoadAbsolute{Off: ipv4FragmentAt, Size: 2})
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x1fff})
	p.unless(0, drop) // a later fragment has no ports
	p.add(bpf.LoadAbsolute{Off: ipv4ProtocolAt, Size: 1})
	p.when(protocolTCP, "IPv4 ports")
	p.unless(protocolUDP, drop)
	p.label("IPv4 ports")
	p.add(bpf.LoadMemShift{Off: networkAt})
	for _, at := range []uint32{networkAt, networkAt + 2} {
		p.add(bpf.LoadIndirect{Off: at, Size: 2})
		ports.keep(p)
	}
	p.jump(drop)

	p.label("IPv6")
	p.add(bpf.LoadAbsolute{Off: ipv6NextHeaderAt, Size: 1})
	p.when(protocolTCP, "IPv6 ports")
	p.when(protocolUDP, "IPv6 ports")
	p.unless(protocolICMPv6, drop)
	p.add(bpf.LoadAbsolute{Off: ipv6TransportAt, Size: 1})
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x80})
	p.unless(0, drop) // informational: quotes no packet
	const quotedPortsAt = icmp6QuotedAt + 40
	for _, at := range []uint32{quotedPortsAt, quotedPortsAt + 2} {
		p.add(bpf.LoadAbsolute{Off: at, Size: 2})
		ports.keep(p)
	}
	p.jump(drop)
	p.label("IPv6 ports")
	for _, at := range []uint32{ipv6TransportAt, ipv6TransportAt + 2} {
		p.add(bpf.LoadAbsolute{Off: at, Size: 2})
		ports.keep(p)
	}
	p.jump(drop)
}

// portTest keeps a frame whose loaded port is one of a block.
type portTest struct{ first, mask uint32 }

func (t *portTest) keep(p *program) {
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: t.mask})
	p.when(t.first, keep)
}

// The three ends of a filter.
const (
	drop  = "drop"
	keep  = "keep"
	whole = "whole"
)

// program is a BPF program with names for the places to jump to.
type program struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  map[int]string
}

func (p *program) add(i bpf.Instruction) { p.code = append(p.code, i) }

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

// jump goes on at a label, which must come later.
func (p *program) jump(to string) {
	if p.jumps == nil {
		p.jumps = map[int]string{}
	}
	p.jumps[len(p.code)] = to
	p.add(bpf.Jump{})
}

// when jumps where what was loaded is the value.
func (p *program) when(value uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value, SkipTrue: 1})
	p.jump(to)
}

// unless jumps where what was loaded is not the value.
func (p *program) unless(value uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1})
	p.jump(to)
}

// finish adds the ends and resolves the jumps.
func (p *program) finish(snap int) []bpf.Instruction {
	for _, end := range []struct {
		name  string
		bytes int
	}{{drop, 0}, {keep, snap}, {whole, DefaultSnapLength}} {
		p.label(end.name)
		p.add(bpf.RetConstant{Val: uint32(end.bytes)})
	}
	for at, to := range p.jumps {
		p.code[at] = bpf.Jump{Skip: uint32(p.labels[to] - at - 1)}
	}
	return p.code
}

func (p *program) assemble(snap int) ([]bpf.RawInstruction, error) {
	return bpf.Assemble(p.finish(snap))
}
