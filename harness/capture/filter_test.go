package capture

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
)

// run yields how many bytes of a frame a filter keeps, without its choice of the copy: gopacket's and
// bpf's virtual machines know nothing of copies.
func run(t *testing.T, own marker, snap int, within *scope, frame []byte) int {
	t.Helper()
	var p program
	p.rest(own, within)
	vm, err := bpf.NewVM(p.finish(snap))
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type packet struct {
	from, to netip.AddrPort
	layers   []gopacket.SerializableLayer // behind IP
	fragment uint16                       // offset, in 8 bytes
	options  int                          // of IPv4, in 4 bytes
}

func (p packet) frame(t *testing.T) []byte {
	t.Helper()
	none := net.HardwareAddr{0, 0, 0, 0, 0, 0}
	ethernet := &layers.Ethernet{SrcMAC: none, DstMAC: none, EthernetType: layers.EthernetTypeIPv4}
	var network gopacket.SerializableLayer
	protocol := layers.IPProtocolTCP
	switch p.layers[0].(type) {
	case *layers.UDP:
		protocol = layers.IPProtocolUDP
	case *layers.ICMPv4:
		protocol = layers.IPProtocolICMPv4
	case *layers.ICMPv6:
		protocol = layers.IPProtocolICMPv6
	}
	if p.from.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, FragOffset: p.fragment, SrcIP: p.from.Addr().AsSlice(), DstIP: p.to.Addr().AsSlice()}
		for range p.options {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 0x94, OptionLength: 4, OptionData: []byte{0, 0}})
		}
		network = ip
	} else {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		network = &layers.IPv6{Version: 6, NextHeader: protocol, SrcIP: p.from.Addr().AsSlice(), DstIP: p.to.Addr().AsSlice()}
	}
	buffer := gopacket.NewSerializeBuffer()
	all := append([]gopacket.SerializableLayer{ethernet, network}, p.layers...)
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, all...); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func tcp(from, to string, options int) packet {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return packet{from: a, to: b, options: options, layers: []gopacket.SerializableLayer{
		&layers.TCP{SrcPort: layers.TCPPort(a.Port()), DstPort: layers.TCPPort(b.Port()), SYN: true, DataOffset: 5},
	}}
}

func udp(from, to string) packet {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return packet{from: a, to: b, layers: []gopacket.SerializableLayer{
		&layers.UDP{SrcPort: layers.UDPPort(a.Port()), DstPort: layers.UDPPort(b.Port())},
	}}
}

// unreachable is the answer to a datagram over IPv6.
func unreachable(t *testing.T, about packet, kind uint8) packet {
	quoted := about.frame(t)[networkAt:]
	return packet{from: about.to, to: about.from, layers: []gopacket.SerializableLayer{
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 4)},
		gopacket.Payload(append(make([]byte, 4), quoted...)),
	}}
}

func TestTheScopeOfASharedCapture(t *testing.T) {
	own := newMarker()
	within := &scope{
		addresses: []netip.Addr{netip.MustParseAddr("127.20.1.2"), netip.MustParseAddr("127.30.1.2")},
		firstPort: 10008,
		ports:     8,
	}
	later := udp("127.0.0.1:10008", "127.0.0.1:10009")
	later.fragment = 10
	echo := packet{from: netip.MustParseAddrPort("127.0.0.1:0"), to: netip.MustParseAddrPort("127.30.1.2:0"),
		layers: []gopacket.SerializableLayer{&layers.ICMPv4{}}}
	foreignEcho := echo
	foreignEcho.to = foreignEcho.from
	const snap = 1000
	for _, tc := range []struct {
		name   string
		packet packet
		want   int
	}{
		{"to the server", tcp("127.0.0.1:40000", "127.20.1.2:10008", 0), snap},
		{"from the server", tcp("127.20.1.2:10008", "127.0.0.1:40000", 0), snap},
		{"from the client's address", tcp("127.30.1.2:40000", "127.0.0.1:80", 0), snap},
		{"a built-in port", tcp("127.0.0.1:40000", "127.20.1.2:8080", 0), snap},
		{"foreign", tcp("127.0.0.1:40000", "127.0.0.1:80", 0), 0},
		{"foreign UDP", udp("127.0.0.1:40000", "127.0.0.1:53"), 0},
		{"own port at another address", tcp("127.0.0.1:40000", "10.0.0.1:10008", 0), snap},
		{"own port answers", tcp("10.0.0.1:10015", "127.0.0.1:40000", 0), snap},
		{"UDP to an own port", udp("127.0.0.1:40000", "127.0.0.1:10010"), snap},
		{"below the own ports", tcp("127.0.0.1:40000", "127.0.0.1:10007", 0), 0},
		{"above the own ports", tcp("127.0.0.1:40000", "127.0.0.1:10016", 0), 0},
		{"own port behind options", tcp("127.0.0.1:40000", "127.0.0.1:10008", 3), snap},
		{"foreign with options", tcp("127.0.0.1:40000", "127.0.0.1:80", 3), 0},
		{"a later fragment has no ports", later, 0},
		{"ICMP to the client's address", echo, snap},
		{"foreign ICMP", foreignEcho, 0},
		{"IPv6 to an own port", tcp("[::1]:40000", "[::1]:10008", 0), snap},
		{"IPv6 from an own port", udp("[::1]:10015", "[::1]:40000"), snap},
		{"foreign IPv6", tcp("[::1]:40000", "[::1]:80", 0), 0},
		{"ICMPv6 about an own port", unreachable(t, udp("[::1]:40000", "[::1]:10009"), 1), snap},
		{"ICMPv6 about a foreign port", unreachable(t, udp("[::1]:40000", "[::1]:80"), 1), 0},
		{"ICMPv6 that is about nothing", unreachable(t, udp("[::1]:40000", "[::1]:10009"), 128), 0},
	} {
		if got := run(t, own, snap, within, tc.packet.frame(t)); got != tc.want {
			t.Errorf("%s: keeps %d bytes, want %d", tc.name, got, tc.want)
		}
		if got := run(t, own, snap, nil, tc.packet.frame(t)); got != snap {
			t.Errorf("%s: without a scope it keeps %d bytes, want %d", tc.name, got, snap)
		}
	}
	for name, frame := range map[string][]byte{
		"ARP":         append(make([]byte, 12), 0x08, 0x06, 0, 1, 0, 0),
		"a short one": append(make([]byte, 12), 0x08, 0x00, 0x45),
	} {
		if got := run(t, own, snap, within, frame); got != 0 {
			t.Errorf("%s: keeps %d bytes, want none", name, got)
		}
	}
}

func TestMarksBelongToOneCapture(t *testing.T) {
	own, other := newMarker(), newMarker()
	frame := own.frame(77, 1500)
	if number, ok := own.marked(frame); !ok || number != 77 || len(frame) != 1500 {
		t.Errorf("mark 77 of 1500 bytes reads as %d, %v, of %d bytes", number, ok, len(frame))
	}
	if _, ok := other.marked(frame); ok {
		t.Error("another capture takes the mark as its own")
	}
	for _, within := range []*scope{nil, {firstPort: 8, ports: 8}} {
		if got := run(t, own, 100, within, frame); got != DefaultSnapLength {
			t.Errorf("keeps %d bytes of an own mark, want all", got)
		}
		if got := run(t, other, 100, within, frame); got != 0 {
			t.Errorf("keeps %d bytes of a foreign mark, want none", got)
		}
	}
	for cut := range markLength {
		if _, ok := own.marked(frame[:cut]); ok {
			t.Errorf("%d bytes are taken as a mark", cut)
		}
	}
	if short := own.frame(1, 0); len(short) != markLength {
		t.Errorf("the shortest mark has %d bytes", len(short))
	}
}
