package wire

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// echoID marks the echoes of a peer's barriers.
const echoID = 0x7463

// Barrier sends an echo request to the host and returns when its reply has come. The host's kernel deals
// with packets in the order in which they come, so whatever it answered at once to an earlier segment is
// then here. It cannot wait for what comes of a timer of the kernel (a delayed acknowledgement, a
// retransmission) or of a program. Where a thread is inside a call on the very socket that a segment is for,
// and not asleep in it, the kernel deals with that segment only at the end of the call.
func (p *Peer) Barrier(ctx context.Context) error {
	number, err := p.sendEcho()
	if err != nil {
		return fmt.Errorf("send a barrier: %w", err)
	}
	for {
		p.mu.Lock()
		answered, changed := int16(p.echoed-number) >= 0, p.changed
		p.mu.Unlock()
		if answered {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the echo of barrier %d: %w; segments so far:\n%s", number, context.Cause(ctx), p.Transcript())
		}
	}
}

// Barrier is [Peer.Barrier].
func (c *Connection) Barrier(ctx context.Context) error { return c.peer.Barrier(ctx) }

func (p *Peer) sendEcho() (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drain()
	p.echoes++
	p.id++
	request := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: echoID, Seq: p.echoes}
	raw, err := serialize(p.addresses[0], p.host.Address(), p.id, layers.IPProtocolICMPv4, request, gopacket.Payload("barrier"))
	if err != nil {
		return 0, err
	}
	return p.echoes, p.send(raw, "barrier: what was answered at once came before its echo")
}

// takeEcho notes the reply to a barrier.
func (p *Peer) takeEcho(packet *Packet, raw []byte) {
	if packet.Version != 4 || packet.Protocol != layers.IPProtocolICMPv4 || len(raw) < packet.transport+8 {
		return
	}
	icmp := raw[packet.transport:]
	if icmp[0] == layers.ICMPv4TypeEchoReply && binary.BigEndian.Uint16(icmp[4:]) == echoID {
		p.echoed = binary.BigEndian.Uint16(icmp[6:])
	}
}
