package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"tcpwitness/harness/evidence"
)

// PeerOptions shape a scripted peer. The zero value is a peer in the server's place.
type PeerOptions struct {
	// Plays is the end that the peer plays; the host plays the other one. Empty stands for [Server].
	Plays string
	// Limit, MTU, RTOMin and Settings are those of [Options], for the host. Faults happen between the two, in
	// both directions, so that the host seems to behave in another way than it does: they are for showing that
	// an expectation can fail. A fault that holds packets back is not possible.
	Options
}

// Peer is a scripted peer: it has an address, but no kernel answers there. It sends the segments that the
// test says and expects those that the test expects. One connection is at hand as the Peer itself; see
// [Peer.Another] for more.
//
// The host on the other side of the wire is an ordinary one.
type Peer struct {
	*Connection // the first one

	host      *Host
	device    device
	addresses []netip.Addr // of the peer
	options   PeerOptions
	loop      sync.WaitGroup
	deadline  context.Context

	mu          sync.Mutex
	closed      bool
	buf         []byte
	decoder     *decoder
	faults      []armed
	record      recorder
	ignored     int
	trouble     []string
	log         []Segment
	connections []*Connection
	changed     chan struct{} // closed and made anew when something came
	id          uint16        // of the next IPv4 packet
	drawing     bool          // what is read now, a packet of the peer has drawn
	echoes      uint16        // barriers sent
	echoed      uint16        // and answered
}

// NewPeer makes a host and a scripted peer that it can reach. Expectations fail when ctx ends. The caller
// closes the peer.
func NewPeer(ctx context.Context, o PeerOptions) (*Peer, error) {
	if o.Plays == "" {
		o.Plays = Server
	}
	faults, err := armAll(o.Faults)
	if err != nil {
		return nil, err
	}
	end := opposite(o.Plays)
	host, device, err := newHost(ctx, layout{
		end: end, own: addresses(end), other: addresses(o.Plays),
		mtu: o.mtu(), rtoMin: o.RTOMin, settings: o.Settings,
	})
	if err != nil {
		return nil, err
	}
	p := &Peer{
		host: host, device: device, options: o, deadline: ctx, faults: faults,
		buf: make([]byte, maxPacket), decoder: newDecoder(), record: newRecorder(o.Options), changed: make(chan struct{}),
	}
	for i, a := range addresses(o.Plays) {
		if i == 0 || host.Address6().IsValid() {
			p.addresses = append(p.addresses, a)
		}
	}
	p.decoder.known = append(host.Addresses(), p.addresses...)
	p.Connection = p.Another()
	p.loop.Go(func() {
		if err := device.serve(p.turn); err != nil {
			p.ended(err)
		}
	})
	return p, nil
}

// Host is the host on the other side.
func (p *Peer) Host() *Host { return p.host }

// Address is the peer's IPv4 address.
func (p *Peer) Address() netip.Addr { return p.addresses[0] }

// Address6 is the peer's IPv6 address; not valid where the kernel has no IPv6.
func (p *Peer) Address6() netip.Addr {
	if len(p.addresses) < 2 {
		return netip.Addr{}
	}
	return p.addresses[1]
}

// Another yields a further connection of the peer, with nobody at its other end yet.
func (p *Peer) Another() *Connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Connection{peer: p, number: len(p.connections)}
	c.reset()
	p.connections = append(p.connections, c)
	return c
}

func (p *Peer) turn() answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return over
	}
	p.drain()
	return wait
}

// drain takes everything that the host has sent.
func (p *Peer) drain() {
	for !p.closed {
		n, err := p.device.read(p.buf)
		if errors.Is(err, errEmpty) {
			return
		}
		if err != nil {
			p.troubled(err)
			return
		}
		p.take(p.buf[:n])
	}
}

// maxLog bounds the segments that a peer remembers.
const maxLog = 1 << 14

func (p *Peer) take(raw []byte) {
	packet := p.decoder.decode(p.host.End(), raw)
	if packet.noise {
		p.ignored++
		return
	}
	p.record.next()
	t := treat(p.faults, packet, raw)
	p.record.add(0, packet, t.data, t.fate, strings.Join(t.notes, "; "))
	if t.lost {
		return
	}
	if t.fate != "" {
		repeats := packet.Repeats
		packet = p.decoder.read(p.host.End(), t.data)
		packet.Repeats = repeats
	}
	for range 1 + t.copies {
		p.arrived(packet, t.data)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// arrived is told of each packet of the host that reaches the peer.
func (p *Peer) arrived(packet *Packet, raw []byte) {
	p.takeEcho(packet, raw)
	if packet.IsTCP() {
		if len(p.log) == maxLog {
			p.troubled(fmt.Errorf("the host sent more than %d segments", maxLog))
			return
		}
		s := readSegment(p.decoder, packet, raw)
		s.FromHost, s.Drawn, s.Frame, s.Time = true, p.drawing, p.record.counts[0], evidence.Now()
		c := p.connectionOf(&s)
		if c != nil {
			c.received(&s)
		}
		p.log = append(p.log, s)
		if c != nil {
			c.unread = append(c.unread, len(p.log)-1)
		}
	}
}

// connectionOf finds the connection that a segment of the host belongs to. A SYN begins one that has nobody
// at its other end yet.
func (p *Peer) connectionOf(s *Segment) *Connection {
	for _, c := range p.connections {
		if c.local == s.dst && c.remote == s.src {
			return c
		}
	}
	if !s.Flags.has(SYN) || s.Flags.has(ACK) {
		return nil
	}
	for _, c := range p.connections {
		if !c.remote.IsValid() {
			c.local, c.remote = s.dst, s.src
			return c
		}
	}
	return nil
}

// send writes a packet of the peer, and takes what the host answers at once.
func (p *Peer) send(raw []byte, note string) error {
	if p.closed {
		return errors.New("the peer is closed")
	}
	p.record.next()
	packet := p.decoder.read(p.options.Plays, raw)
	t := treat(p.faults, packet, raw)
	fate := evidence.Injected
	if t.fate != "" {
		fate, note = t.fate, strings.Join(t.notes, "; ")
	}
	p.record.add(0, packet, t.data, fate, note)
	if t.lost {
		return nil
	}
	for range 1 + t.copies {
		if err := p.device.write(t.data); err != nil {
			return err
		}
	}
	p.drawing = true
	p.drain()
	p.drawing = false
	return nil
}

// ended notes why the packets of a side are no longer taken, which is as it should be once all is closed.
func (p *Peer) ended(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.troubled(err)
	}
}

func (p *Peer) troubled(err error) {
	if len(p.trouble) < maxTrouble {
		p.trouble = append(p.trouble, "the scripted peer failed: "+err.Error())
	}
}

// Problems says why a run with this peer cannot be judged.
func (p *Peer) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems := append(slices.Clone(p.trouble), shortfalls(p.faults)...)
	if s := p.record.shortfall(); s != "" {
		problems = append(problems, s)
	}
	return problems
}

// Packets yields what was recorded so far, in order. What the peer sent has the fate [evidence.Injected].
func (p *Peer) Packets() []evidence.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.record.packets)
}

// Fill adds to a run what the peer knows of it: its interface, packets, the addresses of the ends it lists,
// and problems as faults. The run has no packets yet.
func (p *Peer) Fill(run *evidence.Run) {
	run.Interfaces = []evidence.Interface{{Name: "peer", LinkType: evidence.LinkRaw, SnapLength: p.record.snapLength()}}
	run.Packets = p.Packets()
	run.Faults = append(run.Faults, p.Problems()...)
	fillAddresses(run, p.host, &Host{end: p.options.Plays, address: p.Address(), address6: p.Address6()})
}

// Close ends the peer and removes the host's interface. Closing it again does nothing. The record stays readable.
func (p *Peer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.drain()
	p.closed = true
	if n, err := p.device.dropped(); err != nil {
		p.troubled(err)
	} else if n > 0 {
		p.troubled(fmt.Errorf("%d packets of the host found the queue full and are missing in the record", n))
	}
	p.mu.Unlock()
	err := p.device.close()
	p.loop.Wait()
	return errors.Join(err, p.host.net.close())
}
