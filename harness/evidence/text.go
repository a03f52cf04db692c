package evidence

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quoted is the data in double quotes, with C's escapes, cut to about limit bytes; a run of NULs counts as
// one. Whole is how many bytes there were, where the data is only their beginning. Examples:
// "hello"\0×123 for a padded frame, "aaaa"… for what was cut. Nothing in it can move the cursor, colour or
// reorder the text around it.
func (b Bytes) Quoted(limit, whole int) string {
	var out strings.Builder
	open := false
	quote := func(want bool) {
		if open != want {
			out.WriteByte('"')
			open = want
		}
	}
	rest := b
	for shown := 0; len(rest) > 0 && shown < limit; {
		if nuls := leadingNULs(rest); nuls > 1 {
			quote(false)
			fmt.Fprintf(&out, `\0×%d`, nuls)
			rest = rest[nuls:]
			shown += 4
			continue
		}
		quote(true)
		size := writeEscaped(&out, rest)
		rest = rest[size:]
		shown += size
	}
	quote(false)
	if out.Len() == 0 {
		out.WriteString(`""`)
	}
	if len(rest) > 0 && leadingNULs(rest) < len(rest) || len(b) < whole {
		out.WriteString("…")
	}
	return out.String()
}

// Printable is text from a program under test made harmless for a terminal, a log and a page's plain
// text: every character that does not print (controls, bidirectional marks, invalid UTF-8) is spelled out,
// newlines and tabs are kept.
func Printable(text string) string {
	var out strings.Builder
	for rest := Bytes(text); len(rest) > 0; {
		if rest[0] == '\n' || rest[0] == '\t' || rest[0] == '"' || rest[0] == '\\' {
			out.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		rest = rest[writeEscaped(&out, rest):]
	}
	return out.String()
}

// writeEscaped writes the first character of b and returns its length in bytes.
func writeEscaped(out *strings.Builder, b Bytes) int {
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size <= 1:
		fmt.Fprintf(out, `\x%02x`, b[0])
		return 1
	case r == '"' || r == '\\':
		out.WriteByte('\\')
		out.WriteRune(r)
	case r == '\n':
		out.WriteString(`\n`)
	case r == '\r':
		out.WriteString(`\r`)
	case r == '\t':
		out.WriteString(`\t`)
	case r == 0 && (len(b) == 1 || b[1] < '0' || b[1] > '9'):
		out.WriteString(`\0`)
	case r < ' ' || r == 0x7f:
		fmt.Fprintf(out, `\x%02x`, r)
	case unicode.IsPrint(r):
		out.WriteRune(r)
	case r < 0x10000:
		fmt.Fprintf(out, `\u%04x`, r)
	default:
		fmt.Fprintf(out, `\U%08x`, r)
	}
	return size
}

func leadingNULs(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return len(b)
}
