package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The wire beside a veth pair, on the same machine in the same run:
//
//	go test ./harness/wire -run '^$' -bench . -count 5
//
// One packet in each direction takes twice what RoundTrip shows for the wire above veth.

// hostPair is two hosts with something between them.
type hostPair struct {
	client, server *Host
	packets        func() int // carried so far
}

func benchmarkBetween(b *testing.B, run func(b *testing.B, p hostPair)) {
	b.Run("veth", func(b *testing.B) { run(b, vethPair(b)) })
	for name, o := range map[string]Options{
		"wire-recording":   {Limit: 4 << 30},
		"wire-headers":     {Limit: 4 << 30, Keep: Headers},
		"wire-not-keeping": {Keep: Nothing},
		"wire-three-faults": {Keep: Nothing, Faults: []Fault{
			Lose(Containing("no such text"), RST), Corrupt(Nth(5, SYN)), Duplicate(Nth(3, FIN)),
		}},
	} {
		b.Run(name, func(b *testing.B) {
			w := newTestWire(b, o)
			run(b, hostPair{w.Client, w.Server, func() int { c := w.Count(); return (c.Client + c.Server) / 2 }})
		})
	}
}

// BenchmarkRoundTrip sends 128 bytes and waits for 128 bytes, over TCP.
func BenchmarkRoundTrip(b *testing.B) {
	benchmarkBetween(b, func(b *testing.B, p hostPair) {
		client, server := benchmarkConnection(b, p)
		go func() { _, _ = io.Copy(server, server) }()
		buf := make([]byte, 128)
		for b.Loop() {
			if _, err := client.Write(buf); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(client, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStream moves 64 KiB at a time in one direction, in segments of 1500 bytes.
func BenchmarkStream(b *testing.B) {
	benchmarkBetween(b, func(b *testing.B, p hostPair) {
		client, server := benchmarkConnection(b, p)
		buf := make([]byte, 64<<10)
		b.SetBytes(int64(len(buf)))
		received := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, server)
			received <- err
		}()
		before := p.packets()
		for b.Loop() {
			if _, err := client.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
		_ = client.CloseWrite()
		if err := <-received; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(p.packets()-before)/b.Elapsed().Seconds(), "packets/s")
	})
}

// BenchmarkNew makes a wire, BenchmarkClose removes it.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		w, err := New(b.Context(), Options{})
		skipUnsupported(b, err)
		b.StopTimer()
		_ = w.Close()
		b.StartTimer()
	}
}

func BenchmarkClose(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w, err := New(b.Context(), Options{})
		skipUnsupported(b, err)
		b.StartTimer()
		_ = w.Close()
	}
}

func benchmarkConnection(b *testing.B, p hostPair) (client, server *net.TCPConn) {
	var listener *net.TCPListener
	address := net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.server.Address(), 8080))
	if err := p.server.Do(func() (err error) { listener, err = net.ListenTCP("tcp4", address); return err }); err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	if err := p.client.Do(func() (err error) { client, err = net.DialTCP("tcp4", nil, address); return err }); err != nil {
		b.Fatal(err)
	}
	server, err := listener.AcceptTCP()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

// vethPair connects two namespaces by a veth pair that cuts segments to the MTU as a TUN interface does.
func vethPair(b *testing.B) hostPair {
	client, server := &Host{address: addresses(Client)[0]}, &Host{address: addresses(Server)[0]}
	var links *netlink.Handle
	for _, h := range []*Host{server, client} { // the client's comes last and makes the pair
		err := onOwnThread(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return unsupported("make a network namespace", err)
			}
			var err error
			if h.net.handle, err = os.Open("/proc/thread-self/ns/net"); err != nil {
				return err
			}
			if h != client {
				return nil
			}
			if links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
				return err
			}
			return links.LinkAdd(&netlink.Veth{
				LinkAttrs: netlink.LinkAttrs{Name: "veth0", MTU: DefaultMTU}, PeerName: "veth0",
				PeerNamespace: netlink.NsFd(server.net.handle.Fd()),
			})
		})
		skipUnsupported(b, err)
	}
	for i, h := range []*Host{client, server} {
		err := h.Do(func() error {
			own, err := netlink.NewHandle(unix.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			defer own.Close()
			veth, err := own.LinkByName("veth0")
			if err != nil {
				return err
			}
			if err := noOffload("veth0"); err != nil {
				return err
			}
			if err := own.LinkSetUp(veth); err != nil {
				return err
			}
			return addAddress(context.Background(), own, veth, h.address, []*Host{client, server}[1-i].address, layout{})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		links.Close()
		_, _ = client.net.close(), server.net.close()
	})
	return hostPair{client, server, func() int {
		veth, err := links.LinkByName("veth0")
		if err != nil {
			b.Fatal(err)
		}
		s := veth.Attrs().Statistics
		return int(s.TxPackets + s.RxPackets)
	}}
}

// noOffload switches segmentation and checksum offload off, by the ioctls of linux/ethtool.h.
func noOffload(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, command := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO, unix.ETHTOOL_STXCSUM} {
		value := [2]uint32{command, 0}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&value)}
		copy(request.name[:], name)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return fmt.Errorf("ethtool %#x: %w", command, errno)
		}
	}
	return nil
}
