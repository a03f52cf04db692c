package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"tcpwitness/harness/evidence"
)

// Connection is one connection of a scripted peer, as far as the peer thinks of it as one: the two
// addresses, and what each side's sequence numbers are counted from. Nothing is sent that the test does not send.
type Connection struct {
	peer   *Peer
	number int

	local, remote netip.AddrPort // of the peer, of the host; not valid while there is nobody
	iss           uint32         // the peer's
	next          uint32         // what the peer sends next, relative
	irs           uint32         // the host's
	irsKnown      bool
	expected      uint32 // what the host sends next, relative
	unread        []int  // in the peer's log
}

// The peer's initial sequence numbers: recognisable, and far from both ends of the space.
const firstISS, stepISS = 1_000_000_000, 1_000_000

// firstPort is the port of the first connection that the peer makes.
const firstPort = 40_000

func (c *Connection) reset() {
	*c = Connection{peer: c.peer, number: c.number, iss: firstISS + uint32(c.number)*stepISS}
}

// Towards addresses the segments to that address and port of the host, from a port of the peer's own. It is
// how the peer begins; where the host begins, its first SYN says whom to talk to.
func (c *Connection) Towards(host netip.AddrPort) {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	c.reset()
	from := c.peer.addresses[0]
	if host.Addr().Is6() && len(c.peer.addresses) > 1 {
		from = c.peer.addresses[1]
	}
	c.local, c.remote = netip.AddrPortFrom(from, firstPort+uint16(c.number)), host
}

// StartAt makes n the peer's initial sequence number, before it has sent anything.
func (c *Connection) StartAt(n uint32) {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	c.iss = n
}

// Local is the peer's address and port, Remote the host's; not valid while there is nobody.
func (c *Connection) Local() netip.AddrPort {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	return c.local
}

// Remote is the host's address and port.
func (c *Connection) Remote() netip.AddrPort {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	return c.remote
}

// Next is the sequence number that follows what the peer has sent, Expected the one that follows what the
// host has sent in order; both relative.
func (c *Connection) Next() uint32 {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	return c.next
}

// Expected is the sequence number that follows what the host has sent in order, relative.
func (c *Connection) Expected() uint32 {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	return c.expected
}

// received makes the sequence numbers of a segment of the host relative and counts it.
func (c *Connection) received(s *Segment) {
	if s.Flags.has(SYN) && (!c.irsKnown || c.irs != s.Seq) {
		c.irs, c.irsKnown, c.expected = s.Seq, true, 0
	}
	s.Seq -= c.irs
	if s.Flags.has(ACK) {
		s.Ack -= c.iss
	}
	for i := range s.SACK {
		s.SACK[i] = Block{s.SACK[i].Left - c.iss, s.SACK[i].Right - c.iss}
	}
	if end := s.Seq + s.Len(); !after(s.Seq, c.expected) && after(end, c.expected) {
		c.expected = end
	}
}

// Send sends a segment with these flags. Fields that are not named have what would be right: see [Seq],
// [Ack] and [Window]; there are no options. When Send returns, the host's kernel has dealt with the segment.
// An error is also among the [Peer.Problems], so that it need not be looked at.
func (c *Connection) Send(flags Flags, fields ...Field) error {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	err := c.send(flags, fields)
	if err != nil {
		err = fmt.Errorf("send %s: %w", wanted{flags, fields}, err)
		c.peer.troubled(err)
	}
	return err
}

func (c *Connection) send(flags Flags, fields []Field) error {
	if !c.remote.IsValid() {
		return errors.New("nobody is at the other end: the host has sent no SYN")
	}
	c.peer.drain() // what came before stands before it in the record
	s := Segment{Flags: flags, Seq: c.next, Window: 1<<16 - 1, WindowScale: -1, src: c.local, dst: c.remote}
	if flags.has(ACK) {
		s.Ack = c.expected
	}
	if flags.has(SYN) {
		s.Seq = 0
	}
	for _, f := range fields {
		if f.set == nil {
			return fmt.Errorf("%q can only be expected", f.name)
		}
		f.set(&s)
	}
	misplaced := flags.has(SYN) && s.Seq != 0 // and no beginning of anything
	if end := s.Seq + s.Len(); !after(s.Seq, c.next) && after(end, c.next) && !misplaced {
		c.next = end
	}
	onWire := s
	onWire.Seq += c.iss
	if flags.has(ACK) {
		onWire.Ack += c.irs
	}
	c.peer.id++
	raw, err := onWire.packet(c.peer.id)
	if err != nil {
		return err
	}
	s.Frame, s.Time = c.peer.record.counts[0]+1, evidence.Now()
	c.peer.log = append(c.peer.log, s)
	return c.peer.send(raw, "")
}

// Accept takes the connection that the host makes to the peer: it expects SYN, answers SYN|ACK with these
// fields (such as [MSS]) and expects ACK.
func (c *Connection) Accept(ctx context.Context, fields ...Field) error {
	if _, err := c.Receive(ctx, SYN); err != nil {
		return err
	}
	if err := c.Send(SYN|ACK, fields...); err != nil {
		return err
	}
	_, err := c.Receive(ctx, ACK, Seq(1), Ack(1))
	return err
}

// Connect makes a connection to that address and port of the host: it sends SYN with these fields, expects
// SYN|ACK and sends ACK.
func (c *Connection) Connect(ctx context.Context, host netip.AddrPort, fields ...Field) error {
	c.Towards(host)
	if err := c.Send(SYN, fields...); err != nil {
		return err
	}
	if _, err := c.Receive(ctx, SYN|ACK, Ack(1)); err != nil {
		return err
	}
	return c.Send(ACK)
}
