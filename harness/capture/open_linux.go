package capture

import (
	"fmt"
	"net/netip"

	"tcpwitness/harness/sandbox"
)

// Open begins to capture the loopback of a sandbox. It takes some milliseconds, most of it waiting for the
// kernel: let a sandbox.Pool do it ahead of time. It needs CAP_NET_RAW in the sandbox's namespace.
func Open(in *sandbox.Sandbox, options Options) (*Capture, error) {
	options = options.withDefaults()
	own := newMarker()
	program, err := filter(own, options.SnapLength, scopeOf(in))
	if err != nil {
		return nil, err
	}
	var from *ring
	err = in.Do(func() (err error) {
		from, err = openRing(own, options.Buffer, program)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a capture in %v: %w", in, err)
	}
	return start(in.String(), from, options), nil
}

// scopeOf is what of the loopback belongs to a sandbox; nil for everything.
func scopeOf(in *sandbox.Sandbox) *scope {
	if in.Isolation() == sandbox.Namespace {
		return nil
	}
	return &scope{
		addresses: []netip.Addr{in.Address(), in.ClientAddress()},
		firstPort: in.Port(),
		ports:     sandbox.PortBlock,
	}
}
