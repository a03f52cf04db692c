package evidence

import "time"

// Outcome is what became of a process.
type Outcome struct {
	End     string   `json:"end"`
	PID     int      `json:"pid"`
	Command []string `json:"command"`
	Stdin   Bytes    `json:"stdin,omitempty"`
	Stdout  Bytes    `json:"stdout"`
	Stderr  Bytes    `json:"stderr"`
	// StdoutCut and StderrCut are the bytes that were printed beyond what is kept.
	StdoutCut int64 `json:"stdoutCut,omitempty"`
	StderrCut int64 `json:"stderrCut,omitempty"`

	Started Time `json:"started"`
	// Ended is 0 where the process never started.
	Ended Time `json:"ended,omitempty"`
	// ExitCode is -1 where a signal ended it or it never started.
	ExitCode   int    `json:"exitCode"`
	Signal     string `json:"signal,omitempty"` // "SIGSEGV"
	CoreDumped bool   `json:"coreDumped,omitempty"`
	// Stopped says that the harness ended it, because the deadline came or it was no longer needed.
	Stopped bool `json:"stopped,omitempty"`
	// StopReason says why the harness ended it: "deadline", "no longer needed", "output limit"…
	StopReason string `json:"stopReason,omitempty"`
	// StartError says why it could not be started.
	StartError string `json:"startError,omitempty"`
	// Limits are the limits it ran into, in words.
	Limits []string `json:"limits,omitempty"`
	// CPU is the processor time of the process and of those of its children that it waited for.
	CPU time.Duration `json:"cpu,omitempty"`
	// Survivors are the processes that were still there when the first one had ended and had to be ended.
	Survivors int `json:"survivors,omitempty"`
	// InWords is the ending for people: "exited with status 0", "killed by SIGPIPE while sending".
	InWords string `json:"inWords"`
}

// ExitedZero says whether the process ended by itself with status 0.
func (o *Outcome) ExitedZero() bool { return o.EndedByItself() && o.ExitCode == 0 }

// EndedByItself says whether the process ended by an exit of its own.
func (o *Outcome) EndedByItself() bool {
	return o.Ended != 0 && !o.Stopped && o.Signal == "" && o.StartError == ""
}

// KilledBySignal says whether a signal ended it that the harness did not send.
func (o *Outcome) KilledBySignal() bool { return o.Signal != "" && !o.Stopped }
