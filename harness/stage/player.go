package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tcpwitness/harness/dialogue"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
)

// Player plays scenes with a program under test: it starts the program in a sandbox, plays the other end
// by the dialogue, and keeps the record. It judges nothing.
type Player struct {
	Theatre  *Theatre
	Program  program.Program
	Dialogue *dialogue.Dialogue
	Role     string // the end under test: evidence.Server or evidence.Client
	Kind     string // as evidence.End has it: "program" or "reference"
	Port     uint16 // of programs that have it built in; 0 for none
	Limits   program.Limits
	// Patience is how long a scene may take in all; 0 for five minutes. It is the last resort: a program that
	// sleeps is given up much sooner (idleEnough), and so is one that only computes (enoughCPU). What a program
	// does not do in it is held against it only where it could not do it any more.
	Patience time.Duration
}

// Scenes are those that the player has for its program.
func (p *Player) Scenes() []evidence.Scene { return dialogue.Scenes(p.Role) }

// Play plays a scene. The run is never nil; what went wrong with the harness stands in its Faults.
func (p *Player) Play(ctx context.Context, scene evidence.Scene) *evidence.Run {
	name := p.Role + "/" + string(scene)
	patience := cmp.Or(p.Patience, enoughPatience)
	whole, cancel := context.WithTimeout(ctx, patience+clearing)
	defer cancel()
	limit, cancelLimit := context.WithTimeout(ctx, patience)
	defer cancelLimit()
	release, err := p.keepPort(whole, scene)
	if err != nil {
		return p.unplayable(name, scene, err)
	}
	defer release()
	set, err := p.Theatre.Set(whole, Scene{Name: name, Title: titles[p.Role][scene], Private: true})
	if err != nil {
		return p.unplayable(name, scene, err)
	}
	a := p.act(set, scene)
	if at := a.binds(scene); p.onHost() && at.IsValid() && a.script.Unplayed == "" && !free(at, false) {
		a.script.Unplayed = taken(at)
	}
	a.limit = limit
	if a.script.Unplayed == "" {
		switch verdict, reason := caught(func() { a.play(scene) }); verdict {
		case rules.Pass:
		case rules.Skip:
			a.script.Unplayed = reason
		default:
			a.run.Faults = append(a.run.Faults, reason)
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			a.script.Unplayed = "the run was interrupted"
		}
	}
	run := a.finish(context.WithoutCancel(ctx))
	if at := a.binds(scene); p.onHost() && a.metTaken() && !free(at, true) {
		a.script.Unplayed = taken(at) // since the scene began
	}
	return run
}

func taken(at netip.AddrPort) string {
	return fmt.Sprintf("%s is in use by another program on this machine, whose loopback is shared", at)
}

// metTaken says whether the program could not bind an address because it was in use.
func (a *act) metTaken() bool {
	return slices.ContainsFunc(a.run.Calls, func(c evidence.Call) bool {
		return c.Op == evidence.OpBind && c.End == a.player.Role && c.Errno == "EADDRINUSE"
	})
}

func (p *Player) unplayable(name string, scene evidence.Scene, err error) *evidence.Run {
	return &evidence.Run{
		Schema: evidence.Schema, Scenario: name, Faults: []string{err.Error()},
		Script: p.Dialogue.Script(p.Role, scene),
	}
}

// onHost says whether scenes share the machine's own loopback.
func (p *Player) onHost() bool { return p.Theatre.Ability.Isolation == sandbox.Shared }

// keepPort keeps a port that the program has built in from other scenes, where these could collide.
func (p *Player) keepPort(ctx context.Context, scene evidence.Scene) (release func(), err error) {
	port := p.Port
	if scene == evidence.SceneBindExample || scene == evidence.SceneBindExampleInUse {
		port = examplePort
	}
	if port == 0 || !p.onHost() {
		return func() {}, nil
	}
	return keepPort(ctx, port)
}

// binds is the address that somebody is to bind in the scene, by the program or for it.
func (a *act) binds(scene evidence.Scene) netip.AddrPort {
	switch {
	case scene == evidence.SceneBindExample, scene == evidence.SceneBindExampleInUse:
		return netip.AddrPortFrom(netip.IPv4Unspecified(), examplePort)
	case scene == evidence.SceneSocketExample, scene == evidence.SceneNoArguments:
		return netip.AddrPort{}
	}
	return a.address
}

const (
	// enoughPatience is how long a scene may take where the player does not say.
	enoughPatience = 5 * time.Minute
	// enoughCPU is the processor time that each process of a program may use in a scene.
	enoughCPU = 8 * time.Second
	// clearing is how long clearing up may take.
	clearing = 30 * time.Second
)

// act is a scene while it is played.
type act struct {
	*Stage
	player *Player
	script *evidence.Script
	// processes are the starts of the program, in order.
	processes []*program.Process
	address   netip.AddrPort
	accepting *Pending        // the accept that has not returned yet, or the last
	limit     context.Context // its end is the deadline of the program
	// over says that the program can do nothing more in the scene, and waiting is in vain.
	over bool
	// sockets is how many sockets the program had when it listened and rested.
	sockets int
}

func (p *Player) act(set *Stage, scene evidence.Scene) *act {
	a := &act{Stage: set, player: p, script: p.Dialogue.Script(p.Role, scene), address: set.ServerAddress()}
	if p.Port != 0 {
		a.address = netip.AddrPortFrom(a.address.Addr(), p.Port)
	}
	a.foreign = true
	a.run.Address = a.address
	a.run.Dialogue = p.Dialogue.Name
	a.run.Script = a.script
	a.run.Rules = nil
	for i := range a.run.Ends {
		if a.run.Ends[i].Name == p.Role {
			a.run.Ends[i] = evidence.End{Name: p.Role, Kind: p.Kind, Command: p.Program.Command(a.address.Addr(), a.address.Port())}
		}
	}
	a.script.ArgumentsWithoutAddress = !slices.ContainsFunc(p.Program.Args, func(arg string) bool { return strings.Contains(arg, "{ip}") })
	if scene == evidence.SceneNoArguments && len(p.Program.Args) == 0 && a.script.Unplayed == "" {
		a.script.Unplayed = "the program takes no arguments"
	}
	if !p.Theatre.Ability.Trace {
		a.lacks(evidence.MissingTrace, p.Theatre.Ability.WhyNotTrace)
		if scene == evidence.SceneShortSend && a.script.Unplayed == "" {
			a.script.Unplayed = "a send is cut short by the tracer, and there is none: " + p.Theatre.Ability.WhyNotTrace
		}
	}
	return a
}

func (a *act) lacks(what, why string) {
	a.run.Missing = append(a.run.Missing, evidence.Missing{What: what, End: a.player.Role, Why: why})
}

func (a *act) play(scene evidence.Scene) {
	switch scene {
	case evidence.SceneSocketExample, evidence.SceneBindExample, evidence.SceneBindExampleInUse:
		a.playExample(scene)
		return
	}
	if a.player.Role == evidence.Server {
		a.playServer(scene)
	} else {
		a.playClient(scene)
	}
}

// start starts the program.
func (a *act) start(p program.Program, alter func(*evidence.Call, func() evidence.Address) int) *program.Process {
	limits := a.player.Limits
	if limits.CPU == 0 {
		limits.CPU = enoughCPU
	}
	process, err := p.Start(a.ctx, program.Start{
		End: a.player.Role, IP: a.address.Addr(), Port: a.address.Port(), Enter: a.Sandbox.Enter,
		Trace: a.theatre.Ability.Trace, Alter: alter, Pace: a.theatre.Pace, Limits: limits,
	})
	if err != nil {
		a.fault("%v", err)
	}
	a.processes = append(a.processes, process)
	a.cleanup = append(a.cleanup, func() { a.take(process) })
	return process
}

// current is the start of the program that is under way.
func (a *act) current() *program.Process { return a.processes[len(a.processes)-1] }

// mark notes a moment.
func (a *act) mark(name string) {
	a.run.Marks = append(a.run.Marks, evidence.Mark{Time: evidence.Now(), Name: name, End: a.player.Role})
}

// finish ends the scene: what the program does from now on is the effect of clearing up.
func (a *act) finish(ctx context.Context) *evidence.Run {
	if len(a.processes) > 0 {
		a.mark(evidence.MarkSceneEnd)
	}
	bounded, cancel := context.WithTimeout(ctx, clearing)
	defer cancel()
	run := a.Finish(bounded)
	renumber(run)
	return run
}

// take ends a process and takes its calls and outcome into the record.
func (a *act) take(process *program.Process) {
	reason := program.ReasonNotNeeded
	if a.limit.Err() != nil {
		reason = program.ReasonDeadline
	}
	outcome := process.Stop(reason)
	if _, why := process.Traced(); why != "" {
		if _, known := a.run.Lacks(evidence.MissingTrace, a.player.Role); !known {
			a.lacks(evidence.MissingTrace, why)
		}
	}
	a.run.Calls = append(a.run.Calls, process.Calls()...)
	a.run.Outcomes = append(a.run.Outcomes, *outcome)
}

// renumber brings the calls of both ends, and the starts of the program, into the order in which they were.
func renumber(run *evidence.Run) {
	slices.SortStableFunc(run.Outcomes, func(x, y evidence.Outcome) int { return int(x.Started - y.Started) })
	slices.SortStableFunc(run.Calls, func(x, y evidence.Call) int { return int(x.Entry - y.Entry) })
	for i := range run.Calls {
		run.Calls[i].N = i + 1
	}
}

// titles say what is played.
var titles = map[string]map[evidence.Scene]string{
	evidence.Server: {
		evidence.ScenePlain:       "a good exchange with one client after another",
		evidence.SceneByteByByte:  "the message arrives in single bytes",
		evidence.SceneFullMessage: "the message is as long as can be",
		evidence.SceneSilent:      "a client connects and closes without a byte",
		evidence.SceneResetBefore: "a client resets before its first byte",
		evidence.SceneResetAfter:  "a client resets after its message",
		evidence.SceneTwoClients:  "a client falls silent in its message, and a later one speaks",
		evidence.SceneManyClients: "many clients one after another",
		evidence.SceneRestart:     "the server is started again right after a connection",
		evidence.ScenePortInUse:   "the port is in use",
		evidence.SceneNoArguments: "the arguments are missing",
	},
	evidence.Client: {
		evidence.ScenePlain:            "a good exchange",
		evidence.SceneByteByByte:       "the reply arrives in single bytes",
		evidence.SceneClosedBefore:     "the server closes before the line is fed to the client",
		evidence.SceneClosedAfter:      "the server closes after the message, without a reply",
		evidence.SceneResetServer:      "the server resets the connection",
		evidence.SceneRefused:          "nobody listens on the address",
		evidence.SceneEmptyInput:       "standard input is at its end from the beginning",
		evidence.SceneShortSend:        "the client's send is cut short",
		evidence.SceneNoArguments:      "the arguments are missing",
		evidence.SceneSocketExample:    "the notes' program that creates a socket",
		evidence.SceneBindExample:      "the notes' program that binds",
		evidence.SceneBindExampleInUse: "the notes' program that binds, with the port in use",
	},
}

func (a *act) String() string { return fmt.Sprintf("scene %s", a.run.Scenario) }
