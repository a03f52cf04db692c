package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tcpwitness/harness/capture"
	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/stage"
	"tcpwitness/harness/wire"
)

// patience bounds a scene. None needs a tenth of it.
const patience = 2 * time.Minute

// play is a scene while it is played: two programs, and what lies between them.
type play struct {
	Client, Server *end
	ends           []*end // these and further ones

	ctx     context.Context
	run     evidence.Run
	address netip.AddrPort // where the server serves

	sandbox *sandbox.Sandbox // with capture: both programs on one loopback
	capture *capture.Capture
	wire    *wire.Wire // or: two hosts with a wire between them
}

// broken is what ends a scene that could not be played to its end.
type broken struct{ error }

func (p *play) fail(format string, arguments ...any) { panic(broken{fmt.Errorf(format, arguments...)}) }

// playScene plays a scene and yields its record, each packet with a comment.
func playScene(ctx context.Context, s *scene, ability sandbox.Ability) (run *evidence.Run, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := &play{ctx: ctx, run: evidence.Run{
		Schema: evidence.Schema, Scenario: s.name, Rules: s.rules, Title: s.title.En, Host: stage.Host(ability),
		Ends: []evidence.End{{Name: evidence.Client, Kind: "program"}, {Name: evidence.Server, Kind: "program"}},
	}}
	defer p.clear()
	defer func() {
		switch early := recover().(type) {
		case nil:
		case broken:
			run, err = nil, fmt.Errorf("play %s: %w", s.name, early.error)
		default:
			panic(early)
		}
	}()
	p.set(s.onWire, s.faults)
	scripts()[s.name](p)
	p.end()
	if len(p.run.Faults) > 0 {
		return nil, fmt.Errorf("play %s: %s", s.name, p.run.Faults[0])
	}
	p.run.Host.Kernel, _, _ = strings.Cut(p.run.Host.Kernel, "-") // who built it does not matter
	for i := range p.run.Packets {
		if lost := &p.run.Packets[i]; lost.Fate == evidence.Lost {
			lost.Comment = "" // the wire's own note says no more than the comment will
		}
	}
	conversation.Analyse(&p.run).Annotate(&p.run)
	return &p.run, nil
}

// The address that servers of a loopback serve on: the namespace is the scene's own, so every port is free.
// Clients get 127.0.0.1, so that Wireshark's columns and its flow graph tell the two ends apart.
var loopback = netip.MustParseAddrPort("127.0.0.2:8080")

// set makes the network and starts both programs.
func (p *play) set(onWire bool, faults []wire.Fault) {
	enter := map[string]func() error{}
	if onWire {
		w, err := wire.New(p.ctx, wire.Options{Faults: faults})
		if err != nil {
			p.fail("make a wire: %w", err)
		}
		p.wire, p.address = w, netip.AddrPortFrom(w.Server.Address(), loopback.Port())
		enter[evidence.Client], enter[evidence.Server] = w.Client.Enter, w.Server.Enter
	} else {
		sb, err := sandbox.New(sandbox.Namespace)
		if err != nil {
			p.fail("make a sandbox: %w", err)
		}
		p.sandbox, p.address = sb, loopback
		if p.capture, err = capture.Open(sb, capture.Options{}); err != nil {
			p.fail("%w", err)
		}
		enter[evidence.Client], enter[evidence.Server] = sb.Enter, sb.Enter
	}
	p.Client = &end{play: p, name: evidence.Client, enter: enter[evidence.Client]}
	p.Server = &end{play: p, name: evidence.Server, enter: enter[evidence.Server]}
	for _, e := range []*end{p.Client, p.Server} {
		p.start(e)
	}
	p.run.Address = p.address
}

// start starts a program that plays an end.
func (p *play) start(e *end) {
	p.ends = append(p.ends, e)
	e.start()
}

// another starts a second program that plays the same end.
func (p *play) another(e *end) *end {
	second := &end{play: p, name: e.name, enter: e.enter}
	p.start(second)
	return second
}

// end ends the record: what the programs do from now on is the effect of clearing up.
func (p *play) end() {
	for _, e := range p.ends {
		p.run.Calls = append(p.run.Calls, e.calls()...)
	}
	slices.SortStableFunc(p.run.Calls, func(a, b evidence.Call) int { return int(a.Entry - b.Entry) })
	for i := range p.run.Calls {
		p.run.Calls[i].N = i + 1
	}
	if p.capture != nil {
		packets, err := p.capture.Stop(p.ctx)
		if err != nil {
			p.fail("%w", err)
		}
		p.run.Packets, p.run.Interfaces = packets, []evidence.Interface{p.capture.Interface()}
	} else {
		if err := p.wire.Close(); err != nil {
			p.fail("end the wire: %w", err)
		}
		p.wire.Fill(&p.run)
	}
	p.run.Ended = evidence.Now()
}

func (p *play) clear() {
	if p.capture != nil {
		p.capture.Close()
	}
	for _, e := range p.ends {
		if e.process != nil {
			e.process.Stop(program.ReasonNotNeeded)
		}
	}
	if p.wire != nil {
		p.wire.Close()
	}
	if p.sandbox != nil {
		p.sandbox.Close()
	}
}

// until waits until what the wire has shown is as wanted.
func (p *play) until(what string, holds func(*conversation.Analysis) bool) {
	if p.capture != nil {
		shown := []evidence.Interface{p.capture.Interface()}
		if _, err := p.capture.Await(p.ctx, func(packets []evidence.Packet) bool {
			return holds(conversation.AnalysePackets(packets, shown))
		}); err != nil {
			p.fail("wait for %s: %w", what, err)
		}
		return
	}
	for {
		next := p.wire.Watch(wire.Anything)
		if holds(conversation.AnalysePackets(p.wire.Packets(), p.wire.Interfaces())) {
			return
		}
		if err := next.Wait(p.ctx); err != nil {
			p.fail("wait for %s: %w", what, err)
		}
	}
}

// connected waits until the server has the last segment of the n-th handshake.
func (p *play) connected(n int) {
	p.until("the handshake", func(a *conversation.Analysis) bool {
		c := seen(a, evidence.Server, n)
		return c != nil && c.Handshake.Complete()
	})
}

// acknowledged waits until an end of the n-th conversation has seen that many bytes of its own acknowledged.
func (p *play) acknowledged(from *end, n, bytes int) {
	p.until(fmt.Sprintf("the acknowledgement of %d bytes of the %s", bytes, from.name), func(a *conversation.Analysis) bool {
		c := seen(a, from.name, n)
		return c != nil && c.Sent(from.name).Acked > int64(bytes)
	})
}

// finAcknowledged waits until an end of the n-th conversation has seen its FIN acknowledged.
func (p *play) finAcknowledged(from *end, n int) {
	p.until("the acknowledgement of the "+from.name+"'s FIN", func(a *conversation.Analysis) bool {
		c := seen(a, from.name, n)
		return c != nil && c.Sent(from.name).FINAck != nil
	})
}

// reset waits until an end of the n-th conversation has sent RST.
func (p *play) reset(from *end, n int) {
	p.until("the "+from.name+"'s RST", func(a *conversation.Analysis) bool {
		c := seen(a, from.name, n)
		return c != nil && len(c.Sent(from.name).RSTs) > 0
	})
}
