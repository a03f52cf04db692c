package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/wire"
)

// WireScene says that the two ends are two hosts, and what lies between them.
type WireScene struct {
	// Options are those of the wire, or of the scripted peer; a peer knows no faults.
	wire.Options
	// Scripted is the end that a scripted peer plays, [evidence.Client] or [evidence.Server]; empty where both
	// ends are hosts.
	Scripted string
}

// wirePort is where servers on a wire serve. The hosts are the scenario's own, so every port is free.
const wirePort = 8080

// cable is what connects the ends of a scenario that is not played on a loopback.
type cable interface {
	Fill(run *evidence.Run)
	Close() error
}

// setOnWire sets a stage whose ends are two hosts, or a host and a scripted peer. Where the machine allows
// no wire, the stage stays bare and says why: see [Stage.NeedsWire].
func (t *Theatre) setOnWire(ctx context.Context, scene Scene) (*Stage, error) {
	s := t.bare(ctx, scene)
	if t.Ability.Isolation != sandbox.Namespace {
		s.lacksWire("isolation is shared: " + t.Ability.WhyShared)
		return s, nil
	}
	options := scene.Wire.Options
	if t.Faults != nil {
		options.Faults = t.Faults(options.Faults)
	}
	switch err := s.connect(ctx, options); {
	case errors.Is(err, errors.ErrUnsupported):
		s.lacksWire(err.Error())
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("set the stage of %s: %w", scene.Name, err)
	}
	for _, end := range []string{evidence.Client, evidence.Server} {
		if !s.addressOf(end).IsValid() {
			s.lacksWire("the hosts have no IPv6")
			return s, nil
		}
	}
	s.run.Address = s.ServerAddress()
	s.Client, s.Server = s.endpointOn(evidence.Client), s.endpointOn(evidence.Server)
	return s, nil
}

// connect makes the hosts and what lies between them.
func (s *Stage) connect(ctx context.Context, options wire.Options) error {
	if s.scene.Wire.Scripted == "" {
		w, err := wire.New(ctx, options)
		if err != nil {
			return fmt.Errorf("make a wire: %w", err)
		}
		s.wire, s.cable = w, w
		s.hosts = map[string]*wire.Host{evidence.Client: w.Client, evidence.Server: w.Server}
		return nil
	}
	p, err := wire.NewPeer(ctx, wire.PeerOptions{Plays: s.scene.Wire.Scripted, Options: options})
	if err != nil {
		return fmt.Errorf("make a scripted peer: %w", err)
	}
	s.Peer, s.cable = p, p
	s.hosts = map[string]*wire.Host{p.Host().End(): p.Host()}
	for i := range s.run.Ends {
		if s.run.Ends[i].Name == s.scene.Wire.Scripted {
			s.run.Ends[i].Kind = "scripted"
		}
	}
	return nil
}

// lacksWire notes why nothing can be played.
func (s *Stage) lacksWire(why string) {
	s.cannot = why
	s.run.Missing = append(s.run.Missing, evidence.Missing{What: evidence.MissingNamespace, Why: why})
}

// NeedsWire ends the spec where the machine allows no wire between two hosts.
func (s *Stage) NeedsWire() {
	if s.cannot != "" {
		s.skip("no wire between two hosts is to be had: " + s.cannot)
	}
}

// endpointOn is an end with the sockets of its host; nil for one that is scripted.
func (s *Stage) endpointOn(end string) *Endpoint {
	host := s.hosts[end]
	if host == nil {
		return nil
	}
	var api sockets.API = &sockets.Kernel{Cookie: cookie(host.Do), Private: s.scene.Private, Do: host.Do}
	if s.theatre.API != nil {
		api = s.theatre.API(api)
	}
	return &Endpoint{Name: end, API: api, stage: s}
}

// addressOf is an end's address in the scenario's family; not valid where there is none.
func (s *Stage) addressOf(end string) netip.Addr {
	var of interface {
		Address() netip.Addr
		Address6() netip.Addr
	} = s.Peer
	if host := s.hosts[end]; host != nil {
		of = host
	}
	if s.scene.IPv6 {
		return of.Address6()
	}
	return of.Address()
}

// settleWire waits until both hosts have nothing more to say.
func (s *Stage) settleWire() {
	if s.wire != nil {
		s.wire.Drain()
		return
	}
	if err := s.Peer.Barrier(s.ctx); err != nil {
		s.fault("settle the wire: %v", err)
	}
}

// shown is what the cable has recorded so far.
func (s *Stage) shown() ([]evidence.Packet, []evidence.Interface) {
	var so evidence.Run
	s.cable.Fill(&so)
	return so.Packets, so.Interfaces
}

// At is what one side of the wire has shown so far.
func (s *Stage) At(end string) *conversation.Analysis {
	s.needsCapture()
	s.Settle()
	packets, interfaces := s.shown()
	var side []evidence.Packet
	for _, p := range s.seen(packets) {
		if interfaces[p.Interface].End == end {
			side = append(side, p)
		}
	}
	return s.analysed(side, interfaces)
}

// SeenBy is the first TCP conversation as an end's side of the wire has shown it so far. What was lost on
// the way to that end is not in it.
func (s *Stage) SeenBy(end string) *conversation.Conversation {
	if all := s.Wire().SeenBy(end); len(all) > 0 {
		return all[0]
	}
	s.fault("the %s's side of the wire shows no TCP segment", end)
	return nil
}

// awaitOnWire asks again whenever a packet was carried, until the condition holds or the deadline comes.
func (s *Stage) awaitOnWire(holds func([]evidence.Packet, []evidence.Interface) bool) {
	if s.wire == nil {
		s.fault("what a scripted peer sees is awaited by what it expects")
	}
	for {
		next := s.wire.Watch(wire.Anything)
		if holds(s.shown()) || next.Wait(s.ctx) != nil {
			return
		}
	}
}

// AcceptedFromPeer has the server listen, the scripted peer connect with these fields in its SYN, and the
// server accept.
func (s *Stage) AcceptedFromPeer(fields ...wire.Field) *Socket {
	listener := s.Server.Listening()
	if err := s.Peer.Connect(s.ctx, s.ServerAddress(), fields...); err != nil {
		s.fault("the scene could not be set: %v", err)
	}
	return s.Server.Accepted(listener)
}

// endWire ends the wire, before the sockets are cleared away, and fills in the record.
func (s *Stage) endWire() {
	if s.cable == nil {
		return
	}
	if s.wire != nil {
		s.wire.Drain()
	}
	if err := s.cable.Close(); err != nil {
		s.run.Faults = append(s.run.Faults, "end the wire: "+err.Error())
	}
	s.cable.Fill(&s.run)
	s.run.Packets = s.seen(s.run.Packets)
}
