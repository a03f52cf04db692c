package wire

import "errors"

// device is where one host's cable ends: what the host sends is read from it, what is written to it arrives
// at the host. The methods other than serve and close are called with the wire's lock held.
type device interface {
	// serve calls turn as often as packets may be waiting, until turn answers over or the device is closed.
	serve(turn func() answer) error
	// read takes the next packet; errEmpty where none waits, which is a fact about the host: it has sent
	// nothing that was not read.
	read(buf []byte) (int, error)
	// write delivers a packet. When it returns the host's kernel has dealt with it, and whatever it answered
	// at once can be read. (Where a thread of the host is inside a call on the same socket, the packet is
	// dealt with when that call lets go of the socket.)
	write(packet []byte) error
	// dropped is the number of packets that the host sent and that were lost before they could be read.
	dropped() (uint64, error)
	// close ends serve. Nobody may read or write any more.
	close() error
}

var errEmpty = errors.New("no packet waits")

// answer is what a turn says about how to go on.
type answer int

const (
	wait answer = iota // nothing is waiting: come back when there is
	more               // come back at once, others have had their turn
	over               // the end
)
