package sockets_test

import (
	"net/netip"
	"testing"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

func TestAddressesInMemory(t *testing.T) {
	v4 := netip.MustParseAddrPort("127.1.2.3:8080")
	raw := sockets.Inet(v4)
	if len(raw) != 16 || raw[2] != 0x1f || raw[3] != 0x90 {
		t.Errorf("port 8080 stands as % x in a sockaddr_in of %d bytes, not as 1f 90 in one of 16", raw[2:4], len(raw))
	}
	v6 := netip.MustParseAddrPort("[fd00::1]:443")
	for _, want := range []netip.AddrPort{v4, v6} {
		if got := sockets.Inet(want).AddrPort(); got != want {
			t.Errorf("%s came back as %s", want, got)
		}
	}
	if got := sockets.Unix("/a/path").Evidence().Path; got != "/a/path" {
		t.Errorf("the path came back as %q", got)
	}
	for _, short := range []sockets.SockAddr{nil, {2}, {2, 0}, sockets.Inet(v4)[:7], sockets.Inet(v6)[:20], sockets.Unix("")} {
		if got := short.AddrPort(); got.IsValid() {
			t.Errorf("% x was read as %s", []byte(short), got)
		}
		_ = short.Evidence()
	}
}

func TestLogAwaitsACall(t *testing.T) {
	log := sockets.NewLog()
	recorder := &sockets.Recorder{API: silent{}, Log: log, End: evidence.Client}
	done := make(chan error, 1)
	go func() {
		done <- log.Await(t.Context(), func(calls []evidence.Call) bool {
			return len(calls) > 0 && calls[0].Op == evidence.OpClose && calls[0].Returned()
		})
	}()
	recorder.Close(7)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c := log.Call(1); c.FD != 7 || c.End != evidence.Client || c.Entry > c.Exit {
		t.Errorf("the call was recorded as %+v", c)
	}
}

// silent is an API in which every close succeeds; nothing else is asked of it.
type silent struct{ sockets.API }

func (silent) Close(int) (int, sockets.Errno) { return 0, 0 }
func (silent) Descriptors() []int             { return nil }
