package capture

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
)

// decode takes a frame apart with gopacket.
func decode(t testing.TB, p evidence.Packet) gopacket.Packet {
	t.Helper()
	decoded := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
	if failure := decoded.ErrorLayer(); failure != nil {
		t.Fatalf("decode frame %d: %v: % x", p.N, failure.Error(), p.Data)
	}
	return decoded
}

// sentence says what a frame is, as "127.1.2.3:40000 > 127.4.5.6:8000 SYN 0".
func sentence(t testing.TB, p evidence.Packet) string {
	t.Helper()
	decoded := decode(t, p)
	if decoded.NetworkLayer() == nil {
		return fmt.Sprintf("% x", p.Data)
	}
	flow := decoded.NetworkLayer().NetworkFlow()
	switch layer := decoded.TransportLayer().(type) {
	case *layers.TCP:
		return fmt.Sprintf("%v:%d > %v:%d %s %d", flow.Src(), layer.SrcPort, flow.Dst(), layer.DstPort, flags(layer), len(layer.Payload))
	case *layers.UDP:
		return fmt.Sprintf("%v:%d > %v:%d UDP %d", flow.Src(), layer.SrcPort, flow.Dst(), layer.DstPort, len(layer.Payload))
	}
	all := decoded.Layers()
	return fmt.Sprintf("%v > %v %v", flow.Src(), flow.Dst(), all[min(2, len(all)-1)].LayerType())
}

func flags(tcp *layers.TCP) string {
	s := ""
	for _, flag := range []struct {
		set  bool
		name string
	}{{tcp.SYN, "SYN "}, {tcp.FIN, "FIN "}, {tcp.RST, "RST "}, {tcp.ACK, "ACK "}} {
		if flag.set {
			s += flag.name
		}
	}
	if s == "" {
		return "none"
	}
	return s[:len(s)-1]
}

// sentences says what the frames are.
func sentences(t testing.TB, packets []evidence.Packet) []string {
	t.Helper()
	var all []string
	for _, p := range packets {
		all = append(all, sentence(t, p))
	}
	return all
}

// checkChecksum verifies the checksums of a frame, TCP's and UDP's with gopacket, which knows nothing of how they
// came about. And that the link layer header is as the loopback makes it.
func checkChecksum(t testing.TB, p evidence.Packet) {
	t.Helper()
	decoded := decode(t, p)
	if !bytes.Equal(p.Data[:etherTypeAt], make([]byte, etherTypeAt)) {
		t.Errorf("frame %d has link layer addresses % x", p.N, p.Data[:etherTypeAt])
	}
	if ip, ok := decoded.NetworkLayer().(*layers.IPv4); ok && sum16(ip.Contents) != 0xffff {
		t.Errorf("frame %d has a bad IPv4 checksum: %s", p.N, sentence(t, p))
	}
	var (
		off uint16
		err error
	)
	switch layer := decoded.Layers()[2].(type) {
	case *layers.TCP:
		layer.SetNetworkLayerForChecksum(decoded.NetworkLayer())
		off, err = layer.ComputeChecksum()
	case *layers.UDP:
		off, err = udpChecksum(decoded, layer)
	case *layers.ICMPv4:
		off = ^sum16(decoded.NetworkLayer().LayerPayload())
	case *layers.ICMPv6:
		ip := decoded.NetworkLayer().(*layers.IPv6)
		pseudo := slices.Concat(ip.SrcIP, ip.DstIP, []byte{0, 0, byte(ip.Length >> 8), byte(ip.Length), 0, 0, 0, protocolICMPv6})
		off = ^sum16(append(pseudo, ip.Payload...))
	}
	if err != nil || off != 0 {
		t.Errorf("frame %d has a bad checksum, off by %#x (%v): %s", p.N, off, err, sentence(t, p))
	}
}

// udpChecksum is 0 for a right one. gopacket computes it only when it writes: so the datagram is written again.
func udpChecksum(decoded gopacket.Packet, udp *layers.UDP) (off uint16, err error) {
	again := *udp
	if err := again.SetNetworkLayerForChecksum(decoded.NetworkLayer()); err != nil {
		return 0, err
	}
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{ComputeChecksums: true}, &again, gopacket.Payload(udp.Payload)); err != nil {
		return 0, err
	}
	return again.Checksum - udp.Checksum, nil
}

// seenBytes counts the bytes of TCP streams that were seen, each byte once however often it was sent: a busy
// machine lets the kernel retransmit even on a loopback.
func seenBytes(t testing.TB, packets []evidence.Packet) int {
	t.Helper()
	type span struct{ begin, end uint32 }
	spans := map[string][]span{}
	for _, p := range packets {
		tcp, ok := decode(t, p).TransportLayer().(*layers.TCP)
		if !ok || len(tcp.Payload) == 0 {
			continue
		}
		stream := fmt.Sprint(tcp.SrcPort, tcp.DstPort)
		spans[stream] = append(spans[stream], span{tcp.Seq, tcp.Seq + uint32(len(tcp.Payload))})
	}
	seen := 0
	for _, stream := range spans {
		// Sequence numbers wrap: they are compared by their distance, RFC 9293 §3.4.
		slices.SortStableFunc(stream, func(a, b span) int { return cmp.Compare(int32(a.begin-b.begin), 0) })
		end := stream[0].begin
		for _, s := range stream {
			if int32(s.begin-end) < 0 {
				s.begin = end
			}
			if int32(s.end-s.begin) > 0 {
				seen += int(s.end - s.begin)
				end = s.end
			}
		}
	}
	return seen
}
