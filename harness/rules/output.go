package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"tcpwitness/harness/evidence"
)

// A line counts as printed where it stands on standard output as a whole line. Its end may be a newline,
// a carriage return and a newline, or the end of the output. Other lines may stand around it.
//
// A client may have printed a prompt before the line: it reads from a terminal in daily life, where the
// newline that the user types ends the prompt's line; on a pipe it is missing. So for clients what stands
// before the text on its line is taken for a prompt where it ends, apart from blanks, in a character that
// is neither letter nor digit, as in `message: from server: hi`. `echo from server: hi` is a longer line.

// missingLine looks for lines in order and yields the first that is not there.
func missingLine(output evidence.Bytes, want []evidence.Line, prompts bool) (missing evidence.Line, lacks bool) {
	have := outputLines(output)
	at := 0
	for _, line := range want {
		for at < len(have) && !isLine(have[at], line.Text, prompts) {
			at++
		}
		if at == len(have) {
			return line, true
		}
		at++
	}
	return evidence.Line{}, false
}

func outputLines(output evidence.Bytes) []string {
	all := strings.Split(string(output), "\n")
	for i, line := range all {
		all[i] = strings.TrimSuffix(line, "\r")
	}
	return all
}

func isLine(have, want string, prompts bool) bool {
	if have == want {
		return true
	}
	before, found := strings.CutSuffix(have, want)
	if !found || !prompts {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(before, unicode.IsSpace))
	return last != utf8.RuneError && !unicode.IsLetter(last) && !unicode.IsDigit(last) && !unicode.IsControl(last)
}

// almost shows where a line that is missing stands as a part of another one, or what was printed at all.
func almost(o *evidence.Outcome, want string) string {
	for _, line := range outputLines(o.Stdout) {
		if want != "" && strings.Contains(line, want) {
			return "a part of a longer line:\n  " + evidence.Bytes(line).Quoted(200, len(line))
		}
	}
	for _, line := range outputLines(o.Stderr) {
		if isLine(line, want, true) {
			return "the line stands on standard error:\n  " + evidence.Bytes(line).Quoted(200, len(line))
		}
	}
	return printed("standard output", o.Stdout)
}

// unflushed says why a missing line may have been printed all the same and never left the program's
// buffer: it was stopped by the harness before it would have been written. It is empty where that cannot be.
func (r *record) unflushed(o *evidence.Outcome) string {
	// More than any usual standard I/O buffer holds.
	const buffers = 64 << 10
	switch {
	case o.StdoutCut > 0:
		return "it printed more than is kept, and the line may be in what was cut"
	case !o.Stopped, r.script.StaysUp && r.script.Filled >= buffers:
		return ""
	}
	return "it was stopped while it ran, and what it had printed may still have been in its buffer"
}

// bears says whether a text stands in the output and is not a part of a longer number or address.
func bears(output evidence.Bytes, want string) bool {
	text := string(output)
	part := func(r rune) bool { return unicode.IsDigit(r) || r == '.' }
	for from := 0; ; {
		i := strings.Index(text[from:], want)
		if i < 0 {
			return false
		}
		start := from + i
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		rest := text[start+len(want):]
		after, size := utf8.DecodeRuneInString(rest)
		next, _ := utf8.DecodeRuneInString(rest[size:])
		// A full stop behind an address ends a sentence unless a digit follows.
		longer := unicode.IsDigit(after) || after == '.' && unicode.IsDigit(next)
		if !part(before) && !longer {
			return true
		}
		from = start + 1
	}
}
