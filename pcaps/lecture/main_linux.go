package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

// ability is what the machine allows; the error, which wraps errors.ErrUnsupported, says what the scenes
// lack here.
func ability() (sandbox.Ability, error) {
	able, err := sandbox.Probe(sandbox.Auto)
	if err != nil {
		return able, err
	}
	for _, need := range []struct {
		name, why string
		there     bool
	}{
		{"network namespaces", able.WhyShared, able.Isolation == sandbox.Namespace},
		{"packet capture", able.WhyNotCapture, able.Capture},
		{"tracing", able.WhyNotTrace, able.Trace},
	} {
		if !need.there {
			return able, fmt.Errorf("%w: no %s: %s", errors.ErrUnsupported, need.name, need.why)
		}
	}
	return able, nil
}

// playAll plays the scenes with these names, all where there are none.
func playAll(ctx context.Context, names []string) ([]*evidence.Run, error) {
	able, err := ability()
	if err != nil {
		return nil, err
	}
	var runs []*evidence.Run
	for _, s := range scenes() {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		run, err := playScene(ctx, s, able)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}
