//go:build !linux

package sockets

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"

	"tcpwitness/harness/evidence"
)

func keepThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

func processID() int                      { return os.Getpid() }
func threadID() int                       { return 0 }
func errnoName(errno Errno) string        { return "errno " + strconv.Itoa(int(errno)) }
func splitType(typ int) (kind, flags int) { return typ, 0 }
func isDuplicating(int) bool              { return false }

func awaitAsleep(context.Context, evidence.Call, func() bool) error { return errors.ErrUnsupported }
