// Package evidence holds what was observed while one scenario played out: the socket calls of each end,
// the packets between them, and what became of the processes. One [Run] is one such record.
//
// Rules, matchers and reports see nothing else. A verdict therefore always has its evidence, and a
// recorded run can be judged again on any machine and without privileges. The package imports no other
// package of this module.
package evidence

import (
	"fmt"
	"net/netip"
	"time"
)

// Schema names the version of the JSON form of a Run.
const Schema = "tcpwitness-run/1"

// The names of the two ends. Every Call and every Outcome belongs to one of them.
const (
	Client = "client"
	Server = "server"
)

// Time is a moment in nanoseconds since the Unix epoch, on the clock that the kernel also stamps packets
// with (CLOCK_REALTIME). Zero means "not known" or "did not happen".
type Time int64

// Now is the present moment.
func Now() Time { return Time(time.Now().UnixNano()) }

// At converts a time.Time.
func At(t time.Time) Time { return Time(t.UnixNano()) }

// Go converts to a time.Time.
func (t Time) Go() time.Time { return time.Unix(0, int64(t)) }

// Sub is the time that passed from earlier to t.
func (t Time) Sub(earlier Time) time.Duration { return time.Duration(t - earlier) }

// Run is the record of one scenario.
type Run struct {
	Schema   string `json:"schema"`
	Scenario string `json:"scenario"` // a name that is unique in the suite, such as "accept.fresh-descriptor" or "server/plain"
	// Rules are the ids of the rules that the scenario was staged for.
	Rules []string `json:"rules,omitempty"`
	// Title says in one sentence what is played.
	Title string `json:"title,omitempty"`

	Started Time `json:"started"`
	Ended   Time `json:"ended"`
	Host    Host `json:"host"`

	// Dialogue names what the two ends say to each other; empty where no dialogue is played.
	Dialogue string `json:"dialogue,omitempty"`
	// Address is the one the server is to serve on.
	Address netip.AddrPort `json:"address,omitzero"`
	// Script is what a program under test was to show; nil where none is judged.
	Script *Script `json:"script,omitempty"`

	Ends       []End       `json:"ends,omitempty"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	Calls      []Call      `json:"calls,omitempty"`
	Packets    []Packet    `json:"-"` // kept beside the JSON, as pcapng
	Outcomes   []Outcome   `json:"outcomes,omitempty"`

	// Marks are moments that the stage noted, such as "line fed to the client".
	Marks []Mark `json:"marks,omitempty"`
	// Missing says what could not be observed and why; a rule that needs it is skipped.
	Missing []Missing `json:"missing,omitempty"`
	// Faults are failures of the harness itself (packets dropped by the capture, a fault of the wire that
	// never matched…). A run with faults is judged `error`.
	Faults []string `json:"faults,omitempty"`
}

// Host says where a run was recorded.
type Host struct {
	OS        string `json:"os"`
	Kernel    string `json:"kernel"`
	Isolation string `json:"isolation"` // "namespace" or "shared"
	Capture   bool   `json:"capture"`
	Trace     bool   `json:"trace"`
}

// End is one of the two ends of a run.
type End struct {
	Name string `json:"name"` // Client or Server
	// Kind says what plays it: "in-process", "reference" (a subprocess), "program" (under test) or "scripted".
	Kind string `json:"kind"`
	// Command is the command line of a subprocess.
	Command []string `json:"command,omitempty"`
	// Addresses that belong to this end, where the two ends are different hosts.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// Mark is a moment with a name.
type Mark struct {
	Time Time   `json:"time"`
	Name string `json:"name"`
	// End is the end it concerns, or empty.
	End string `json:"end,omitempty"`
}

// What a run can lack; see Missing.
const (
	MissingCapture   = "capture"
	MissingTrace     = "trace"
	MissingNamespace = "namespace"
)

// Missing is something that could not be observed.
type Missing struct {
	What string `json:"what"` // MissingCapture, MissingTrace or MissingNamespace
	// End is the end that it concerns; empty for both.
	End string `json:"end,omitempty"`
	// Why is a clause that can follow "because".
	Why string `json:"why"`
}

// Lacks gives the reason why something could not be observed, and whether that is so. What concerns both
// ends concerns each; with end empty any entry counts.
func (r *Run) Lacks(what, end string) (why string, lacking bool) {
	for _, m := range r.Missing {
		if m.What == what && (end == "" || m.End == "" || m.End == end) {
			return m.Why, true
		}
	}
	return "", false
}

// CallsOf yields the calls of one end in the order in which they were entered. An empty end means both.
func (r *Run) CallsOf(end string) []Call {
	var calls []Call
	for _, c := range r.Calls {
		if end == "" || c.End == end {
			calls = append(calls, c)
		}
	}
	return calls
}

// Outcome yields the outcome of the first process of an end, or nil where the end is not a process.
func (r *Run) Outcome(end string) *Outcome {
	for i := range r.Outcomes {
		if r.Outcomes[i].End == end {
			return &r.Outcomes[i]
		}
	}
	return nil
}

// Mark yields the first mark with that name.
func (r *Run) Mark(name string) (Mark, bool) {
	for _, m := range r.Marks {
		if m.Name == name {
			return m, true
		}
	}
	return Mark{}, false
}

// EndKind yields what plays an end, or "" where the run does not say.
func (r *Run) EndKind(name string) string {
	for _, e := range r.Ends {
		if e.Name == name {
			return e.Kind
		}
	}
	return ""
}

// Call returns the call with number n, or nil.
func (r *Run) Call(n int) *Call {
	for i := range r.Calls {
		if r.Calls[i].N == n {
			return &r.Calls[i]
		}
	}
	return nil
}

// Packet returns the frame with number n, or nil.
func (r *Run) Packet(n int) *Packet {
	for i := range r.Packets {
		if r.Packets[i].N == n {
			return &r.Packets[i]
		}
	}
	return nil
}

func (r *Run) String() string {
	return fmt.Sprintf("run of %s: %d calls, %d packets, %d processes", r.Scenario, len(r.Calls), len(r.Packets), len(r.Outcomes))
}
