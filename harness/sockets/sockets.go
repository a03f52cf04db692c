// Package sockets is the sockets API as a Go interface: one method for each call of the notes, returning
// what C returns. The API chapters of the suites speak only to this interface, so that any implementation
// of it can be judged by the same specs. The package brings the kernel's own implementation, made of
// direct system calls, and a wrapper that records every call as evidence.
package sockets

import "syscall"

// Errno is an error number, 0 for none.
type Errno = syscall.Errno

// SockAddr is a struct sockaddr as it stands in memory, passed with its own length.
type SockAddr []byte

// API is an implementation of the sockets API. Each method returns what the C function of its name
// returns, -1 for failure, and the value of errno (0 after success). Constants (domains, flags, options)
// are those of the platform.
type API interface {
	// Socket creates a socket and returns its descriptor (notes §2).
	Socket(domain, typ, protocol int) (fd int, errno Errno)
	// Bind gives the socket its local address (notes §4.2).
	Bind(fd int, addr SockAddr) (result int, errno Errno)
	// Listen makes the socket passive (notes §4.3).
	Listen(fd, backlog int) (result int, errno Errno)
	// Accept takes the next connection from the queue and returns its descriptor and the peer's address (notes §4.4).
	Accept(fd int) (accepted int, peer SockAddr, errno Errno)
	// Connect connects the socket to an address (notes §3.1).
	Connect(fd int, addr SockAddr) (result int, errno Errno)
	// Send sends data and returns the number of bytes taken (notes §3.2).
	Send(fd int, data []byte, flags int) (n int, errno Errno)
	// Recv receives into buf and returns the number of bytes, 0 at the end of the stream (notes §3.3).
	Recv(fd int, buf []byte, flags int) (n int, errno Errno)
	// Shutdown ends one or both directions (POSIX).
	Shutdown(fd, how int) (result int, errno Errno)
	// Close closes the descriptor (notes §4.6).
	Close(fd int) (result int, errno Errno)

	// Dup makes a second descriptor for the same open socket (POSIX).
	Dup(fd int) (duplicate int, errno Errno)
	// Fcntl with an integer argument (POSIX).
	Fcntl(fd, command, argument int) (result int, errno Errno)
	// Poll waits until one of the events holds, timeout in ms (-1: for ever), and returns those that do (POSIX).
	Poll(fd int, events int16, timeout int) (revents int16, errno Errno)
	GetSockName(fd int) (addr SockAddr, result int, errno Errno)
	GetPeerName(fd int) (addr SockAddr, result int, errno Errno)
	SetOption(fd, level, option int, value []byte) (result int, errno Errno)
	// GetOption reads at most length bytes of an option's value.
	GetOption(fd, level, option, length int) (value []byte, result int, errno Errno)
	// Descriptors lists the open descriptors of the program under test, in rising order. The harness's own
	// are left out where the two share a process.
	Descriptors() []int
}
