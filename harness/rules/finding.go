package rules

import (
	"fmt"
	"slices"
	"strings"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

func pass() Finding { return Finding{Verdict: Pass} }

func skip(reason string) Finding { return Finding{Verdict: Skip, Reason: reason} }

func fail(expected, seen string) Finding {
	return Finding{Verdict: Fail, Expected: expected, Seen: seen}
}

// because adds the reason.
func (f Finding) because(format string, args ...any) Finding {
	f.Reason = fmt.Sprintf(format, args...)
	return f
}

// on adds calls that the finding rests on.
func (f Finding) on(calls ...*evidence.Call) Finding {
	f.Calls = slices.Clone(f.Calls)
	for _, c := range calls {
		if c != nil && !slices.Contains(f.Calls, c.N) {
			f.Calls = append(f.Calls, c.N)
		}
	}
	slices.Sort(f.Calls)
	return f
}

// framed adds segments that the finding rests on.
func (f Finding) framed(segments ...*conversation.Segment) Finding {
	f.Frames = slices.Clone(f.Frames)
	for _, frame := range conversation.Frames(segments...) {
		if !slices.Contains(f.Frames, frame) {
			f.Frames = append(f.Frames, frame)
		}
	}
	slices.Sort(f.Frames)
	return f
}

// shownCalls is the number of calls that a finding shows.
const shownCalls = 6

// listed are calls as text, one a line. Of a row of the same calls only the first is shown, with its number.
func listed(calls ...*evidence.Call) string {
	var out []string
	var last string
	repeated := 0
	settle := func() {
		if repeated > 0 {
			out[len(out)-1] += fmt.Sprintf(", and %d more times", repeated)
		}
		repeated = 0
	}
	for _, c := range calls {
		if c == nil {
			continue
		}
		text := c.String()
		if text == last {
			repeated++
			continue
		}
		settle()
		if len(out) == shownCalls {
			out = append(out, "…")
			break
		}
		out, last = append(out, text), text
	}
	settle()
	return strings.Join(out, "\n")
}

// pointers makes calls fit for listed and on.
func pointers(calls []evidence.Call) []*evidence.Call {
	all := make([]*evidence.Call, len(calls))
	for i := range calls {
		all[i] = &calls[i]
	}
	return all
}

// paragraphs joins what is not empty, one a line.
func paragraphs(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n")
}

// ending is what became of a process, in words.
func ending(o *evidence.Outcome) string {
	switch {
	case o == nil:
		return ""
	case o.InWords != "":
		return "the program " + o.InWords
	case o.Signal != "" && !o.Stopped:
		return "the program was killed by " + o.Signal
	case o.EndedByItself():
		return fmt.Sprintf("the program exited with status %d", o.ExitCode)
	}
	return "the program did not end and had to be stopped"
}

// printed is the beginning of what a program printed on a stream, in quotes, line by line.
func printed(stream string, text evidence.Bytes) string {
	if len(text) == 0 {
		return "nothing on " + stream
	}
	const lines, width = 4, 120
	var out []string
	rest := string(text)
	for len(rest) > 0 && len(out) < lines {
		line, after, _ := strings.Cut(rest, "\n")
		out = append(out, "  "+evidence.Bytes(line).Quoted(width, len(line)))
		rest = after
	}
	if rest != "" {
		out = append(out, "  …")
	}
	return "on " + stream + ":\n" + strings.Join(out, "\n")
}
