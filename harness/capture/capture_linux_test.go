package capture

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

func TestBasic(t *testing.T) {
	a, err := sandbox.Probe(sandbox.Auto)
	t.Log(a, err)
	sb, err := sandbox.New(a.Isolation)
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	for _, addr := range []netip.Addr{sb.Address(), sb.Address6(), netip.IPv6Loopback()} {
		c, err := Open(sb, Options{})
		if err != nil {
			t.Fatal(err)
		}
		to := netip.AddrPortFrom(addr, sb.Port())
		err = sb.Do(func() error {
			l, err := net.Listen("tcp", to.String())
			if err != nil {
				return err
			}
			defer l.Close()
			done := make(chan error, 1)
			lc := l
			go func() {
				s, err := lc.Accept()
				if err != nil {
					done <- err
					return
				}
				b := make([]byte, 128)
				s.Read(b)
				s.Write(b)
				done <- s.Close()
			}()
			k, err := net.Dial("tcp", to.String())
			if err != nil {
				return err
			}
			k.Write(make([]byte, 128))
			k.Read(make([]byte, 128))
			if err := <-done; err != nil {
				return err
			}
			return k.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ps, err := c.Stop(context.Background())
		t.Log(time.Since(began))
		if err != nil {
			t.Fatal(err)
		}
		dump(t, ps)
	}
}

func dump(t *testing.T, ps []evidence.Packet) {
	for _, p := range ps {
		g := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
		s := ""
		if tcp, ok := g.TransportLayer().(*layers.TCP); ok {
			tcp.SetNetworkLayerForChecksum(g.NetworkLayer())
			sum, _ := tcp.ComputeChecksum()
			s = time.Duration(sum).String()
		}
		t.Log(p.N, p.Time.Go().Format("05.000000000"), p.Length, len(p.Data), s, g.Layers()[1:])
	}
}
