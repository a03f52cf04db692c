// Package suites holds the specs, one file a chapter. Each spec asserts one documented behaviour, named by
// its rule; what the rule says stands in the catalogue (package rules).
//
// The specs of the API and wire chapters run against the sockets API of the kernel, or any other
// implementation of sockets.API; those of the program chapters run a client or a server as a black box.
package suites

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/stage"
	"tcpwitness/harness/wire"
)

// deadline is how long a scenario may take. No scenario needs a tenth of it; it bounds what hangs.
const deadline = 60 * time.Second

// Spec is the spec of one rule, in one variant.
type Spec struct {
	Rule rules.Rule
	IPv6 bool
	// Wire, where set, has the ends on two hosts; see [stage.WireScene].
	Wire *stage.WireScene
	Body func(s *stage.Stage)
}

// Name is that of the scenario, and of its files.
func (s Spec) Name() string {
	if s.IPv6 {
		return s.Rule.ID + ".ipv6"
	}
	return s.Rule.ID
}

// Variant tells the rule's specs apart.
func (s Spec) Variant() string {
	if s.IPv6 {
		return "over IPv6"
	}
	return ""
}

func (s Spec) title() string {
	title := s.Rule.ID + ": " + s.Rule.Claim
	if s.IPv6 {
		return title + " (over IPv6)"
	}
	return title
}

// Perform plays the spec in a theatre and yields the finding with the record that it rests on. The record
// is nil where the stage could not be set.
func (s Spec) Perform(ctx context.Context, theatre *stage.Theatre) (rules.Finding, *evidence.Run) {
	finding := rules.Finding{Rule: s.Rule.ID, Scenario: s.Name()}
	bounded, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	set, err := theatre.Set(bounded, stage.Scene{Name: s.Name(), Rules: []string{s.Rule.ID}, Title: s.Rule.Claim, IPv6: s.IPv6, Wire: s.Wire})
	if err != nil {
		finding.Verdict, finding.Reason = rules.Error, err.Error()
		return finding, nil
	}
	finding.Verdict, finding.Reason = stage.Attempt(func() { s.Body(set) })
	interrupted := finding.Verdict != rules.Pass && errors.Is(context.Cause(bounded), context.Canceled)
	finding.Calls, finding.Frames = set.Judged()
	ending, cancelEnding := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancelEnding()
	run := set.Finish(ending)
	switch {
	case interrupted:
		finding.Verdict, finding.Reason = rules.Skip, "the run was interrupted"
	case len(run.Faults) > 0:
		finding.Verdict, finding.Reason = rules.Error, run.Faults[0]
	}
	return finding, run
}

// overIPv6 are the chapters whose specs run over IPv4 and over IPv6.
var overIPv6 = []string{"socket", "connect", "accept", "close", "shutdown", "tcp"}

// specs are those that the tree has been built with.
var specs []Spec

// Specs yields the specs of the API and wire chapters once the tree is built (which RunSpecs and
// PreviewSpecs do).
func Specs() []Spec { return slices.Clone(specs) }

// rule declares the spec of a rule: title, labels and level come from the catalogue. In chapters that run
// over both it declares one for IPv4 and one for IPv6.
func rule(id string, body func(s *stage.Stage)) {
	r, wanted := named(id)
	if !wanted {
		return
	}
	declare(Spec{Rule: r, Body: body})
	if slices.Contains(overIPv6, r.Chapter) {
		declare(Spec{Rule: r, Body: body, IPv6: true})
	}
}

// ruleOnWire declares the spec of a rule between two hosts on a wire of that kind, over IPv4 and over IPv6.
func ruleOnWire(id string, of wire.Options, body func(s *stage.Stage)) {
	declareOnWire(id, stage.WireScene{Options: of}, body)
}

// ruleOnPeer declares the spec of a rule between a host and a scripted peer that plays an end, over IPv4 and
// over IPv6.
func ruleOnPeer(id, plays string, of wire.Options, body func(s *stage.Stage, peer *wire.Peer)) {
	declareOnWire(id, stage.WireScene{Options: of, Scripted: plays}, func(s *stage.Stage) { body(s, s.Peer) })
}

func declareOnWire(id string, scene stage.WireScene, body func(s *stage.Stage)) {
	r, wanted := named(id)
	if !wanted {
		return
	}
	for _, ipv6 := range []bool{false, true} {
		declare(Spec{Rule: r, IPv6: ipv6, Wire: &scene, Body: func(s *stage.Stage) {
			s.NeedsWire()
			body(s)
		}})
	}
}

// named looks up the rule of a spec, and says whether the spec is wanted in this run.
func named(id string) (r rules.Rule, wanted bool) {
	r, known := rules.Lookup(id)
	if !known {
		panic(fmt.Sprintf("a spec names the rule %q, which the catalogue does not have", id))
	}
	// Where a program was given, only it is judged.
	return r, theHouse == nil || !theHouse.judgesProgram()
}

func declare(s Spec) {
	specs = append(specs, s)
	It(s.title(), labels(s.Rule, s.IPv6), SpecTimeout(2*deadline), func(ctx SpecContext) {
		if theHouse == nil {
			Skip("the suites were not started by their own test")
		}
		finding, run := s.Perform(ctx, theHouse.theatre)
		theHouse.conclude(finding, s.Variant(), run)
	})
}

// scenario declares a spec that belongs to no rule; its evidence is kept like the others'.
func scenario(name, title string, body func(s *stage.Stage)) {
	if theHouse != nil && theHouse.judgesProgram() {
		return
	}
	It(title, SpecTimeout(2*deadline), func(ctx SpecContext) {
		if theHouse == nil {
			Skip("the suites were not started by their own test")
		}
		spec := Spec{Rule: rules.Rule{ID: name, Claim: title, Level: rules.Must}, Body: body}
		finding, run := spec.Perform(ctx, theHouse.theatre)
		theHouse.conclude(finding, "", run)
	})
}

func labels(r rules.Rule, ipv6 bool) Labels {
	all := Labels{r.ID, r.Chapter, string(r.Level)}
	if r.Documented {
		all = append(all, "documented")
	} else {
		all = append(all, "extended")
	}
	if ipv6 {
		all = append(all, "ipv6")
	}
	return all
}
