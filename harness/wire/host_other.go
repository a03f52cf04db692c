//go:build !linux

package wire

import (
	"context"
	"errors"
	"fmt"
)

type namespace struct{}

func (namespace) enter() error          { return errNoNamespaces() }
func (namespace) do(func() error) error { return errNoNamespaces() }
func (namespace) close() error          { return nil }

func newHost(_ context.Context, l layout) (*Host, device, error) {
	return nil, nil, fmt.Errorf("set up the %s's host: %w", l.end, errNoNamespaces())
}

func errNoNamespaces() error {
	return fmt.Errorf("network namespaces and TUN interfaces are Linux's own: %w", errors.ErrUnsupported)
}
