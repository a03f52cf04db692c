package report

import (
	"net/netip"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// lane is one of the two ends, as an index: the client stands left, the server right.
type lane int

const (
	left  lane = 0
	right lane = 1
)

func laneOf(end string) lane {
	if end == evidence.Server {
		return right
	}
	return left
}

func (l lane) end() string {
	if l == right {
		return evidence.Server
	}
	return evidence.Client
}

func (l lane) other() lane { return 1 - l }

// story is a run made ready for drawing: who talks to whom over which socket, and which packet is which.
// Every picture is drawn from it.
type story struct {
	run      *evidence.Run
	analysis *conversation.Analysis

	start       evidence.Time            // when the run began
	packets     map[int]*evidence.Packet // by frame number
	connections []*connection
	sockets     []*openSocket
	lives       []*life
	behind      map[int]*openSocket // by call number: the socket behind its FD
	made        map[int]*openSocket // by call number: the socket behind its NewFD
	open        map[int][]*life     // by call number of an exit: what was still open
	flights     []*flight
}

// connection is one TCP connection, on however many interfaces it was seen.
type connection struct {
	n              int // from 0
	client, server netip.AddrPort
	// views are the connection as seen on the client's and on the server's side; the same on a loopback.
	views [2]*conversation.Conversation
	taken [2]bool // a socket of that end is known to be its own
}

// letter names the connection in a picture.
func (c *connection) letter() string { return letterOf(c.n) }

func letterOf(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letterOf(n/26-1) + string(rune('A'+n%26))
}

// hues is the number of colours for connections; further ones begin again.
const hues = 6

// hue is the number of the connection's colour, from 1; 0 for what belongs to none.
func (c *connection) hue() int {
	if c == nil {
		return 0
	}
	return c.n%hues + 1
}

// began is when its first segment was seen.
func (c *connection) began() evidence.Time {
	for _, view := range c.views {
		if view != nil && len(view.Segments) > 0 {
			return view.Segments[0].Time
		}
	}
	return 0
}

// tell makes a run ready for drawing.
func tell(run *evidence.Run) *story {
	s := &story{
		run: run, start: beginningOf(run), analysis: conversation.Analyse(run),
		packets: make(map[int]*evidence.Packet, len(run.Packets)),
		behind:  map[int]*openSocket{}, made: map[int]*openSocket{}, open: map[int][]*life{},
	}
	for i := range run.Packets {
		s.packets[run.Packets[i].N] = &run.Packets[i]
	}
	s.gatherConnections()
	s.followDescriptors()
	s.pairPackets()
	return s
}

// gatherConnections joins what was seen of the same connection on two interfaces.
func (s *story) gatherConnections() {
	for _, view := range s.analysis.TCP {
		side := ""
		if view.Interface >= 0 && view.Interface < len(s.run.Interfaces) {
			side = s.run.Interfaces[view.Interface].End
		}
		if side == "" {
			s.connections = append(s.connections, &connection{
				n: len(s.connections), client: view.Client, server: view.Server,
				views: [2]*conversation.Conversation{view, view},
			})
			continue
		}
		c := s.halfSeen(view, laneOf(side))
		c.views[laneOf(side)] = view
	}
}

// halfSeen is the connection that the view of one side belongs to: one that was seen on the other side
// only, or a new one.
func (s *story) halfSeen(view *conversation.Conversation, side lane) *connection {
	for _, c := range s.connections {
		other := c.views[side.other()]
		if c.views[side] == nil && other != nil && c.client == view.Client && c.server == view.Server &&
			other.Sent(evidence.Client).ISN == view.Sent(evidence.Client).ISN {
			return c
		}
	}
	c := &connection{n: len(s.connections), client: view.Client, server: view.Server}
	s.connections = append(s.connections, c)
	return c
}

// view is what is known of the connection at one end, nil where nothing was seen there.
func (c *connection) view(at lane) *conversation.Conversation {
	if c.views[at] != nil {
		return c.views[at]
	}
	return c.views[at.other()]
}

// beginningOf is when a run began; records without a beginning count from their first event.
func beginningOf(run *evidence.Run) evidence.Time {
	start := run.Started
	if start != 0 {
		return start
	}
	for i := range run.Calls {
		if at := run.Calls[i].Entry; start == 0 || at < start {
			start = at
		}
	}
	for i := range run.Packets {
		if at := run.Packets[i].Time; start == 0 || at < start {
			start = at
		}
	}
	return start
}
