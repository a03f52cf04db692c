//go:build !linux || !(amd64 || arm64)

package program

import (
	"context"
	"errors"
)

// run yields errors.ErrUnsupported: programs are run on Linux.
func (l *launch) run(context.Context, *Process) (runner, error) {
	return nil, errors.ErrUnsupported
}
