//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
)

// Probe finds that nothing is possible: sandboxes, captures and traces are Linux's own. It fails with
// errors.ErrUnsupported where Namespace is wished.
func Probe(wish Isolation) (Ability, error) {
	why := "not on " + runtime.GOOS
	a := Ability{
		Isolation: Shared, WhyShared: why,
		WhyNotCapture: why, WhyNotTrace: why, WhyNotPIDNamespace: why,
	}
	if wish == Namespace {
		return a, fmt.Errorf("isolation %s on %s: %w", wish, runtime.GOOS, errors.ErrUnsupported)
	}
	return a, nil
}
