//go:build !linux

package stage

import (
	"context"
	"net/netip"
)

func keepPort(context.Context, uint16) (release func(), err error) { return func() {}, nil }

func free(netip.AddrPort, bool) bool { return true }
