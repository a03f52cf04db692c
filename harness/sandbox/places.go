package sandbox

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// Ports are taken from firstPort up to, not including, lastPort: above the well-known ones and below
// 32768, where Linux begins to give ports to clients.
const (
	firstPort = 10000
	lastPort  = 30000
	blocks    = (lastPort - firstPort) / PortBlock
)

// places are the addresses and the first port of a sandbox.
type places struct {
	server, client netip.Addr
	port           uint16
}

// placesOf yields the places that belong to a block of ports, numbered from 0. The last two bytes of the
// addresses follow from the block, so that who owns the block owns the addresses; the second byte is any,
// so that addresses change even where blocks are used again.
func placesOf(block int) places {
	second := 16 + rand.IntN(200)
	other := 16 + (second-16+1+rand.IntN(199))%200
	third, fourth := byte(1+block/250), byte(2+block%250)
	return places{
		server: netip.AddrFrom4([4]byte{127, byte(second), third, fourth}),
		client: netip.AddrFrom4([4]byte{127, byte(other), third, fourth}),
		port:   uint16(firstPort + block*PortBlock),
	}
}

// ownAddress6 yields a unique local address (RFC 4193).
func ownAddress6() netip.Addr {
	var raw [16]byte
	raw[0] = 0xfd
	for i := 1; i < len(raw); i++ {
		raw[i] = byte(1 + rand.IntN(254))
	}
	return netip.AddrFrom16(raw)
}

// portCounter counts 1, 2, … PortBlock-1, 1, 2, …
type portCounter struct{ taken atomic.Uint32 }

func (c *portCounter) next() uint16 { return uint16(1 + (c.taken.Add(1)-1)%(PortBlock-1)) }
