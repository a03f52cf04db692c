package evidence

// Packet is one frame as it was captured.
type Packet struct {
	N    int  `json:"n"` // frame number in the run and in its pcapng, from 1
	Time Time `json:"time"`
	// Interface is the index in Run.Interfaces of where it was seen.
	Interface int `json:"interface,omitempty"`
	// Data begins with the link layer header that the interface's link type says.
	Data []byte `json:"data"`
	// Length on the wire in bytes; more than len(Data) where the capture cut it.
	Length int `json:"length"`
	// Comment says what the packet is, for people.
	Comment string `json:"comment,omitempty"`
	// Fate is what the wire did to the packet, empty on a plain loopback.
	Fate Fate `json:"fate,omitempty"`
}

// Fate is what a wire with faults did to a packet that it was to carry.
type Fate string

// The fates. A packet without one crossed as it was, or there was no wire.
const (
	Lost       Fate = "lost"
	Corrupted  Fate = "corrupted"
	Duplicated Fate = "duplicated"
	Held       Fate = "held"
	Rewritten  Fate = "rewritten" // such as a window made smaller
	Injected   Fate = "injected"  // made by a scripted peer or by the wire
)

// LinkType is the number of a link layer as pcapng files use it.
type LinkType uint16

// The link types in use: a loopback or Ethernet device, and a TUN device (packets begin with the IP header).
const (
	LinkEthernet LinkType = 1
	LinkRaw      LinkType = 101
)

// Interface is a place where packets were captured.
type Interface struct {
	Name     string   `json:"name"`
	LinkType LinkType `json:"linkType"`
	// End is the end whose side this is, where there are two sides.
	End string `json:"end,omitempty"`
	// SnapLength is the number of bytes kept of each packet.
	SnapLength int `json:"snapLength,omitempty"`
}
