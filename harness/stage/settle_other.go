//go:build !linux

package stage

import (
	"context"
	"errors"
)

type settler struct {
	address  [4]byte
	from, to uint16
}

func openSettler(*Stage) (*settler, error)   { return nil, errors.ErrUnsupported }
func (*settler) round(context.Context) error { return errors.ErrUnsupported }
func (*settler) close()                      {}
