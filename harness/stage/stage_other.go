//go:build !linux

package stage

import (
	"net/netip"
	"runtime"

	"tcpwitness/harness/sockets"
)

const (
	noSignal      = 0
	stateTimeWait = 6
	stateListen   = 10
)

type connection struct {
	local, remote netip.AddrPort
	state         int
}

func (s *Stage) kernel(func() error) *sockets.Kernel { return &sockets.Kernel{} }

// Unprivileged is not available here.
func (s *Stage) Unprivileged() *Endpoint { return s.Client }

// MayUseRawSockets is not known here.
func (s *Stage) MayUseRawSockets() bool { return false }

func plainFile() (fd int, release func()) { return -1, func() {} }

func (s *Stage) completes(connecting *Pending) bool { return connecting.Returned() }

func (s *Stage) connections() []connection { return nil }

func (s *Stage) listeners() []netip.AddrPort { return nil }

func system() (os, kernel string) { return runtime.GOOS, "" }

func cookie(func(func() error) error) uint64 { return 0 }
