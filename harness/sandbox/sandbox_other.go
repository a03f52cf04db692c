//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
)

// New fails with errors.ErrUnsupported: sandboxes are Linux's own.
func New(isolation Isolation) (*Sandbox, error) {
	return nil, fmt.Errorf("make a sandbox on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Enter fails with errors.ErrUnsupported.
func (s *Sandbox) Enter() error {
	return fmt.Errorf("enter %v: %w", s, errors.ErrUnsupported)
}

// Do fails with errors.ErrUnsupported.
func (s *Sandbox) Do(f func() error) error {
	return fmt.Errorf("enter %v: %w", s, errors.ErrUnsupported)
}
