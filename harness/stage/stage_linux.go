package stage

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sockets"
)

const noSignal = unix.MSG_NOSIGNAL

// kernel is the kernel's sockets API in the scenario's sandbox; prepare runs on the thread that makes a
// socket, once it is inside.
func (s *Stage) kernel(prepare func() error) *sockets.Kernel {
	return &sockets.Kernel{Cookie: s.Sandbox.Cookie(), Private: s.scene.Private, Do: func(make func() error) error {
		return s.Sandbox.Do(func() error {
			if prepare != nil {
				if err := prepare(); err != nil {
					return err
				}
			}
			return make()
		})
	}}
}

// Unprivileged is the client without the right to raw and packet sockets, whoever runs the harness.
func (s *Stage) Unprivileged() *Endpoint {
	api := sockets.API(s.kernel(dropCapabilities))
	if s.theatre.API != nil {
		api = s.theatre.API(api)
	}
	return &Endpoint{Name: s.Client.Name, API: api, stage: s}
}

// dropCapabilities takes every capability from the calling thread.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop the thread's capabilities: %w", err)
	}
	return nil
}

// MayUseRawSockets says whether the harness is sure to have CAP_NET_RAW over the scenario's network.
func (s *Stage) MayUseRawSockets() bool {
	if s.theatre.Ability.Isolation == "namespace" {
		return true // the namespace is the harness's own
	}
	return s.theatre.Ability.Capture
}

// plainFile opens a descriptor that is no socket.
func plainFile() (fd int, release func()) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	return int(file.Fd()), func() { file.Close() }
}

// completes says whether a connect completes: it has returned, or will as soon as its thread runs, once
// all that it sent has been answered.
func (s *Stage) completes(connecting *Pending) bool {
	for range 2 {
		switch err := s.log.AwaitBlocked(s.ctx, connecting.number); {
		case err == nil:
			s.Settle()
		case connecting.Returned():
			connecting.Result()
			return true
		default:
			s.fault("%v", err)
		}
	}
	return false
}

// connection is a line of /proc/net/tcp.
type connection struct {
	local, remote netip.AddrPort
	state         int
}

// The states as the kernel numbers them (include/net/tcp_states.h).
const (
	stateTimeWait = 6
	stateClose    = 7
	stateListen   = 10
)

// connections lists the TCP sockets of the scenario's network that have to do with the server's address.
func (s *Stage) connections() []connection {
	return slices.DeleteFunc(s.table(), func(c connection) bool { return c.local != s.ServerAddress() && c.remote != s.ServerAddress() })
}

// listeners lists the addresses on which somebody listens in the scenario's network.
func (s *Stage) listeners() []netip.AddrPort {
	var all []netip.AddrPort
	err := errors.ErrUnsupported
	if s.Sandbox != nil {
		err = s.Sandbox.Do(func() (err error) {
			all, err = listeners()
			return err
		})
	}
	if err == nil {
		return all
	}
	// A kernel without the module for it.
	for _, c := range s.table() {
		if c.state == stateListen {
			all = append(all, c.local)
		}
	}
	return all
}

// table lists the TCP sockets of the scenario's network, of all of its hosts.
func (s *Stage) table() []connection {
	var lines []byte
	read := func() error {
		for _, table := range []string{"tcp", "tcp6"} {
			content, err := os.ReadFile("/proc/thread-self/net/" + table)
			if err != nil {
				return err
			}
			lines = append(lines, content...)
		}
		return nil
	}
	var err error
	if s.Sandbox != nil {
		err = s.Sandbox.Do(read)
	}
	for _, host := range s.hosts {
		err = errors.Join(err, host.Do(read))
	}
	if err != nil {
		s.fault("read the kernel's table of connections: %v", err)
	}
	var all []connection
	for scanner := bufio.NewScanner(bytes.NewReader(lines)); scanner.Scan(); {
		if c, ok := parseConnection(scanner.Text()); ok {
			all = append(all, c)
		}
	}
	return all
}

func parseConnection(line string) (connection, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return connection{}, false
	}
	local, err := parseAddress(fields[1])
	if err != nil {
		return connection{}, false
	}
	remote, err := parseAddress(fields[2])
	if err != nil {
		return connection{}, false
	}
	state, err := strconv.ParseInt(fields[3], 16, 32)
	return connection{local, remote, int(state)}, err == nil
}

// parseAddress reads "0100007F:1F90": 32-bit words of the address in host byte order, the port as a number.
func parseAddress(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	words := slices.Clone(raw)
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), err
}

func system() (os, kernel string) {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return runtime.GOOS, ""
	}
	return runtime.GOOS, unix.ByteSliceToString(name.Release[:])
}

// cookie is the kernel's number for the network namespace that do leads to, 0 where it has none.
func cookie(do func(func() error) error) (number uint64) {
	_ = do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		number, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		return err
	})
	return number
}
