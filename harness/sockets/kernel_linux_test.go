package sockets_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

// here makes sockets where the process is, as a sandbox's Do would elsewhere.
func here(make func() error) error { return make() }

// pair is a connection on the host's loopback.
func pair(t *testing.T, api sockets.API) (client, accepted int) {
	t.Helper()
	must := func(value int, errno sockets.Errno) int {
		t.Helper()
		if errno != 0 {
			t.Fatal(errno)
		}
		return value
	}
	listener := must(api.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
	must(api.Bind(listener, sockets.Inet(netip.MustParseAddrPort("127.0.0.1:0"))))
	must(api.Listen(listener, 1))
	address, r, errno := api.GetSockName(listener)
	must(r, errno)
	client = must(api.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
	must(api.Connect(client, address))
	accepted, _, errno = api.Accept(listener)
	must(accepted, errno)
	must(api.Close(listener))
	t.Cleanup(func() { api.Close(client); api.Close(accepted) })
	return client, accepted
}

func TestRecorderNotesWhatTheKernelDid(t *testing.T) {
	log := sockets.NewLog()
	recorder := &sockets.Recorder{API: &sockets.Kernel{Do: here}, Log: log, End: evidence.Server}
	client, accepted := pair(t, recorder)
	if n, errno := recorder.Send(client, []byte("ping"), 0); n != 4 || errno != 0 {
		t.Fatal(n, errno)
	}
	if n, errno := recorder.Recv(accepted, make([]byte, 10), 0); n != 4 || errno != 0 {
		t.Fatal(n, errno)
	}
	recorder.Recv(-1, make([]byte, 1), 0)

	calls := log.Calls()
	find := func(op evidence.Op) evidence.Call {
		i := slices.IndexFunc(calls, func(c evidence.Call) bool { return c.Op == op })
		return calls[i]
	}
	accept := find(evidence.OpAccept)
	if accept.NewFD == nil || *accept.NewFD != accepted || slices.Contains(accept.Before, accepted) || !slices.Contains(accept.After, accepted) {
		t.Errorf("accept was recorded as %+v", accept)
	}
	if connect := find(evidence.OpConnect); !slices.Equal(connect.Before, connect.After) || connect.Socket == 0 {
		t.Errorf("connect was recorded as %+v", connect)
	}
	if got := string(find(evidence.OpRecv).Data); got != "ping" {
		t.Errorf("recv was recorded with %q", got)
	}
	if last := calls[len(calls)-1]; last.Errno != "EBADF" || last.Result != -1 {
		t.Errorf("the failing recv was recorded as %+v", last)
	}
}

func TestABlockedCallIsKnownToBeBlocked(t *testing.T) {
	log := sockets.NewLog()
	kernel := &sockets.Kernel{}
	client, accepted := pair(t, kernel)
	entered := make(chan int, 1)
	recorder := &sockets.Recorder{API: kernel, Log: log, End: evidence.Client, Begun: func(n int) { entered <- n }}
	returned := make(chan int)
	go func() {
		n, _ := recorder.Recv(client, make([]byte, 10), 0)
		returned <- n
	}()
	number := <-entered
	if err := log.AwaitBlocked(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	if c := log.Call(number); !c.Blocked || c.Returned() {
		t.Errorf("the call stands as %+v", c)
	}
	kernel.Send(accepted, []byte("x"), 0)
	if n := <-returned; n != 1 {
		t.Errorf("recv returned %d", n)
	}
	if err := log.AwaitBlocked(t.Context(), number); err == nil {
		t.Error("a call that has returned counts as blocked")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Await(ended, func([]evidence.Call) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain ended with %v", err)
	}
}

func TestPrivateDescriptorsAreNotInherited(t *testing.T) {
	for _, private := range []bool{false, true} {
		client, accepted := pair(t, &sockets.Kernel{Private: private})
		for _, fd := range []int{client, accepted} {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC != 0 != private {
				t.Errorf("private %t: descriptor %d has flags %#x (%v)", private, fd, flags, err)
			}
		}
	}
}

func TestDescriptorsAreSocketsOfTheNamespaceOnly(t *testing.T) {
	kernel := &sockets.Kernel{Do: here}
	var file [2]int
	if err := unix.Pipe2(file[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file[0])
	defer unix.Close(file[1])
	fd, errno := kernel.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer kernel.Close(fd)
	listed := kernel.Descriptors()
	if !slices.Contains(listed, fd) || slices.Contains(listed, file[0]) {
		t.Errorf("listed are %v; the socket is %d, the pipe %v", listed, fd, file)
	}
	elsewhere := &sockets.Kernel{Do: here, Cookie: 1<<63 | 1}
	if cookies := elsewhere.Descriptors(); slices.Contains(cookies, fd) {
		t.Errorf("a socket of another namespace is listed: %v", cookies)
	}
}
