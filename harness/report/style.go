package report

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/width"

	"tcpwitness/harness/evidence"
)

// Style says how text is written for a terminal.
type Style struct {
	// Colour says that escape sequences are welcome: the output is a terminal.
	Colour bool
	// Width is the number of columns; 0 means 100.
	Width    int
	Language Language
}

func (s Style) columns() int {
	if s.Width == 0 {
		return 100
	}
	return max(s.Width, 60)
}

// colour is the number of an ANSI colour or attribute.
type colour int

const (
	plain   colour = 0
	bold    colour = 1
	dim     colour = 2
	red     colour = 31
	green   colour = 32
	yellow  colour = 33
	blue    colour = 34
	magenta colour = 35
	cyan    colour = 36
)

// paint puts text into a colour where colours are welcome.
func (s Style) paint(c colour, text string) string {
	if !s.Colour || c == plain || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// oneLine is text from outside on one line, with everything spelled out that does not print.
func oneLine(text string) string {
	if isPlain(text) {
		return text
	}
	return lineBreaks.Replace(evidence.Printable(text))
}

var lineBreaks = strings.NewReplacer("\n", `\n`, "\t", " ")

// isPlain says whether a text has printable ASCII only, as nearly all have.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// printer writes and remembers the first error.
type printer struct {
	w     io.Writer
	style Style
	n     int64
	err   error
}

func (p *printer) printf(format string, arguments ...any) {
	if p.err != nil {
		return
	}
	n, err := fmt.Fprintf(p.w, format, arguments...)
	p.n += int64(n)
	p.err = err
}

// runeWidth is the number of columns that a character takes in a terminal or in a fixed-width font.
func runeWidth(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// columnsOf is the number of columns that a text takes.
func columnsOf(text string) int {
	if isPlain(text) {
		return len(text)
	}
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// clip cuts a text to a number of columns and says so with an ellipsis.
func clip(text string, columns int) string {
	if columnsOf(text) <= columns {
		return text
	}
	if columns <= 0 {
		return ""
	}
	n := 0
	for i, r := range text {
		if n+runeWidth(r) > columns-1 {
			return text[:i] + "…"
		}
		n += runeWidth(r)
	}
	return text
}

func padRight(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-columnsOf(text)))
}

func padLeft(text string, columns int) string {
	return strings.Repeat(" ", max(0, columns-columnsOf(text))) + text
}

// wrap breaks text at blanks into lines of at most so many columns. Chinese has no blanks and is broken
// between characters.
func wrap(text string, columns int) []string {
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		lines = append(lines, wrapLine(paragraph, columns)...)
	}
	return lines
}

func wrapLine(text string, columns int) []string {
	var lines []string
	for columnsOf(text) > columns {
		cut, n, good := len(text), 0, 0
		for i, r := range text {
			if n+runeWidth(r) > columns {
				cut = i
				break
			}
			n += runeWidth(r)
			if r == ' ' {
				good = i
			} else if runeWidth(r) == 2 {
				good = i + len(string(r))
			}
		}
		if good > 0 && text[cut] != ' ' {
			cut = good
		}
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		text = strings.TrimLeft(text[cut:], " ")
	}
	return append(lines, text)
}
