package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tcpwitness/harness/evidence"
)

// phase is which part of a call a row shows.
type phase int

const (
	wholeCall phase = iota
	callEntry
	callReturn
)

// shownData is how many bytes of data a ladder shows.
const shownData = 16

// forms are the texts of a call, from the longest to the shortest. Each is the call as C has it, with what
// a reader of a ladder does not need left out.
func (s *story) forms(c *evidence.Call, show phase) [][]part {
	if c.Op == evidence.OpExit {
		return s.exitForms(c)
	}
	result := s.result(c)
	if show == callReturn {
		return [][]part{join(words(c.Name), result, received(c)), join(words(c.Name), result)}
	}
	long, short := s.arguments(c)
	entry := func(arguments []part) []part { return join(words(c.Name+"("), arguments, words(")")) }
	if show == callEntry {
		waits := words(" …")
		if !c.Returned() {
			waits = []part{{text: " … never returned", zh: " … 一直没有返回"}}
		}
		return [][]part{join(entry(long), waits), join(entry(short), waits), entry(short)}
	}
	forms := [][]part{
		join(entry(long), result, received(c)), join(entry(long), result), join(entry(short), result),
	}
	if c.NewFD != nil || c.Failed() {
		forms = append(forms, join(words(c.Name), result))
	}
	if c.Succeeded() && c.NewFD == nil && (c.Op == evidence.OpBind || c.Op == evidence.OpListen || c.Op == evidence.OpConnect || c.Op == evidence.OpClose || c.Op == evidence.OpShutdown || c.Op == evidence.OpSetOption) {
		forms = append(forms, entry(short))
	}
	return forms
}

func words(text string) []part { return []part{{text: text}} }

func join(pieces ...[]part) []part { return slices.Concat(pieces...) }

// descriptor is the chip of a descriptor.
func (s *story) descriptor(fd int, k *openSocket) part {
	return part{text: strconv.Itoa(fd), chip: true, hue: k.hue(), listening: k != nil && k.listening}
}

// arguments are those of a call, in full and as short as can be.
func (s *story) arguments(c *evidence.Call) (long, short []part) {
	var fd []part
	if c.FD >= 0 {
		fd = []part{s.descriptor(c.FD, s.behind[c.N])}
	}
	with := func(text string) []part { return join(fd, words(", "+text)) }
	switch c.Op {
	case evidence.OpSocket:
		_, all := splitCall(c)
		plain := strings.NewReplacer("AF_", "", "SOCK_", "", ", 0", "").Replace(all)
		return words(all), words(plain)
	case evidence.OpBind, evidence.OpConnect:
		full, port := addressForms(c.Address)
		return with(full), with(port)
	case evidence.OpListen:
		return with(strconv.Itoa(c.Backlog)), with(strconv.Itoa(c.Backlog))
	case evidence.OpSend:
		short = with(strconv.Itoa(c.Length))
		if len(c.Data) == 0 {
			return short, short
		}
		return with(c.Data.Quoted(shownData, c.Length) + ", " + strconv.Itoa(c.Length)), short
	case evidence.OpRecv:
		return with(strconv.Itoa(c.Length)), fd
	case evidence.OpAccept, evidence.OpClose:
		return fd, fd
	}
	return s.otherArguments(c, fd)
}

// otherArguments are those of a call that has no form of its own, as evidence writes them, with the
// descriptor as a chip.
func (s *story) otherArguments(c *evidence.Call, fd []part) (long, short []part) {
	_, all := splitCall(c)
	all = strings.Replace(all, "SOL_SOCKET, ", "", 1)
	first, rest, more := strings.Cut(all, ", ")
	if len(fd) > 0 && first == strconv.Itoa(c.FD) {
		if more {
			rest = ", " + rest
		}
		return join(fd, words(rest)), join(fd, words(rest))
	}
	return words(all), words(all)
}

// splitCall parts the text of a call into its name and its arguments.
func splitCall(c *evidence.Call) (name, arguments string) {
	open := *c
	open.Exit, open.Altered = 0, ""
	name, rest, _ := strings.Cut(open.String(), "(")
	end := strings.LastIndex(rest, ")")
	if end < 0 {
		return name, rest
	}
	return name, rest[:end]
}

// result is what the call returned.
func (s *story) result(c *evidence.Call) []part {
	altered := ""
	if c.Altered != "" {
		altered = " [" + c.Altered + "]"
	}
	switch {
	case !c.Returned():
		return words(altered)
	case c.Errno != "":
		return []part{{text: " = -1 " + c.Errno + altered, bad: isFailure(c)}}
	case c.Op == evidence.OpFork && c.Child != 0:
		return words(fmt.Sprintf(" = %d%s", c.Child, altered))
	case c.NewFD != nil:
		made := s.made[c.N]
		if made == nil {
			made = s.behind[c.N]
		}
		said := altered
		if c.Op == evidence.OpAccept && c.After != nil && slices.Contains(c.New(), *c.NewFD) {
			said = ", new" + altered
		}
		return join(words(" = "), []part{s.descriptor(*c.NewFD, made)}, words(said))
	}
	return words(fmt.Sprintf(" = %d%s", c.Result, altered))
}

// received is the data that a recv gave.
func received(c *evidence.Call) []part {
	if c.Op != evidence.OpRecv || len(c.Data) == 0 || c.Result <= 0 {
		return nil
	}
	return words(" " + c.Data.Quoted(shownData, c.Result))
}

// exitForms say that a process ended and what it had still open.
func (s *story) exitForms(c *evidence.Call) [][]part {
	short := words(c.String())
	if c.Arg != 0 {
		short[0].bad = true
	}
	var closes []part
	for i, l := range s.open[c.N] {
		if i == 0 {
			closes = append(closes, part{text: " closes ", zh: " 关闭 "})
		} else {
			closes = append(closes, part{text: " "})
		}
		closes = append(closes, s.descriptor(l.fd, l.socket))
	}
	return [][]part{join(short, closes), short}
}

// in is the part's text in a language.
func (p part) in(l Language) string { return Text{p.text, p.zh}.In(l) }

// textOf is a form as plain text.
func textOf(form []part, l Language) string {
	var b strings.Builder
	for _, p := range form {
		b.WriteString(p.in(l))
	}
	return b.String()
}

// fitting is the longest form that takes no more than so many columns, or the shortest there is.
func fitting(forms [][]part, columns int, l Language) []part {
	for _, f := range forms {
		if columnsOf(textOf(f, l)) <= columns {
			return f
		}
	}
	return forms[len(forms)-1]
}
