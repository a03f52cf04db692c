package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// New makes a sandbox. Namespace needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which a process has as root or
// after EnterUserNamespace; Shared needs nothing.
func New(isolation Isolation) (*Sandbox, error) {
	var (
		s   *Sandbox
		err error
	)
	switch isolation {
	case Namespace:
		s, err = newNamespace()
	case Shared:
		s, err = newShared()
	default:
		err = fmt.Errorf("isolation must be %s or %s, not %q", Namespace, Shared, isolation)
	}
	if err != nil {
		return nil, fmt.Errorf("make a sandbox: %w", err)
	}
	return s, nil
}

func newNamespace() (*Sandbox, error) {
	s := &Sandbox{isolation: Namespace, places: placesOf(rand.IntN(blocks))}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare the network namespace: %w", err)
		}
		var err error
		if s.address6, s.cookie, err = bringUpLoopback(s.places.client); err != nil {
			return err
		}
		if s.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return fmt.Errorf("hold the network namespace: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newShared() (*Sandbox, error) {
	s := &Sandbox{isolation: Shared, cookie: currentCookie()}
	if canBind6(netip.IPv6Loopback(), 0) {
		s.address6 = netip.IPv6Loopback()
	}
	first := rand.IntN(blocks)
	for i := range blocks {
		if got, err := s.claim((first + i) % blocks); got || err != nil {
			return s, err
		}
	}
	return nil, fmt.Errorf("find an address and ports that nobody uses: %w", unix.EADDRINUSE)
}

// claim takes a block of ports and its addresses, and says whether they were to be had.
func (s *Sandbox) claim(block int) (bool, error) {
	held, err := reserve(block)
	if errors.Is(err, unix.EADDRINUSE) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.places = placesOf(block)
	if !s.portsAreFree() {
		return false, held.Close()
	}
	s.held = held
	return true, nil
}

// Enter moves the calling goroutine into the sandbox: it is locked to its OS thread, and sockets that it
// makes and processes that it starts belong to the sandbox. The goroutine must not be unlocked: the thread
// ends with it. Only socket calls that create a socket, and fork, need to be made in there; everything else
// works on a descriptor from any thread.
//
// Ambient and inheritable capabilities are dropped, so that a program started in the sandbox has the user's
// own rights and no more (root stays root). A child started with Pdeathsig dies with the goroutine's thread.
//
// It fails with ErrMainThread where the goroutine is locked to the main thread already, and with ErrClosed.
func (s *Sandbox) Enter() error {
	if err := lockAwayFromMain(); err != nil {
		return fmt.Errorf("enter %v: %w", s, err)
	}
	return s.enterThread()
}

// Do runs f in the sandbox, as Enter says, on a thread that is made for it and ends with it. Goroutines that
// f starts are not in the sandbox. It yields f's error; a panic of f happens in the caller.
func (s *Sandbox) Do(f func() error) error {
	return onThread(func() error {
		if err := s.enterThread(); err != nil {
			return err
		}
		return f()
	})
}

func (s *Sandbox) enterThread() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("enter %v: %w", s, ErrClosed)
	}
	if s.ns != nil {
		if err := unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter %v: %w", s, err)
		}
	}
	if err := dropInheritable(); err != nil {
		return fmt.Errorf("drop inheritable capabilities in %v: %w", s, err)
	}
	return nil
}

// dropInheritable takes from the thread the capabilities that a program executed by it would get. The
// thread keeps its own. Ambient ones go with the inheritable ones, capabilities(7).
func dropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return unix.Capset(&header, &sets[0])
}
