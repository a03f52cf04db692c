package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tcpwitness/harness/evidence"
)

// Why the harness ends a program, as Outcome.StopReason has it.
const (
	ReasonDeadline    = "deadline"
	ReasonInterrupted = "interrupted"
	ReasonNotNeeded   = "no longer needed"
	ReasonOutput      = "output limit"
	ReasonFolder      = "folder limit"
	ReasonProcesses   = "process limit"
)

// reasonOf names the end of a context.
func reasonOf(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ReasonDeadline
	}
	return ReasonInterrupted
}

// doing says what a call does, to follow "while".
var doing = map[evidence.Op]string{
	evidence.OpSend:    "sending",
	evidence.OpRecv:    "receiving",
	evidence.OpAccept:  "accepting",
	evidence.OpConnect: "connecting",
	evidence.OpClose:   "closing",
	evidence.OpWait:    "waiting",
}

// inWords says for people how a process ended.
func inWords(o *evidence.Outcome, during *evidence.Call, blockedIn string, deadline time.Duration) string {
	var b strings.Builder
	switch {
	case o.StartError != "":
		return "could not be started: " + o.StartError
	case o.Stopped:
		b.WriteString("stopped by the harness")
		switch o.StopReason {
		case ReasonDeadline:
			b.WriteString(" at the deadline")
			if deadline > 0 {
				b.WriteString(" of " + seconds(deadline))
			}
		case ReasonInterrupted:
			b.WriteString(" because the run was interrupted")
		case ReasonNotNeeded:
			b.WriteString(" when it was no longer needed")
		case ReasonOutput, ReasonFolder, ReasonProcesses:
			b.WriteString(" at the " + o.StopReason)
		default:
			b.WriteString(": " + o.StopReason)
		}
		if blockedIn != "" {
			b.WriteString(" while blocked in " + blockedIn)
		}
	case o.Signal != "":
		b.WriteString("killed by " + o.Signal)
		if during != nil && doing[during.Op] != "" {
			b.WriteString(" while " + doing[during.Op])
		}
		if o.CoreDumped {
			b.WriteString(" (core dumped)")
		}
	default:
		fmt.Fprintf(&b, "exited with status %d", o.ExitCode)
	}
	switch {
	case o.Survivors == 1 && !o.Stopped:
		b.WriteString(", leaving a process behind that had to be ended")
	case o.Survivors > 1 && !o.Stopped:
		fmt.Fprintf(&b, ", leaving %d processes behind that had to be ended", o.Survivors)
	}
	return b.String()
}

// seconds writes a duration as people do: "5 s", "1.5 s", "200 ms".
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	s := fmt.Sprintf("%.1f", d.Seconds())
	return strings.TrimSuffix(s, ".0") + " s"
}

// size writes a number of bytes as people do: "64 MiB".
func size(n int64) string {
	switch {
	case n >= gib && n%gib == 0:
		return fmt.Sprintf("%d GiB", n/gib)
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%d MiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%d KiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
