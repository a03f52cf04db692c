package main

import (
	"fmt"
	"slices"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// claim is what a page says beyond what its points are.
type claim struct {
	what  string
	holds func(v *view) bool
}

func (v *view) callAt(name string) evidence.Call {
	n := v.numbers[name]
	for _, c := range v.run.Calls {
		if c.N == n {
			return c
		}
	}
	return evidence.Call{}
}

func (v *view) timeOf(name string) evidence.Time {
	n := v.numbers[name]
	for _, p := range v.run.Packets {
		if p.N == n {
			return p.Time
		}
	}
	return 0
}

// waits: the call was seen blocked.
func waits(call string) claim {
	return claim{"{" + call + "} blocks", func(v *view) bool { return v.callAt(call).Blocked }}
}

// begunBefore: the call begins before the frame is there.
func begunBefore(call, frame string) claim {
	return claim{"{" + call + "} begins before {" + frame + "}", func(v *view) bool { return v.callAt(call).Entry < v.timeOf(frame) }}
}

// begunAfter: the call begins when the frame is there.
func begunAfter(call, frame string) claim {
	return claim{"{" + call + "} begins after {" + frame + "}", func(v *view) bool { return v.callAt(call).Entry > v.timeOf(frame) }}
}

// backAfter: the call returns when the frame is there.
func backAfter(call, frame string) claim {
	return claim{"{" + call + "} returns after {" + frame + "}", func(v *view) bool {
		c := v.callAt(call)
		return c.Returned() && c.Exit > v.timeOf(frame)
	}}
}

// later: a call begins when another one has returned.
func later(call, than string) claim {
	return claim{"{" + call + "} begins after {" + than + "} has returned", func(v *view) bool {
		c, before := v.callAt(call), v.callAt(than)
		return before.Returned() && c.Entry > before.Exit
	}}
}

// sameDescriptor: two calls are about the same descriptor; a call that made one counts with that.
func sameDescriptor(one, other string) claim {
	return claim{"{" + one + "} and {" + other + "} are about the same descriptor", func(v *view) bool {
		return about(v.callAt(one)) == about(v.callAt(other))
	}}
}

// otherDescriptor: two calls are about two descriptors.
func otherDescriptor(one, other string) claim {
	return claim{"{" + one + "} and {" + other + "} are about two descriptors", func(v *view) bool {
		return about(v.callAt(one)) != about(v.callAt(other))
	}}
}

// sameArgument: two calls are made on the same descriptor, whatever they return.
func sameArgument(one, other string) claim {
	return claim{"{" + one + "} and {" + other + "} are made on the same descriptor", func(v *view) bool {
		return v.callAt(one).FD == v.callAt(other).FD
	}}
}

func about(c evidence.Call) int {
	if c.NewFD != nil {
		return *c.NewFD
	}
	return c.FD
}

// none: no segment of a path has these traits.
func none(p path, traits ...trait) claim {
	return claim{"there is no " + p.words(traits), func(v *view) bool { return len(p.matching(v.analysis, traits)) == 0 }}
}

// some: so many segments of a path have these traits.
func some(n int, p path, traits ...trait) claim {
	return claim{fmt.Sprintf("there are %d of each %s", n, p.words(traits)), func(v *view) bool {
		return len(p.matching(v.analysis, traits)) == n
	}}
}

// frames: the capture has so many.
func frames(n int) claim {
	return claim{fmt.Sprintf("the capture has %d frames", n), func(v *view) bool { return len(v.run.Packets) == n }}
}

// nothingBetween: no frame comes between two others.
func nothingBetween(one, other string) claim {
	return claim{"there is no frame between {" + one + "} and {" + other + "}", func(v *view) bool {
		return v.numbers[other] == v.numbers[one]+1
	}}
}

// reaches: an end is in a state after a frame.
func reaches(end string, state conversation.State, after string) claim {
	return claim{fmt.Sprintf("the %s is in %s after {%s}", end, state, after), func(v *view) bool {
		_, s := v.analysis.Of(v.numbers[after])
		return s != nil && s.After.Of(end) == state
	}}
}

// noneBetween: no segment of a path with these traits comes between two frames.
func noneBetween(one, other string, p path, traits ...trait) claim {
	return claim{"there is no " + p.words(traits) + " between {" + one + "} and {" + other + "}", func(v *view) bool {
		return !slices.ContainsFunc(p.matching(v.analysis, traits), func(frame int) bool {
			return v.numbers[one] < frame && frame < v.numbers[other]
		})
	}}
}

// silent: an end makes no call.
func silent(end string) claim {
	return claim{"the " + end + " makes no call", func(v *view) bool { return len(v.run.CallsOf(end)) == 0 }}
}

// never: an end makes no call of that kind.
func never(end string, op evidence.Op) claim {
	return claim{fmt.Sprintf("the %s never calls %s", end, op), func(v *view) bool {
		return !slices.ContainsFunc(v.run.CallsOf(end), func(c evidence.Call) bool { return c.Op == op })
	}}
}

// killed: the end of a process was the work of SIGKILL.
func killed(exit string) claim {
	const sigkill = 9
	return claim{"{" + exit + "} is a death by SIGKILL", func(v *view) bool {
		c := v.callAt(exit)
		return c.Op == evidence.OpExit && c.Arg == sigkill
	}}
}
