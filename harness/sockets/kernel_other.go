//go:build !linux

package sockets

import "syscall"

// Kernel is the kernel's own implementation of the API; on this system every call answers ENOSYS.
type Kernel struct {
	Do      func(func() error) error
	Cookie  uint64
	Private bool
}

var _ API = (*Kernel)(nil)

func (*Kernel) Socket(int, int, int) (int, Errno)                 { return -1, syscall.ENOSYS }
func (*Kernel) Bind(int, SockAddr) (int, Errno)                   { return -1, syscall.ENOSYS }
func (*Kernel) Listen(int, int) (int, Errno)                      { return -1, syscall.ENOSYS }
func (*Kernel) Accept(int) (int, SockAddr, Errno)                 { return -1, nil, syscall.ENOSYS }
func (*Kernel) Connect(int, SockAddr) (int, Errno)                { return -1, syscall.ENOSYS }
func (*Kernel) Send(int, []byte, int) (int, Errno)                { return -1, syscall.ENOSYS }
func (*Kernel) Recv(int, []byte, int) (int, Errno)                { return -1, syscall.ENOSYS }
func (*Kernel) Shutdown(int, int) (int, Errno)                    { return -1, syscall.ENOSYS }
func (*Kernel) Close(int) (int, Errno)                            { return -1, syscall.ENOSYS }
func (*Kernel) Dup(int) (int, Errno)                              { return -1, syscall.ENOSYS }
func (*Kernel) Fcntl(int, int, int) (int, Errno)                  { return -1, syscall.ENOSYS }
func (*Kernel) Poll(int, int16, int) (int16, Errno)               { return 0, syscall.ENOSYS }
func (*Kernel) GetSockName(int) (SockAddr, int, Errno)            { return nil, -1, syscall.ENOSYS }
func (*Kernel) GetPeerName(int) (SockAddr, int, Errno)            { return nil, -1, syscall.ENOSYS }
func (*Kernel) SetOption(int, int, int, []byte) (int, Errno)      { return -1, syscall.ENOSYS }
func (*Kernel) GetOption(int, int, int, int) ([]byte, int, Errno) { return nil, -1, syscall.ENOSYS }
func (*Kernel) Descriptors() []int                                { return nil }

// OpenDescriptors is not available here.
func OpenDescriptors() []int { return nil }

// Identity is not available here.
func Identity(int) uint64 { return 0 }
