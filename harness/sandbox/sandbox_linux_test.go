package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// isolations are those that can be tested here.
func isolations(t *testing.T) []Isolation {
	t.Helper()
	if err := tryNamespace(); err != nil {
		t.Logf("only %s: %v", Shared, err)
		return []Isolation{Shared}
	}
	return []Isolation{Namespace, Shared}
}

// each runs a test under each isolation with a fresh sandbox.
func each(t *testing.T, test func(t *testing.T, s *Sandbox)) {
	for _, isolation := range isolations(t) {
		t.Run(string(isolation), func(t *testing.T) {
			s := fresh(t, isolation)
			test(t, s)
		})
	}
}

func fresh(t *testing.T, isolation Isolation) *Sandbox {
	t.Helper()
	s, err := New(isolation)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestItsAddressesCanBeBoundAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Sandbox) {
		if s.Address() == s.ClientAddress() || s.Address() == netip.MustParseAddr("127.0.0.1") || !s.Address().IsLoopback() {
			t.Errorf("addresses %v and %v", s.Address(), s.ClientAddress())
		}
		addresses := []netip.Addr{s.Address(), s.ClientAddress(), netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
		if s.Address6().IsValid() {
			addresses = append(addresses, s.Address6())
		}
		if err := s.Do(func() error {
			for _, address := range addresses {
				if address.Is6() && !s.Address6().IsValid() {
					continue // no IPv6 here
				}
				for _, port := range []uint16{s.Port(), s.AnotherPort()} {
					to := netip.AddrPortFrom(address, port)
					if !canBind(unix.SOCK_STREAM, to) || !canBind(unix.SOCK_DGRAM, to) {
						return fmt.Errorf("cannot bind %v", to)
					}
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyItsThreadsAreInside(t *testing.T) {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, s *Sandbox) {
		var inside string
		if err := s.Do(func() (err error) {
			inside, err = os.Readlink("/proc/thread-self/ns/net")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if own := inside != here; own != (s.Isolation() == Namespace) {
			t.Errorf("inside it is %s, outside %s", inside, here)
		}
		if main, err := os.Readlink("/proc/self/ns/net"); err != nil || main != here {
			t.Errorf("the main thread is in %s (%v), want %s", main, err, here)
		}
	})
}

func TestCookiesTellNamespacesApart(t *testing.T) {
	host := currentCookie()
	if host == 0 {
		t.Skip("no SO_NETNS_COOKIE here")
	}
	seen := map[uint64]bool{host: true}
	each(t, func(t *testing.T, s *Sandbox) {
		var inside uint64
		s.Do(func() error { inside = currentCookie(); return nil })
		if s.Cookie() != inside {
			t.Errorf("cookie %d, inside it is %d", s.Cookie(), inside)
		}
		if seen[s.Cookie()] == (s.Isolation() == Namespace) {
			t.Errorf("cookie %d of %v, seen before: %v", s.Cookie(), s, seen)
		}
		seen[s.Cookie()] = true
	})
}

func TestItsLoopbackIsLikeANetwork(t *testing.T) {
	each(t, func(t *testing.T, s *Sandbox) {
		if s.Isolation() != Namespace {
			t.Skip("the host's loopback is left alone")
		}
		if err := s.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			request, _ := unix.NewIfreq(loopback)
			if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, request); err != nil || request.Uint32() != MTU {
				t.Errorf("MTU %d, %v", request.Uint32(), err)
			}
			if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil || request.Uint16()&unix.IFF_UP == 0 {
				t.Errorf("flags %#x, %v", request.Uint16(), err)
			}
			for name, command := range map[string]uint32{"TSO": unix.ETHTOOL_GTSO, "GSO": unix.ETHTOOL_GGSO, "GRO": unix.ETHTOOL_GGRO} {
				if on, err := ethtool(fd, command, 0); err != nil || on != 0 {
					t.Errorf("%s is %d, %v", name, on, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDoYieldsWhatHappenedInside(t *testing.T) {
	each(t, func(t *testing.T, s *Sandbox) {
		oops := errors.New("oops")
		if err := s.Do(func() error { return oops }); !errors.Is(err, oops) {
			t.Errorf("error %v", err)
		}
		if got := panicOf(func() { s.Do(func() error { panic(oops) }) }); got != oops {
			t.Errorf("panic %v", got)
		}
		after, ended := false, make(chan struct{})
		go func() {
			defer close(ended)
			s.Do(func() error { runtime.Goexit(); return nil })
			after = true
		}()
		<-ended
		if after {
			t.Error("the caller went on after Goexit inside")
		}
	})
}

func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func TestEnterMovesTheGoroutine(t *testing.T) {
	each(t, func(t *testing.T, s *Sandbox) {
		outside := currentCookie()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := s.Enter(); err != nil {
					t.Error(err)
					return
				}
				if onMainThread() {
					t.Error("it entered with the main thread")
				}
				for range 10 {
					runtime.Gosched()
					if got := currentCookie(); got != s.Cookie() {
						t.Errorf("in namespace %d, want %d", got, s.Cookie())
					}
				}
			})
		}
		all.Wait()
		// The threads are gone: no goroutine finds itself inside.
		for range 50 {
			all.Go(func() {
				if got := currentCookie(); got != outside {
					t.Errorf("a foreign goroutine is in namespace %d, want %d", got, outside)
				}
			})
		}
		all.Wait()
	})
}

func TestAClosedSandboxCannotBeEntered(t *testing.T) {
	each(t, func(t *testing.T, s *Sandbox) {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if err := s.Do(func() error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("Do: %v", err)
		}
		done := make(chan error)
		go func() { done <- s.Enter() }()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("Enter: %v", err)
		}
	})
}

// TestTheMainThreadIsNeverMoved tries Do and Enter on the main thread, where a program's first goroutine is.
func TestTheMainThreadIsNeverMoved(t *testing.T) {
	if out, err := program(t, "main-thread").Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func modeMainThread() int {
	isolation := Namespace
	if tryNamespace() != nil {
		isolation = Shared
	}
	s, err := New(isolation)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	runtime.LockOSThread()
	if !onMainThread() {
		// The first goroutine has left the main thread before it could be locked; nothing can be tried.
		return 0
	}
	if err := s.Enter(); !errors.Is(err, ErrMainThread) {
		fmt.Println("Enter on the locked main thread:", err)
		return 1
	}
	elsewhere := func() error {
		if onMainThread() {
			return errors.New("the main thread is in the sandbox")
		}
		return nil
	}
	if err := s.Do(elsewhere); err != nil {
		fmt.Println(err)
		return 1
	}
	runtime.UnlockOSThread()
	if err := s.Enter(); err != nil {
		fmt.Println("Enter:", err)
		return 1
	}
	if err := elsewhere(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func TestSharedSandboxesHaveNothingInCommon(t *testing.T) {
	owners := map[any]*Sandbox{}
	for range 300 {
		s := fresh(t, Shared)
		for i := range uint16(PortBlock) {
			port := s.Port() + i
			if other := owners[port]; other != nil {
				t.Fatalf("%v and %v share port %d", s, other, port)
			}
			owners[port] = s
		}
		for _, address := range []netip.Addr{s.Address(), s.ClientAddress()} {
			if other := owners[address]; other != nil {
				t.Fatalf("%v and %v share address %v", s, other, address)
			}
			owners[address] = s
		}
	}
}

// alone runs a test on a loopback on which nobody else takes what it gives back.
func alone(t *testing.T, test func() error) {
	t.Helper()
	s, err := New(Namespace)
	if err != nil {
		t.Skip(err)
	}
	defer s.Close()
	if err := s.Do(test); err != nil {
		t.Error(err)
	}
}

func TestAReservationHoldsUntilItIsClosed(t *testing.T) {
	alone(t, func() error {
		held, err := reserve(7)
		if err != nil {
			return err
		}
		if _, err := reserve(7); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("reserved twice: %v", err)
		}
		if got, err := new(Sandbox).claim(7); got || err != nil {
			t.Errorf("claimed what is reserved: %v, %v", got, err)
		}
		held.Close()
		again, err := reserve(7)
		return errors.Join(err, again.Close())
	})
}

func TestABlockWithAPortInUseIsLeftAlone(t *testing.T) {
	port := uint16(firstPort + 7*PortBlock + 3)
	for _, busy := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Loopback()} {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			alone(t, func() error {
				if busy.Is6() && !canBind6(busy, port) {
					return nil // no IPv6 here
				}
				domain, sockaddr := sockaddrOf(netip.AddrPortFrom(busy, port))
				fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					return err
				}
				err = unix.Bind(fd, sockaddr)
				s := &Sandbox{isolation: Shared, address6: netip.IPv6Loopback()}
				if !canBind6(s.address6, port-1) {
					s.address6 = netip.Addr{}
				}
				if got, err := s.claim(7); got || err != nil {
					t.Errorf("with a port in use on %v it is taken: %v, %v", busy, got, err)
				}
				unix.Close(fd)
				if got, err := s.claim(7); !got || err != nil {
					t.Errorf("with the port free again it is not taken: %v, %v", got, err)
				}
				return errors.Join(err, s.Close())
			})
		}
	}
}

// TestNamespacesVanish makes many more sandboxes, one after the other, than may exist at a time.
func TestNamespacesVanish(t *testing.T) {
	if err := tryNamespace(); err != nil {
		t.Skip(err)
	}
	out, err := refused(program(t, "bounded-namespaces")).Output()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func modeBoundedNamespaces() int {
	const limit = 5
	if err := os.WriteFile("/proc/sys/user/max_net_namespaces", fmt.Append(nil, limit), 0); err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	// The kernel takes a closed namespace apart in the background: until then it still counts.
	patient := func() (*Sandbox, error) {
		for {
			s, err := New(Namespace)
			if !errors.Is(err, unix.ENOSPC) || ctx.Err() != nil {
				return s, err
			}
		}
	}
	for range 4 * limit {
		s, err := patient()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		s.Do(func() error { return nil })
		s.Close()
	}
	// And the limit is one: held sandboxes do use it up.
	var held []*Sandbox
	for range limit {
		s, err := patient()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		held = append(held, s)
	}
	defer runtime.KeepAlive(held)
	if _, err := New(Namespace); !errors.Is(err, unix.ENOSPC) {
		fmt.Println("more sandboxes than allowed:", err)
		return 1
	}
	return 0
}

func TestIsolationIsAFlag(t *testing.T) {
	var i Isolation
	for _, word := range []string{"auto", "namespace", "shared"} {
		if err := i.Set(word); err != nil || i.String() != word {
			t.Errorf("Set(%q) gives %v, %v", word, i, err)
		}
	}
	if err := i.Set("both"); err == nil || i != Shared {
		t.Errorf("Set of a wrong word gives %v, %v", i, err)
	}
}

func TestNewWantsAnIsolation(t *testing.T) {
	if s, err := New(Auto); err == nil {
		t.Errorf("made %v", s)
	}
}
