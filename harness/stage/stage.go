// Package stage puts a scenario together and yields its record: two ends in a private sandbox, a running
// capture, and a log of every call. A spec speaks to its two ends, [Stage.Client] and [Stage.Server], and
// to what the wire shows, [Stage.Conversation].
//
// A spec ends early in one of four ways: something it expected did not hold (a failure), the scene could
// not be set or the harness failed (an error), something cannot be observed on this machine (a skip), or
// the run was interrupted. [Attempt] tells them apart.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"tcpwitness/harness/capture"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/wire"
)

// Theatre is where scenarios are played: it has sandboxes ready and knows what the machine allows. One
// process has one.
type Theatre struct {
	Ability sandbox.Ability
	// API, where set, takes the place of the kernel's sockets API: it is given the kernel's and yields the
	// one to use. That is how implementations known to be broken are tried.
	API func(kernel sockets.API) sockets.API
	// Tamper, where set, changes what the capture shows. That is how a wire that misbehaves is tried.
	Tamper func([]evidence.Packet) []evidence.Packet
	// Faults, where set, is given the faults that a scene asks of its wire and yields those that the wire has.
	// A scripted peer's wire has none of its own. That is how a wire, or the kernel behind it, that does more
	// harm than a stack can repair is tried.
	Faults func(asked []wire.Fault) []wire.Fault
	// Pace, where set, is called before a traced program goes on after a stop, on the tracer's thread. That is
	// how a slow tracer is tried.
	Pace func()

	pool  *sandbox.Pool[*capture.Capture]
	quiet sync.RWMutex // held for reading while something is prepared in the background
}

// Open makes a theatre. It must be closed.
func Open(ability sandbox.Ability) *Theatre {
	t := &Theatre{Ability: ability}
	plan := sandbox.Plan[*capture.Capture]{Isolation: ability.Isolation, Depth: 4, Gate: t.quiet.RLocker()}
	if ability.Capture {
		plan.Attach = func(sb *sandbox.Sandbox) (*capture.Capture, error) { return capture.Open(sb, capture.Options{}) }
		plan.Detach = func(c *capture.Capture) { c.Close() }
	}
	t.pool = sandbox.NewPool(plan)
	return t
}

// Close lets go of what was prepared.
func (t *Theatre) Close() error { return t.pool.Close() }

// Scene says what is to be played.
type Scene struct {
	Name  string   // unique in the suite
	Rules []string // ids of the rules that it is staged for
	Title string
	IPv6  bool
	// Private has the harness's own descriptors closed in programs that it starts. Without it they behave
	// as the documents have it, which specs about descriptors look at.
	Private bool
	// Wire, where set, has the two ends on two hosts with a wire between them, in place of one loopback.
	Wire *WireScene
}

// Stage is one scenario while it is played.
type Stage struct {
	Client, Server *Endpoint        // nil for an end that is scripted
	Sandbox        *sandbox.Sandbox // nil on a wire
	Peer           *wire.Peer       // the scripted end; nil where there is none

	scene   Scene
	ctx     context.Context
	theatre *Theatre
	capture *capture.Capture
	log     *sockets.Log
	working sync.WaitGroup // calls that have begun
	cleanup []func()
	steps   map[int]bool // calls, by number, that only set the scene
	looked  []int        // frames that the spec has looked at, by number
	quiet   bool         // the theatre prepares nothing meanwhile
	foreign bool         // a program under test plays an end
	settler *settler
	run     evidence.Run

	cable  cable                 // nil on a loopback
	wire   *wire.Wire            // nil with a scripted peer
	hosts  map[string]*wire.Host // by end
	cannot string                // why there is no wire
}

// Set takes a sandbox, or makes a wire, and sets a stage in it. The context's end is the deadline of
// everything that the spec waits for. The stage must be finished.
func (t *Theatre) Set(ctx context.Context, scene Scene) (*Stage, error) {
	if scene.Wire != nil {
		return t.setOnWire(ctx, scene)
	}
	sb, packets, err := t.pool.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("set the stage of %s: %w", scene.Name, err)
	}
	s := t.bare(ctx, scene)
	s.Sandbox, s.capture = sb, packets
	if scene.IPv6 && !sb.Address6().IsValid() {
		s.run.Missing = append(s.run.Missing, evidence.Missing{What: evidence.MissingNamespace, Why: "the loopback has no IPv6"})
	}
	s.run.Address = s.ServerAddress()
	if packets == nil {
		s.run.Missing = append(s.run.Missing, evidence.Missing{What: evidence.MissingCapture, Why: t.Ability.WhyNotCapture})
	}
	var api sockets.API = s.kernel(nil)
	if t.API != nil {
		api = t.API(api)
	}
	s.Client = &Endpoint{Name: evidence.Client, API: api, stage: s}
	s.Server = &Endpoint{Name: evidence.Server, API: api, stage: s}
	return s, nil
}

// bare is a stage with nothing on it.
func (t *Theatre) bare(ctx context.Context, scene Scene) *Stage {
	return &Stage{
		scene: scene, ctx: ctx, theatre: t, log: sockets.NewLog(), steps: map[int]bool{},
		run: evidence.Run{
			Schema: evidence.Schema, Scenario: scene.Name, Rules: scene.Rules, Title: scene.Title,
			Started: evidence.Now(), Host: Host(t.Ability),
			Ends: []evidence.End{{Name: evidence.Client, Kind: "in-process"}, {Name: evidence.Server, Kind: "in-process"}},
		},
	}
}

// Host describes a machine for the record.
func Host(a sandbox.Ability) evidence.Host {
	os, kernel := system()
	return evidence.Host{OS: os, Kernel: kernel, Isolation: a.Isolation.String(), Capture: a.Capture, Trace: a.Trace}
}

// Context ends with the deadline of the spec.
func (s *Stage) Context() context.Context { return s.ctx }

// Domain is the address family of the scenario, AF_INET or AF_INET6.
func (s *Stage) Domain() int {
	if s.scene.IPv6 {
		return syscall.AF_INET6
	}
	return syscall.AF_INET
}

// ServerAddress is the address and port that the server is to serve on.
func (s *Stage) ServerAddress() netip.AddrPort {
	if s.cable != nil {
		return netip.AddrPortFrom(s.addressOf(evidence.Server), wirePort)
	}
	if s.scene.IPv6 {
		return netip.AddrPortFrom(s.Sandbox.Address6(), s.Sandbox.Port())
	}
	return netip.AddrPortFrom(s.Sandbox.Address(), s.Sandbox.Port())
}

// OtherAddress is a second local address.
func (s *Stage) OtherAddress() netip.Addr {
	if s.scene.IPv6 {
		return netip.IPv6Loopback()
	}
	return s.Sandbox.ClientAddress()
}

// AnyAddress is the unspecified address of the scenario's family.
func (s *Stage) AnyAddress() netip.Addr {
	if s.scene.IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// FirstCall is the first call of its kind that an end made.
func (s *Stage) FirstCall(end string, op evidence.Op) evidence.Call {
	for _, c := range s.log.Calls() {
		if c.End == end && c.Op == op {
			return c
		}
	}
	s.fault("the %s has made no call of %s", end, op)
	return evidence.Call{}
}

// Finish ends the scenario and yields its record. The capture ends first, so that it shows what the spec
// did and not how its sockets were cleared away.
func (s *Stage) Finish(ctx context.Context) *evidence.Run {
	if s.capture != nil {
		packets, err := s.capture.Stop(ctx)
		switch {
		case errors.Is(err, capture.ErrTooMuch) && s.foreign:
			// A part of the packets would show what was not so.
			packets = nil
			s.run.Missing = append(s.run.Missing, evidence.Missing{What: evidence.MissingCapture, Why: "the program flooded the network: " + err.Error()})
		case err != nil:
			s.run.Faults = append(s.run.Faults, err.Error())
		}
		s.run.Packets = s.seen(packets)
		s.run.Interfaces = []evidence.Interface{s.capture.Interface()}
		s.capture.Close()
	}
	s.endWire()
	s.run.Calls = s.log.Calls()
	s.run.Ended = evidence.Now()
	for i := len(s.cleanup) - 1; i >= 0; i-- {
		s.cleanup[i]()
	}
	s.clear(ctx)
	if s.Sandbox != nil {
		if err := s.Sandbox.Close(); err != nil {
			s.run.Faults = append(s.run.Faults, err.Error())
		}
	}
	return &s.run
}

// unspecified is an address of family AF_UNSPEC: to connect to it ends a connection (POSIX connect).
var unspecified = make(sockets.SockAddr, 16)

// clear closes what the spec left open and sees blocked calls return.
func (s *Stage) clear(ctx context.Context) {
	var kernel sockets.Kernel
	for _, fd := range s.leftOpen() {
		kernel.Shutdown(fd, syscall.SHUT_RDWR) // wakes whoever is blocked on it
		if s.cable != nil {
			kernel.Connect(fd, unspecified) // wakes a connect in SYN-RECEIVED, which a shutdown does not
		}
	}
	ended := make(chan struct{})
	go func() {
		s.working.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		s.run.Faults = append(s.run.Faults, "a call did not return when its socket was shut down")
	}
	for _, fd := range s.leftOpen() {
		kernel.Close(fd)
	}
}

// leftOpen lists the descriptors that recorded calls made and no recorded call closed.
func (s *Stage) leftOpen() []int {
	open := map[int]bool{}
	for _, c := range s.log.Calls() {
		switch {
		case c.NewFD != nil && c.Succeeded():
			open[*c.NewFD] = true
		case c.Op == evidence.OpClose && c.Succeeded():
			delete(open, c.FD)
		}
	}
	var fds []int
	for fd := range open {
		if sockets.Identity(fd) != 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}
