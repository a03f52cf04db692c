package rules

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"tcpwitness/harness/evidence"
)

// exampleQuestions are the rules of the notes' two smaller programs.
func exampleQuestions() []question {
	return []question{
		{"example.socket-prints-descriptor", []evidence.Scene{evidence.SceneSocketExample}, socketExample},
		{"example.bind-reports-success", []evidence.Scene{evidence.SceneBindExample, evidence.SceneBindExampleInUse}, bindExample},
	}
}

// examplePort is the port that the notes' bind program has built in.
const examplePort = 8080

func socketExample(r *record) Finding {
	o := r.outcome()
	if o == nil {
		return skip("it is no process whose output could be read")
	}
	const expected = "on standard output the line\n  \"sockfd = N\", N being what socket returned"
	var streams []*evidence.Call
	for _, s := range r.descriptors.order {
		if s.stream() {
			streams = append(streams, s.made)
		}
	}
	traced := r.untraced() == ""
	if traced && len(streams) == 0 {
		if why := r.unseen(); why != "" {
			return skip(why)
		}
		return fail(expected, paragraphs(r.setupSeen(), printed("standard output", o.Stdout))).because("it created no stream socket")
	}
	for _, line := range outputLines(o.Stdout) {
		number, found := strings.CutPrefix(line, "sockfd = ")
		n, err := strconv.Atoi(number)
		if !found || err != nil || n < 0 {
			continue
		}
		if !traced {
			return skip(r.untraced())
		}
		for _, c := range streams {
			if c.Result == n {
				return pass().on(c)
			}
		}
	}
	return fail(expected, paragraphs(listed(streams...), almost(o, "sockfd = "), unlessZero(o))).on(streams...)
}

func unlessZero(o *evidence.Outcome) string {
	if o.ExitedZero() {
		return ""
	}
	return ending(o)
}

func bindExample(r *record) Finding {
	const line = "Bind successful"
	o := r.outcome()
	if o == nil {
		return skip("it is no process whose output could be read")
	}
	_, lacks := missingLine(o.Stdout, []evidence.Line{{Text: line}}, false)
	if r.script.Scene == evidence.SceneBindExampleInUse {
		if !lacks {
			return fail("no word of success where the port is in use", paragraphs(listed(r.binds()...), printed("standard output", o.Stdout))).
				on(r.binds()...)
		}
		return r.reportsAndFails("a message on standard error, and an exit status that is not 0")
	}
	expected := fmt.Sprintf("bind to port %d on any address, and on standard output the line\n  %q", examplePort, line)
	if r.untraced() == "" {
		right := false
		for _, c := range r.binds() {
			right = right || c.Succeeded() && c.Address.AddrPort.Port() == examplePort && c.Address.AddrPort.Addr().IsUnspecified()
		}
		if !right {
			return fail(expected, paragraphs(r.setupSeen(), printed("standard output", o.Stdout))).
				because("it did not bind port %d on any address%s", examplePort, swapped(r.binds())).on(r.binds()...)
		}
	}
	if lacks {
		return fail(expected, paragraphs(listed(r.binds()...), almost(o, line), unlessZero(o))).on(r.binds()...)
	}
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	return pass().on(r.binds()...)
}

// swapped says so where a port has its bytes the wrong way round.
func swapped(binds []*evidence.Call) string {
	for _, c := range binds {
		if port := c.Address.AddrPort.Port(); bits.ReverseBytes16(port) == examplePort {
			return fmt.Sprintf("; port %d is %d with its two bytes the wrong way round", port, examplePort)
		}
	}
	return ""
}

// binds are the program's binds of sockets for IPv4 and IPv6.
func (r *record) binds() []*evidence.Call {
	var calls []*evidence.Call
	for _, s := range r.descriptors.order {
		if s.inet() {
			calls = append(calls, s.of(evidence.OpBind)...)
		}
	}
	return calls
}
