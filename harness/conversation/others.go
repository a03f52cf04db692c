package conversation

import (
	"fmt"
	"net/netip"

	"tcpwitness/harness/evidence"
)

// Datagram is one UDP datagram. Where IP cut it into fragments, it is put together again and Frames lists
// all of them.
type Datagram struct {
	Frame               int   // the frame that completed it
	Frames              []int // all frames that carried it
	Time                evidence.Time
	Interface           int
	Fate                evidence.Fate
	Source, Destination netip.AddrPort
	Length              int    // bytes of data, as the header says
	Payload             []byte // the data, as far as the capture kept it
	Checksum            Checksum
	IPChecksum          Checksum
}

func (d *Datagram) String() string {
	return fmt.Sprintf("#%d UDP %s → %s len %d", d.Frame, d.Source, d.Destination, d.Length)
}

// Message is one ICMP or ICMPv6 message.
type Message struct {
	Frame               int
	Time                evidence.Time
	Interface           int
	Version             int // 4 or 6
	Type, Code          int
	Source, Destination netip.Addr
	// About is the packet that an error message quotes; its ports are 0 where it is neither TCP nor UDP.
	About *Quoted
}

// Quoted is the beginning of a packet that an ICMP error quotes.
type Quoted struct {
	Protocol            int // 6 for TCP, 17 for UDP
	Source, Destination netip.AddrPort
}

// Unreachable says whether the message is "destination unreachable", which the kernel sends for a UDP
// datagram to a port without a socket (RFC 792, RFC 4443).
func (m *Message) Unreachable() bool {
	return m.Version == 4 && m.Type == 3 || m.Version == 6 && m.Type == 1
}

// PortUnreachable says whether it tells that nobody has the port (RFC 792, RFC 4443).
func (m *Message) PortUnreachable() bool {
	return m.Version == 4 && m.Type == 3 && m.Code == 3 || m.Version == 6 && m.Type == 1 && m.Code == 4
}

func (m *Message) String() string {
	return fmt.Sprintf("#%d ICMPv%d type %d code %d %s → %s", m.Frame, m.Version, m.Type, m.Code, m.Source, m.Destination)
}

// Frame is a frame that is no TCP, UDP or ICMP, or that could not be understood.
type Frame struct {
	Frame     int
	Time      evidence.Time
	Interface int
	// What says what it is, or why it could not be understood.
	What string
	// Broken says that it could not be understood.
	Broken bool
}

func (f *Frame) String() string { return fmt.Sprintf("#%d %s", f.Frame, f.What) }
