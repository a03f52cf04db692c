package stage

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestListeners(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "tcp"} {
		t.Run(network, func(t *testing.T) {
			var config net.ListenConfig
			config.SetMultipathTCP(network == "tcp")
			listener, err := config.Listen(context.Background(), network, map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": "127.0.0.1:0"}[network])
			if err != nil {
				t.Skip(err)
			}
			at := netip.MustParseAddrPort(listener.Addr().String())
			found, err := listeners()
			if err != nil {
				t.Skip(err)
			}
			if !slices.Contains(found, at) {
				t.Errorf("%v is not in %v", at, found)
			}
			listener.Close()
			if found, err = listeners(); err != nil || slices.Contains(found, at) {
				t.Errorf("%v is still in %v, %v", at, found, err)
			}
		})
	}
}
