//go:build !linux || !(amd64 || arm64)

package calltrace

import (
	"context"
	"fmt"
	"time"
)

type engine struct{}

// Start cannot trace on this platform: the error is an [ErrUnavailable].
func Start(_ context.Context, cmd Command) (*Trace, error) {
	return nil, fmt.Errorf("start %s: %w", cmd.Path, ErrUnavailable)
}

// Probe says that programs cannot be traced on this platform.
func Probe() error { return ErrUnavailable }

// PID is 0 on this platform.
func (t *Trace) PID() int { return 0 }

// Kill does nothing on this platform.
func (t *Trace) Kill(string) {}

// CPU is 0 on this platform.
func (t *Trace) CPU() time.Duration { return 0 }
