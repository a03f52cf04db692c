package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// bound is one deadline for a whole test; nothing waits for it unless something is broken.
func bound(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// families runs a test over IPv4 and IPv6, beside each other and beside other tests.
func families(t *testing.T, test func(t *testing.T, v6 bool)) {
	t.Parallel()
	for name, v6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, v6)
		})
	}
}

func newTestWire(t testing.TB, o Options) *Wire {
	t.Helper()
	w, err := New(bound(t), o)
	skipUnsupported(t, err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func addressOf(t testing.TB, h *Host, v6 bool) netip.Addr {
	t.Helper()
	if !v6 {
		return h.Address()
	}
	if !h.Address6().IsValid() {
		t.Skip("the kernel has no IPv6")
	}
	return h.Address6()
}

func listenOn(t testing.TB, ctx context.Context, h *Host, v6 bool) *net.TCPListener {
	t.Helper()
	var listener *net.TCPListener
	addr := net.TCPAddrFromAddrPort(netip.AddrPortFrom(addressOf(t, h, v6), 8080))
	if err := h.Do(func() (err error) { listener, err = net.ListenTCP("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	until, _ := ctx.Deadline()
	if err := listener.SetDeadline(until); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func dialFrom(ctx context.Context, h *Host, to net.Addr) (*net.TCPConn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		d.SetMultipathTCP(false)
		conn, err = d.DialContext(ctx, "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	until, _ := ctx.Deadline()
	return conn.(*net.TCPConn), conn.SetDeadline(until)
}

// pair connects the client to the server.
func pair(t testing.TB, ctx context.Context, w *Wire, v6 bool) (client, server *net.TCPConn) {
	t.Helper()
	listener := listenOn(t, ctx, w.Server, v6)
	client, err := dialFrom(ctx, w.Client, listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err = listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	until, _ := ctx.Deadline()
	if err := server.SetDeadline(until); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// cross sends message from the client, half-closes, and yields what the server received until the end of file.
func cross(client, server *net.TCPConn, message []byte) ([]byte, error) {
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(message)
		sent <- errors.Join(err, client.CloseWrite())
	}()
	got, err := io.ReadAll(server)
	return got, errors.Join(err, <-sent)
}

// pattern is data in which no two places look the same: numbers of eight digits.
func pattern(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%08d", i)
	}
	return b[:n]
}
