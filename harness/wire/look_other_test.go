//go:build !linux

package wire

import (
	"errors"
	"net"
)

func waiting(*net.TCPConn) (int, error) { return 0, errors.ErrUnsupported }
