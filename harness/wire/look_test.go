package wire

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tcpwitness/harness/evidence"
)

// minRTO makes retransmission fast where a test has to wait for it.
const minRTO = 20 * time.Millisecond

// frames are recorded packets, which a failing test shows a line each.
type frames []evidence.Packet

func (f frames) GomegaString() string {
	var b strings.Builder
	d := newDecoder()
	for _, p := range f {
		fmt.Fprintf(&b, "%4d side %d %-10s %s\n", p.N, p.Interface, p.Fate, d.decode("", p.Data))
	}
	return b.String()
}

// seenOn are the packets of one side, in order.
func seenOn(w *Wire, end string) frames {
	var list frames
	for _, p := range w.Packets() {
		if w.Interfaces()[p.Interface].End == end {
			list = append(list, p)
		}
	}
	return list
}

func withFate(packets frames, fate evidence.Fate) frames {
	return slices.DeleteFunc(slices.Clone(packets), func(p evidence.Packet) bool { return p.Fate != fate })
}

func withData(packets frames, data []byte) frames {
	return slices.DeleteFunc(slices.Clone(packets), func(p evidence.Packet) bool { return !bytes.Contains(p.Data, data) })
}

func differingBits(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

func checksumIsRight(raw []byte) bool {
	p := newDecoder().decode("", raw)
	return checksum(p, raw) == 0
}

// dataOffsets are the stream offsets of the data segments of a host, in order; relative to the first sent.
func dataOffsets(packets []evidence.Packet, from *Host) []int64 {
	d := newDecoder()
	var list []int64
	for _, packet := range packets {
		p := d.decode("", packet.Data)
		if len(p.Payload) > 0 && (p.Src.Addr() == from.Address() || p.Src.Addr() == from.Address6()) {
			list = append(list, p.Offset)
		}
	}
	return list
}

// mostInFlight is the largest number of bytes that the client had sent and the server had not acknowledged,
// as seen on the client's side.
func mostInFlight(w *Wire) int {
	d := newDecoder()
	var highest, acknowledged uint32
	most := 0
	for _, packet := range seenOn(w, Client) {
		p := d.decode("", packet.Data)
		switch fromClient := p.Src.Addr() == w.Client.Address() || p.Src.Addr() == w.Client.Address6(); {
		case fromClient && p.Flags.has(SYN):
			highest, acknowledged = p.Seq+1, p.Seq+1
		case fromClient:
			if end := p.Seq + uint32(len(p.Payload)); after(end, highest) {
				highest = end
			}
		case p.Flags.has(ACK) && after(p.Ack, acknowledged):
			acknowledged = p.Ack
		}
		most = max(most, int(int32(highest-acknowledged)))
	}
	return most
}

func datagramSocket(t testing.TB, ctx context.Context, h *Host, v6 bool) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	addr := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addressOf(t, h, v6), 0))
	if err := h.Do(func() (err error) { conn, err = net.ListenUDP("udp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	until, _ := ctx.Deadline()
	if err := conn.SetDeadline(until); err != nil {
		t.Fatal(err)
	}
	return conn
}
