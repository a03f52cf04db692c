// Package sandbox gives each scenario a private loopback.
//
// Under [Namespace] isolation that is a network namespace of its own: any port is free, no foreign packet
// is seen, scenarios run side by side, and TIME_WAIT ends with the scenario. The namespace is held by
// nothing but an open descriptor and the sockets in it, and vanishes with them. Its loopback has an MTU of
// 1500 bytes and no segmentation offload, so that a capture shows segments as a network would carry them.
// (Checksum offload cannot be switched off on Linux's loopback; package capture completes what it leaves open.)
//
// Under [Shared] isolation it is the host's loopback with an address 127.x.y.z and a block of ports that no
// other scenario of this machine uses at the same time.
//
// A process starts with [EnterUserNamespace], learns with [Probe] what the machine allows, and takes
// sandboxes from a [Pool].
package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
)

// Isolation is how far a scenario is kept apart from everything else.
type Isolation string

// The levels of isolation. Auto is a wish only: the best that the machine allows.
const (
	Auto      Isolation = "auto"
	Namespace Isolation = "namespace"
	Shared    Isolation = "shared"
)

// String is the word used by flags and reports. With Set it makes *Isolation a flag.Value.
func (i Isolation) String() string { return string(i) }

// Set takes one of the words auto, namespace and shared.
func (i *Isolation) Set(word string) error {
	switch wish := Isolation(word); wish {
	case Auto, Namespace, Shared:
		*i = wish
		return nil
	}
	return fmt.Errorf("must be auto, namespace or shared, not %q", word)
}

// ErrMainThread says that a goroutine is bound to the process's main thread, which must not be moved into
// a sandbox: it cannot end before the process does.
var ErrMainThread = errors.New("the goroutine is locked to the main thread")

// ErrClosed says that a sandbox or a pool was used after it was closed.
var ErrClosed = errors.New("closed")

// Sandbox is a private loopback. Its methods may be called from several goroutines.
type Sandbox struct {
	isolation Isolation
	places    places
	address6  netip.Addr
	cookie    uint64

	mu     sync.RWMutex
	closed bool
	ns     *os.File // the network namespace; nil under Shared
	held   *os.File // the reservation of address and ports; nil under Namespace

	ports portCounter
}

// Isolation is Namespace or Shared.
func (s *Sandbox) Isolation() Isolation { return s.isolation }

// Address is the one for the server: 127.x.y.z, another one in each sandbox and never 127.0.0.1.
func (s *Sandbox) Address() netip.Addr { return s.places.server }

// ClientAddress is a second address 127.x.y.z of this sandbox, for a client to bind to.
func (s *Sandbox) ClientAddress() netip.Addr { return s.places.client }

// Address6 is an IPv6 address: one of its own under Namespace, ::1 under Shared, and the zero Addr where
// the loopback has no IPv6. Under Namespace ::1 is there as well.
func (s *Sandbox) Address6() netip.Addr { return s.address6 }

// Port is the one for the server: unusual, free, below the range that clients get theirs from, and
// another one in each sandbox.
func (s *Sandbox) Port() uint16 { return s.places.port }

// AnotherPort yields a further port at each call, from the block of PortBlock that belongs to the sandbox;
// after the last it begins again with the first after Port.
func (s *Sandbox) AnotherPort() uint16 { return s.places.port + s.ports.next() }

// PortBlock is the number of ports that belong to a sandbox, from Port on. Port is a multiple of it.
const PortBlock = 8

// Cookie is the kernel's number for the network namespace (SO_NETNS_COOKIE), 0 where it is not known.
// It is the host's under Shared.
func (s *Sandbox) Cookie() uint64 { return s.cookie }

func (s *Sandbox) String() string {
	return fmt.Sprintf("sandbox %s:%d (%s)", s.places.server, s.places.port, s.isolation)
}

// Close lets go of the sandbox. The namespace vanishes with the last socket and process in it.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, file := range []*os.File{s.ns, s.held} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %v: %w", s, err)
	}
	return nil
}
