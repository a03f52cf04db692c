package rules

import (
	"encoding/binary"
	"slices"

	"tcpwitness/harness/evidence"
)

// Constants of Linux that stand in recorded calls (include/uapi, the same on amd64 and arm64).
const (
	domainInet   = 2
	domainInet6  = 10
	typeStream   = 1
	levelSocket  = 1
	optionError  = 4
	optionLinger = 13
	refusedErrno = 111 // ECONNREFUSED

	optionReceiveTime    = 20 // SO_RCVTIMEO
	optionReceiveTimeNew = 66 // SO_RCVTIMEO_NEW
)

// inet says whether a socket was made for IPv4 or IPv6.
func (s *socket) inet() bool {
	return s.made != nil && (s.made.Domain == domainInet || s.made.Domain == domainInet6)
}

func (s *socket) stream() bool { return s.inet() && s.made.Type == typeStream }

// bound is the address that a socket was bound to, as the last successful bind or getsockname says.
func (s *socket) bound() evidence.Address {
	var at evidence.Address
	for _, c := range s.of(evidence.OpBind, evidence.OpGetSockName) {
		if c.Succeeded() && c.Address.AddrPort.IsValid() && c.Address.AddrPort.Port() != 0 {
			at = c.Address
		}
	}
	return at
}

// listens says whether the socket was made to listen with success.
func (s *socket) listens() bool { return s.succeeded(evidence.OpListen) != nil }

// serves says whether clients of the address under test reach a socket bound so.
func (r *record) serves(at evidence.Address) bool {
	if !at.AddrPort.IsValid() || at.AddrPort.Port() != r.run.Address.Port() {
		return false
	}
	ip := at.AddrPort.Addr().Unmap()
	return ip.IsUnspecified() || ip == r.run.Address.Addr().Unmap()
}

// listeners are the sockets of the program that listen on the address under test.
func (r *record) listeners() []*socket {
	var found []*socket
	for _, s := range r.descriptors.order {
		if s.listens() && r.serves(s.bound()) {
			found = append(found, s)
		}
	}
	return found
}

// anyListeners are the listeners on the address under test, or where there are none all other ones for
// IPv4 or IPv6: what the program probably meant to serve on.
func (r *record) anyListeners() []*socket {
	if found := r.listeners(); len(found) > 0 {
		return found
	}
	var found []*socket
	for _, s := range r.descriptors.order {
		if s.listens() && (s.made == nil || s.inet()) {
			found = append(found, s)
		}
	}
	return found
}

// accepted are the sockets that came from accept on a listener under test.
func (r *record) accepted() []*socket {
	var found []*socket
	for _, l := range r.anyListeners() {
		for _, c := range l.of(evidence.OpAccept) {
			if s := r.descriptors.sockets[c.NewSocket]; c.Succeeded() && s != nil && s.accepted != nil && !slices.Contains(found, s) {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b *socket) int { return a.accepted.N - b.accepted.N })
	return found
}

// acceptedFrom is the socket of the i-th connection on the program's side, or nil.
func (r *record) acceptedFrom(i int) *socket {
	all := r.accepted()
	if p := r.conn(i); p != nil && p.client.IsValid() {
		for _, s := range all {
			if s.accepted.Address.AddrPort.IsValid() && s.accepted.Address.Unmapped() == p.client {
				return s
			}
		}
	}
	if i < len(all) {
		return all[i]
	}
	return nil
}

// connecting are the stream sockets that the program tried to connect to the address under test, those
// that succeeded first.
func (r *record) connecting() []*socket {
	var succeeded, failed []*socket
	for _, s := range r.descriptors.order {
		if s.made != nil && !s.stream() {
			continue
		}
		for _, c := range s.of(evidence.OpConnect) {
			if !r.is(c.Address) {
				continue
			}
			if connectedBy(s) != nil {
				succeeded = append(succeeded, s)
			} else {
				failed = append(failed, s)
			}
			break
		}
	}
	return append(succeeded, failed...)
}

// its is the client's socket: the one it connected to the address under test, or tried to; or nil.
func (r *record) its() *socket {
	if found := r.connecting(); len(found) > 0 {
		return found[0]
	}
	return nil
}

// connectedBy is the call that proves that a socket was connected: a connect that returned 0, or after one
// that is in progress SO_ERROR 0, a second connect, or the first data. It is nil where it never was.
func connectedBy(s *socket) *evidence.Call {
	begun := false
	for _, c := range s.calls {
		switch {
		case c.Connects() && (c.Succeeded() || c.Errno == "EISCONN"):
			return c
		case c.Connects() && (c.Errno == "EINPROGRESS" || c.Errno == "EINTR" || c.Errno == "EALREADY"):
			begun = true
		case begun && c.Succeeded() && reportedError(c) == 0:
			return c
		case begun && c.Succeeded() && (c.Op == evidence.OpSend || c.Op == evidence.OpRecv) && c.Result > 0:
			return c
		}
	}
	return nil
}

// reportedError is the errno that a getsockopt of SO_ERROR reported, 0 for none, -1 for any other call.
func reportedError(c *evidence.Call) int {
	if c.Op != evidence.OpGetOption || c.Level != levelSocket || c.Option != optionError || len(c.Value) < 4 {
		return -1
	}
	return int(int32(binary.LittleEndian.Uint32(c.Value)))
}
