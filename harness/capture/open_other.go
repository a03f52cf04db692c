//go:build !linux

package capture

import (
	"errors"
	"fmt"

	"tcpwitness/harness/sandbox"
)

// Open fails with errors.ErrUnsupported.
func Open(in *sandbox.Sandbox, options Options) (*Capture, error) {
	return nil, fmt.Errorf("open a capture in %v: %w", in, errors.ErrUnsupported)
}
