package sandbox

import "testing"

func TestAbilityIsSaidInOneLine(t *testing.T) {
	for _, tc := range []struct {
		ability Ability
		want    string
	}{
		{
			Ability{Isolation: Namespace, Capture: true, Trace: true, PIDNamespace: true},
			"isolation namespace, capture, trace, pid namespace",
		},
		{
			Ability{Isolation: Shared, WhyShared: "a", WhyNotCapture: "b", WhyNotTrace: "c", WhyNotPIDNamespace: "d"},
			"isolation shared (a), no capture (b), no trace (c), no pid namespace (d)",
		},
	} {
		if got := tc.ability.String(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestPlacesFollowFromTheBlock(t *testing.T) {
	ports := map[uint16]bool{}
	lowBytes := map[[2]byte]bool{}
	for block := range blocks {
		p := placesOf(block)
		server, client := p.server.As4(), p.client.As4()
		low := [2]byte{server[2], server[3]}
		switch {
		case p.port < firstPort || p.port > lastPort-PortBlock || p.port%PortBlock != 0:
			t.Errorf("block %d has port %d", block, p.port)
		case ports[p.port]:
			t.Errorf("block %d has port %d again", block, p.port)
		case lowBytes[low]:
			t.Errorf("block %d has address %v again", block, p.server)
		case server[0] != 127 || server[1] < 16 || client[0] != 127 || client[1] < 16 || server[3] < 2 || server[3] > 251:
			t.Errorf("block %d has addresses %v and %v", block, p.server, p.client)
		case server[1] == client[1] || [2]byte{client[2], client[3]} != low:
			t.Errorf("block %d has addresses %v and %v", block, p.server, p.client)
		}
		ports[p.port], lowBytes[low] = true, true
	}
}
