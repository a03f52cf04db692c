package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Op is what a call does, whatever name it was called by: read, recvfrom and recvmsg are all OpRecv.
type Op string

// The operations. A Call's Name is what the program really called.
const (
	OpSocket      Op = "socket"
	OpBind        Op = "bind"
	OpListen      Op = "listen"
	OpAccept      Op = "accept"
	OpConnect     Op = "connect"
	OpSend        Op = "send"
	OpRecv        Op = "recv"
	OpShutdown    Op = "shutdown"
	OpClose       Op = "close"
	OpDup         Op = "dup" // dup, dup2, dup3, F_DUPFD
	OpSetOption   Op = "setsockopt"
	OpGetOption   Op = "getsockopt"
	OpGetSockName Op = "getsockname"
	OpGetPeerName Op = "getpeername"
	OpFcntl       Op = "fcntl"
	OpWait        Op = "wait" // poll, select, epoll_wait and the like
	OpFork        Op = "fork" // fork, vfork, clone of a process
	OpExec        Op = "exec"
	OpExit        Op = "exit" // the end of a process
	OpRefused     Op = "refused"
)

// Call is one call of the sockets API, or an event in a process's life that bears on its descriptors.
type Call struct {
	N   int    `json:"n"`   // number in the run, from 1, in the order of entry
	End string `json:"end"` // Client or Server
	PID int    `json:"pid,omitempty"`
	TID int    `json:"tid,omitempty"`
	Op  Op     `json:"op"`
	// Name is the name of the function or system call: "recv", "recvfrom", "accept4".
	Name string `json:"name"`

	FD int `json:"fd"` // the descriptor it is about, -1 for none
	// Socket is the identity of the open socket behind FD, whatever number it has: its inode number. 0 where
	// FD is no socket or its identity is not known. Dups, copies in forked children and descriptors kept
	// over exec share it.
	Socket uint64 `json:"socket,omitempty"`

	// The arguments, as far as the call has them.
	Domain   int     `json:"domain,omitempty"`
	Type     int     `json:"type,omitempty"` // without SOCK_NONBLOCK and SOCK_CLOEXEC, which stand in Flags
	Protocol int     `json:"protocol,omitempty"`
	Address  Address `json:"address,omitzero"` // given to bind, connect, sendto; filled in by accept, getsockname, getpeername, recvfrom
	Backlog  int     `json:"backlog,omitempty"`
	How      int     `json:"how,omitempty"`    // of shutdown
	Length   int     `json:"length,omitempty"` // bytes offered to send, or room given to recv
	Flags    int     `json:"flags,omitempty"`  // of send and recv; SOCK_* flags of socket and accept4
	Level    int     `json:"level,omitempty"`  // of an option
	Option   int     `json:"option,omitempty"` // of setsockopt and getsockopt; the command of fcntl
	Value    []byte  `json:"value,omitempty"`  // of an option
	Arg      int64   `json:"arg,omitempty"`    // fcntl's argument; the timeout of a wait in ms (-1 for none); the signal of an exit
	// Data is the first bytes that were sent or received; Result says how many there were.
	Data Bytes `json:"data,omitempty"`
	// Watched are the descriptors that a wait is about, as far as known.
	Watched []int `json:"watched,omitempty"`

	Result int    `json:"result"`          // -1 where it failed
	Errno  string `json:"errno,omitempty"` // "ECONNREFUSED"
	// NewFD is the descriptor that the call made (socket, accept, dup), NewSocket what stands behind it.
	NewFD     *int   `json:"newFd,omitempty"`
	NewSocket uint64 `json:"newSocket,omitempty"`
	// Child is the process made by fork.
	Child int `json:"child,omitempty"`
	// SharesFiles says of a fork that the child has no copy of the descriptors but shares them (CLONE_FILES).
	SharesFiles bool `json:"sharesFiles,omitempty"`

	Entry Time `json:"entry"`
	Exit  Time `json:"exit,omitempty"` // 0: it had not returned when the run ended
	// Blocked says that the thread was seen asleep in the call.
	Blocked bool `json:"blocked,omitempty"`
	// Slept says that the thread slept before the call, after a row of calls that achieved nothing. It is only
	// looked at in such rows.
	Slept bool `json:"slept,omitempty"`
	// Before and After are the descriptors that were open in the process at entry and at exit, in rising
	// order; nil where they were not noted.
	Before []int `json:"before,omitempty"`
	After  []int `json:"after,omitempty"`
	// Altered says how the harness changed the call, where it did ("length cut from 128 to 7").
	Altered string `json:"altered,omitempty"`
}

// Returned says whether the call came back before the run ended.
func (c *Call) Returned() bool { return c.Exit != 0 }

// Failed says whether the call came back with a failure.
func (c *Call) Failed() bool { return c.Returned() && c.Errno != "" }

// Succeeded says whether the call came back without a failure.
func (c *Call) Succeeded() bool { return c.Returned() && c.Errno == "" }

// fastOpen is Linux's MSG_FASTOPEN.
const fastOpen = 0x20000000

// Connects says whether the call is to open a connection: a connect, or a sendto or sendmsg that connects and
// sends in one (tcp(7), RFC 7413).
func (c *Call) Connects() bool {
	return c.Op == OpConnect || c.Op == OpSend && c.Flags&fastOpen != 0 && c.Address.AddrPort.IsValid()
}

// New lists the descriptors that were open after the call and not before.
func (c *Call) New() []int {
	var fresh []int
	for _, fd := range c.After {
		if !slices.Contains(c.Before, fd) {
			fresh = append(fresh, fd)
		}
	}
	return fresh
}

// Address is a socket address. The zero value means that there is none.
type Address struct {
	Family   int            `json:"family,omitempty"` // AF_INET…; 0 where there is no address
	AddrPort netip.AddrPort `json:"addrPort,omitzero"`
	Path     string         `json:"path,omitempty"`   // of AF_UNIX
	Length   int            `json:"length,omitempty"` // the address length that the program gave, where it is odd
}

// String is "127.0.0.1:8080", "[::1]:8080", "unix:/path" or "none".
func (a Address) String() string {
	switch {
	case a.AddrPort.IsValid():
		return a.AddrPort.String()
	case a.Path != "":
		return "unix:" + a.Path
	case a.Family != 0:
		return "family " + strconv.Itoa(a.Family)
	}
	return "none"
}

// IsZero says whether there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// Unmapped is the address with an IPv4-mapped IPv6 address turned into plain IPv4.
func (a Address) Unmapped() netip.AddrPort {
	return netip.AddrPortFrom(a.AddrPort.Addr().Unmap(), a.AddrPort.Port())
}

// Bytes is data that went through a socket. In JSON it is a string where it is UTF-8 without control
// characters, and an object {"hex": "…"} otherwise.
type Bytes []byte

// MarshalJSON writes text as a string and anything else as {"hex": …}.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' || r == utf8.RuneError }) {
		return json.Marshal(string(b))
	}
	return json.Marshal(map[string]string{"hex": fmt.Sprintf("%x", []byte(b))})
}

// UnmarshalJSON reads both forms.
func (b *Bytes) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*b = Bytes(text)
		return nil
	}
	var form struct {
		Hex string `json:"hex"`
	}
	if err := json.Unmarshal(raw, &form); err != nil {
		return fmt.Errorf("decode bytes: %w", err)
	}
	decoded, err := hex.DecodeString(form.Hex)
	if err != nil {
		return fmt.Errorf("decode bytes: %w", err)
	}
	*b = decoded
	return nil
}

// String is the call as a C programmer reads it, such as `accept(3) = 4, new; peer 127.0.0.1:40312`.
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	b.WriteByte('(')
	b.WriteString(strings.Join(c.arguments(), ", "))
	b.WriteByte(')')
	switch {
	case c.Op == OpExit:
	case !c.Returned() && c.Blocked:
		b.WriteString(" is blocked")
	case !c.Returned():
		b.WriteString(" has not returned")
	case c.Errno != "":
		fmt.Fprintf(&b, " = -1 %s", c.Errno)
	default:
		fmt.Fprintf(&b, " = %d%s", c.Result, c.remarks())
	}
	if c.Altered != "" {
		fmt.Fprintf(&b, " [%s]", c.Altered)
	}
	return b.String()
}
