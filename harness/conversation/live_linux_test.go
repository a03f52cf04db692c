package conversation_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"tcpwitness/harness/capture"
	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.EnterOrExit()
	os.Exit(m.Run())
}

// live plays with real sockets in a sandbox and yields what was captured.
type live struct {
	t        *testing.T
	ctx      context.Context
	box      *sandbox.Sandbox
	tap      *capture.Capture
	listener int
	address  netip.AddrPort
}

// record plays a scenario with a listener in a sandbox of its own.
func record(t *testing.T, six bool, play func(l *live)) *evidence.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	box, err := sandbox.New(sandbox.Namespace)
	if err != nil {
		lacking(t, fmt.Sprint("no sandbox: ", err))
	}
	defer box.Close()
	tap, err := capture.Open(box, capture.Options{})
	if err != nil {
		lacking(t, fmt.Sprint("no capture: ", err))
	}
	defer tap.Close()
	l := &live{t: t, ctx: ctx, box: box, tap: tap, address: netip.AddrPortFrom(box.Address(), 8080)}
	if six {
		l.address = netip.AddrPortFrom(netip.IPv6Loopback(), 8080)
	}
	l.listener = l.socket()
	defer func() { unix.Close(l.listener) }() // a scenario may have made another one
	l.must(unix.Bind(l.listener, sockaddr(l.address)))
	l.must(unix.Listen(l.listener, 5))
	play(l)
	packets, err := tap.Stop(ctx)
	l.must(err)
	return &evidence.Run{Scenario: t.Name(), Address: l.address, Packets: packets, Interfaces: []evidence.Interface{tap.Interface()}}
}

func (l *live) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// socket makes one in the sandbox.
func (l *live) socket() (fd int) {
	domain := unix.AF_INET
	if l.address.Addr().Is6() {
		domain = unix.AF_INET6
	}
	l.must(l.box.Do(func() (err error) {
		fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}
		return err
	}))
	return fd
}

// connect makes a connection and yields both ends.
func (l *live) connect() (client, server int) {
	client = l.socket()
	l.must(unix.Connect(client, sockaddr(l.address)))
	return client, l.accept()
}

func (l *live) accept() int {
	fd, _, err := unix.Accept4(l.listener, unix.SOCK_CLOEXEC)
	l.must(err)
	return fd
}

func (l *live) send(fd int, data string) {
	for rest := []byte(data); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		l.must(err)
		rest = rest[n:]
	}
}

// receive reads exactly n bytes.
func (l *live) receive(fd, n int) string {
	buffer := make([]byte, n)
	for got := 0; got < n; {
		k, err := unix.Read(fd, buffer[got:])
		l.must(err)
		if k == 0 {
			l.t.Fatalf("end of stream after %d of %d bytes", got, n)
		}
		got += k
	}
	return string(buffer)
}

// end reads to the end of the stream.
func (l *live) end(fd int) {
	n, err := unix.Read(fd, make([]byte, 1))
	l.must(err)
	if n != 0 {
		l.t.Fatal("data where the end of the stream should be")
	}
}

func (l *live) close(fd int) { l.must(unix.Close(fd)) }

// await waits until the conversations are as wanted.
func (l *live) await(wanted func(a *conversation.Analysis) bool) {
	l.t.Helper()
	_, err := l.tap.Await(l.ctx, func(packets []evidence.Packet) bool {
		return wanted(conversation.AnalysePackets(packets, []evidence.Interface{l.tap.Interface()}))
	})
	l.must(err)
}

// awaitSegment waits for a segment.
func (l *live) awaitSegment(wanted func(s *conversation.Segment) bool) {
	l.t.Helper()
	l.await(func(a *conversation.Analysis) bool {
		for _, c := range a.TCP {
			for _, s := range c.Segments {
				if wanted(s) {
					return true
				}
			}
		}
		return false
	})
}

// dropping makes a socket's kernel drop what arrives at it with a probability in 65,536ths, as if it had
// been lost behind the capture.
func (l *live) dropping(fd int, of65536 uint32) {
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffff},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: of65536, SkipTrue: 1},
		bpf.RetConstant{Val: 0x40000},
		bpf.RetConstant{Val: 0},
	})
	l.must(err)
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	l.must(unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
}

func (l *live) keeping(fd int) {
	l.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
}

// scenario is what is played, over IPv4 or IPv6.
type scenario struct {
	six  bool
	play func(l *live)
}

// together plays scenarios beside each other and puts their packets into one run.
func together(t *testing.T, scenarios map[string]scenario) *evidence.Run {
	t.Helper()
	var mutex sync.Mutex
	all := &evidence.Run{Scenario: t.Name(), Interfaces: []evidence.Interface{{Name: "lo", LinkType: evidence.LinkEthernet}}}
	t.Run("record", func(t *testing.T) {
		for name, play := range scenarios {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run := record(t, play.six, play.play)
				mutex.Lock()
				defer mutex.Unlock()
				for _, p := range run.Packets {
					p.N = len(all.Packets) + 1
					all.Packets = append(all.Packets, p)
				}
			})
		}
	})
	if len(all.Packets) == 0 {
		t.Skip("nothing was captured")
	}
	return all
}

// netipPort is a port at the listener's address.
func netipPort(l *live, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(l.address.Addr(), port)
}
