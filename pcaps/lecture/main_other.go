//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"

	"tcpwitness/harness/evidence"
)

func beActor() {}

// playAll cannot play here: namespaces, packet capture and ptrace are Linux's own.
func playAll(context.Context, []string) ([]*evidence.Run, error) {
	return nil, fmt.Errorf("%w: they need Linux; -draw draws from the records that are there", errors.ErrUnsupported)
}
