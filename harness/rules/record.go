package rules

import (
	"math"
	"net/netip"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// record is one run with a program under test, arranged for the checks.
type record struct {
	run    *evidence.Run
	script *evidence.Script
	role   string // the end under test
	peer   string // the harness's own end

	// end is the moment when the scene was over; nothing later is judged.
	end evidence.Time
	// calls are the program's, up to the end of the scene. One that returned later has not returned.
	calls []evidence.Call
	// peerCalls are the harness's own, all of them.
	peerCalls []evidence.Call
	outcomes  []evidence.Outcome // of the program, in the order in which its processes were started

	descriptors *descriptors
	wire        *conversation.Analysis
	played      []played
}

func newRecord(run *evidence.Run) *record {
	r := &record{run: run, script: run.Script, role: run.Script.Role, end: math.MaxInt64}
	r.peer = evidence.Client
	if r.role == evidence.Client {
		r.peer = evidence.Server
	}
	if mark, marked := run.Mark(evidence.MarkSceneEnd); marked {
		r.end = mark.Time
	}
	for _, c := range run.Calls {
		if c.End == r.peer {
			r.peerCalls = append(r.peerCalls, c)
			continue
		}
		if c.Entry > r.end {
			continue
		}
		if c.Exit > r.end {
			c.Exit, c.Result, c.Errno, c.NewFD, c.NewSocket = 0, 0, "", nil, 0
		}
		r.calls = append(r.calls, c)
	}
	for _, o := range run.Outcomes {
		if o.End == r.role {
			r.outcomes = append(r.outcomes, o)
		}
	}
	r.descriptors = follow(r.calls)
	follow(r.peerCalls)
	r.wire = conversation.Analyse(run)
	r.played = playedConnections(r)
	return r
}

// untraced is the reason why the program's calls could not be seen, empty where they were.
func (r *record) untraced() string {
	why, lacking := r.run.Lacks(evidence.MissingTrace, r.role)
	if lacking && why == "" {
		return "its calls could not be traced"
	}
	return why
}

// uncaptured is the reason why the packets could not be seen, empty where they were.
func (r *record) uncaptured() string {
	why, lacking := r.run.Lacks(evidence.MissingCapture, "")
	switch {
	case lacking && why == "":
		return "packets could not be captured"
	case !lacking && len(r.run.Packets) == 0 && len(r.played) > 0:
		return "no packets were captured"
	}
	return why
}

// outcome is that of the program's first process, or nil where the end is no process.
func (r *record) outcome() *evidence.Outcome {
	if len(r.outcomes) == 0 {
		return nil
	}
	return &r.outcomes[0]
}

// connections are those of the script.
func (r *record) connections() []evidence.Connection { return r.script.Connections }

// replies says whether the server sends anything in this dialogue.
func (r *record) replies() bool {
	for _, c := range r.connections() {
		if len(c.Reply) > 0 {
			return true
		}
	}
	return false
}

// sends says whether the client sends anything in this dialogue.
func (r *record) sends() bool {
	for _, c := range r.connections() {
		if len(c.Message) > 0 {
			return true
		}
	}
	return false
}

// pending are the program's calls that had not returned when the scene ended.
func (r *record) pending() []evidence.Call {
	var calls []evidence.Call
	for _, c := range r.calls {
		if !c.Returned() && c.Op != evidence.OpExit {
			calls = append(calls, c)
		}
	}
	return calls
}

// usesRing says whether the program asked for io_uring, which is denied to it: what it did without is
// judged, but where it did nothing else it cannot be seen call by call.
func (r *record) usesRing() bool {
	for _, c := range r.calls {
		if c.Op == evidence.OpRefused && c.Name == "io_uring_setup" {
			return true
		}
	}
	return false
}

// is reports whether an address is the one under test, in whatever family it was written.
func (r *record) is(a evidence.Address) bool {
	return a.AddrPort.IsValid() && a.Unmapped() == unmapped(r.run.Address)
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
