package conversation_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/wire"
)

// makeCaptures plays on a loopback that drops, and on a wire that does everything a wire can do.
func makeCaptures(t *testing.T, folder string) {
	t.Helper()
	for name, run := range map[string]*evidence.Run{
		"exchange":       record(t, false, playExchange(true)),
		"six":            record(t, true, playExchange(false)),
		"loss":           record(t, false, playLoss),
		"window":         record(t, false, playZeroWindow),
		"faulty wire":    acrossWire(t, false),
		"faulty wire, 6": acrossWire(t, true),
	} {
		run.Scenario = name
		conversation.Analyse(run).Annotate(run)
		if _, err := run.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// acrossWire sends data over a wire that loses, corrupts, doubles and reorders.
func acrossWire(t *testing.T, six bool) *evidence.Run {
	t.Helper()
	w, err := wire.New(t.Context(), wire.Options{Faults: []wire.Fault{
		wire.Lose(wire.NthData(2, wire.Client)), wire.Corrupt(wire.NthData(4, wire.Client)),
		wire.Duplicate(wire.NthData(6, wire.Client)), wire.Reorder(wire.NthData(8, wire.Client)),
		wire.Lose(wire.First(wire.FIN, wire.From(wire.Client))),
	}})
	if errors.Is(err, errors.ErrUnsupported) {
		lacking(t, fmt.Sprint("no wire: ", err))
	}
	must(t, err)
	defer w.Close()
	address := w.Server.Address()
	if six {
		address = w.Server.Address6()
	}
	var listener net.Listener
	var sender net.Conn
	must(t, w.Server.Do(func() error {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 8080)))
		return err
	}))
	defer listener.Close()
	must(t, w.Client.Do(func() error {
		sender, err = net.Dial("tcp", listener.Addr().String())
		return err
	}))
	receiver, err := listener.Accept()
	must(t, err)
	defer receiver.Close()

	const size = 100_000
	sent := make(chan error, 1)
	go func() {
		_, err := sender.Write(make([]byte, size))
		sent <- errors.Join(err, sender.Close())
	}()
	got, err := io.ReadAll(receiver)
	must(t, errors.Join(err, <-sent))
	if len(got) != size {
		t.Errorf("%d bytes of %d arrived", len(got), size)
	}
	must(t, errors.Join(receiver.Close(), w.Close()))
	run := &evidence.Run{Ends: []evidence.End{{Name: client}, {Name: server}}}
	w.Fill(run)
	if len(run.Faults) > 0 {
		t.Error(run.Faults)
	}
	return run
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
