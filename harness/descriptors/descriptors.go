// Package descriptors closes descriptors for good. A program that is being started has a copy of every
// descriptor until it executes: what is closed meanwhile stays open, the other end of a pipe is told nothing
// of an end of file, and a socket sends no FIN.
package descriptors

import (
	"sync"
	"syscall"
)

// starting is held for writing while a program is started, until it executes.
var starting sync.RWMutex

// Close calls a function that closes descriptors at a moment when nobody has copies of them, and yields its
// error. It must not start a program. A program that others start without Start may have copies for a moment.
func Close(closes func() error) error {
	starting.RLock()
	defer starting.RUnlock()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return closes()
}
