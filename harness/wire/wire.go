// Package wire is a wire that one can cut: two hosts, each a network namespace with a TUN interface, and
// between them a program that carries every IP packet and keeps a record of both sides. Faults say what
// happens to which packet, and choose it by what it is: [Lose]([FirstData]([Client])), not by chance.
//
// In the place of one host there can be a scripted peer, see [Peer], which sends and expects single
// segments.
//
// Packets are carried one at a time, in one order for both directions. That order is the record's. The
// moments in it are those at which the wire took a packet or delivered it; the sending host's kernel may
// have let go of it a little earlier, so a packet's moment bounds from above when it was sent.
//
// The hosts' TCP uses Reno for congestion control, whatever the machine's default is: it does not pace, so
// that what a call sends is on its way when the call returns.
//
// The package needs Linux, /dev/net/tun and the right to make network namespaces (root, or inside a user
// namespace). Where one of them is missing, [New] and [NewPeer] yield an error that wraps
// errors.ErrUnsupported.
package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tcpwitness/harness/evidence"
)

// The two ends.
const (
	Client = evidence.Client
	Server = evidence.Server
)

// Options shape a wire. The zero value is a wire without faults that records every packet whole.
type Options struct {
	// Faults are in effect from the first packet on. See also [Wire.Add].
	Faults []Fault
	// Keep says how much of each packet is recorded.
	Keep Keep
	// Limit bounds the memory of the record, in bytes; 0 stands for 64 MiB. A record that would outgrow it
	// keeps what it has, and the run is faulty.
	Limit int
	// MTU of both interfaces in bytes; 0 stands for 1500.
	MTU int
	// RTOMin is the least retransmission timeout of both hosts, in whole milliseconds; 0 leaves the kernel's
	// own (200 ms). It is set on the route, as `ip route … rto_min` does. It has no part in the timer of a
	// SYN, which is 1 s.
	RTOMin time.Duration
	// Settings are sysctls of both hosts, such as "net.ipv4.tcp_invalid_ratelimit": "0".
	Settings map[string]string
}

// DefaultMTU is the MTU of a wire whose options name none.
const DefaultMTU = 1500

func (o Options) mtu() int {
	if o.MTU == 0 {
		return DefaultMTU
	}
	return o.MTU
}

// Wire connects two hosts.
type Wire struct {
	// Client and Server are the two hosts.
	Client, Server *Host

	sides [2]*side
	loops sync.WaitGroup

	mu      sync.Mutex // held while a packet is carried, which puts all packets in one order
	closed  bool
	decoder *decoder
	faults  []armed
	watches []*Watch
	record  recorder
	ignored int
	trouble []string
}

// side is one of the two ends of the cable.
type side struct {
	end    string
	device device
	buf    []byte
}

// New makes two hosts and connects them; ctx is for that alone. The caller closes the wire.
func New(ctx context.Context, o Options) (*Wire, error) {
	var (
		hosts   [2]*Host
		devices [2]device
		errs    [2]error
		setup   sync.WaitGroup
	)
	for i, end := range []string{Client, Server} {
		setup.Go(func() {
			hosts[i], devices[i], errs[i] = newHost(ctx, layout{
				end: end, own: addresses(end), other: addresses(opposite(end)),
				mtu: o.mtu(), rtoMin: o.RTOMin, settings: o.Settings,
			})
		})
	}
	setup.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		for i := range hosts {
			if hosts[i] != nil {
				err = errors.Join(err, devices[i].close(), hosts[i].net.close())
			}
		}
		return nil, err
	}
	w := newWire(o, devices)
	w.Client, w.Server = hosts[0], hosts[1]
	w.decoder.known = append(w.Client.Addresses(), w.Server.Addresses()...)
	w.start()
	return w, nil
}

// newWire connects two devices; start sets it going.
func newWire(o Options, devices [2]device) *Wire {
	w := &Wire{decoder: newDecoder(), record: newRecorder(o)}
	for i, end := range []string{Client, Server} {
		w.sides[i] = &side{end: end, device: devices[i], buf: make([]byte, maxPacket)}
	}
	w.add(o.Faults)
	return w
}

// maxPacket is the size of the largest IP packet in bytes, with room to spare.
const maxPacket = 1 << 16

func (w *Wire) start() {
	for i := range w.sides {
		w.loops.Go(func() {
			if err := w.sides[i].device.serve(func() answer { return w.turn(i) }); err != nil {
				w.ended(err)
			}
		})
	}
}

// atOnce is how many packets of one side are carried before the other side gets a chance.
const atOnce = 64

func (w *Wire) turn(from int) answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return over
	}
	for range atOnce {
		if !w.next(from) {
			return wait
		}
	}
	return more
}

// next carries one packet of that side, if one waits.
func (w *Wire) next(from int) bool {
	s := w.sides[from]
	n, err := s.device.read(s.buf)
	if errors.Is(err, errEmpty) {
		return false
	}
	if err != nil {
		w.troubled(err)
		return false
	}
	w.carry(from, s.buf[:n])
	return true
}

// Drain carries everything that the hosts have sent and returns when both have nothing more to say: what
// one sent, what the other answered at once, and so on. What a host sends later of its own accord, when a
// timer of its kernel comes due or a program makes a call, is not waited for: see [Wire.Watch].
func (w *Wire) Drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
}

func (w *Wire) drain() {
	for !w.closed && (w.next(0) || w.next(1)) {
	}
}

// Add puts further faults into effect. They see what is sent from now on.
func (w *Wire) Add(faults ...Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(faults)
}

func (w *Wire) add(faults []Fault) {
	for _, f := range faults {
		w.faults = append(w.faults, f.arm())
	}
}

// ended notes why the packets of a side are no longer taken, which is as it should be once all is closed.
func (w *Wire) ended(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.troubled(err)
	}
}

// troubled notes a failure of the wire itself.
func (w *Wire) troubled(err error) {
	if len(w.trouble) < maxTrouble {
		w.trouble = append(w.trouble, "the wire failed: "+err.Error())
	}
}

// maxTrouble bounds the list of failures: the first ones tell what there is to tell.
const maxTrouble = 16

// Close carries what still waits, ends the wire and removes the hosts' interfaces. Closing it again does
// nothing. The record stays readable.
func (w *Wire) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.drain()
	w.closed = true
	for _, s := range w.sides {
		switch n, err := s.device.dropped(); {
		case err != nil:
			w.troubled(err)
		case n > 0:
			w.troubled(fmt.Errorf("%d packets of the %s found the queue full and are missing in the record", n, s.end))
		}
	}
	w.mu.Unlock()

	var errs []error
	for _, s := range w.sides {
		errs = append(errs, s.device.close())
	}
	w.loops.Wait()
	for _, h := range []*Host{w.Client, w.Server} {
		if h != nil {
			errs = append(errs, h.net.close())
		}
	}
	return errors.Join(errs...)
}
