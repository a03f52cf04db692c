package sandbox

import "strings"

// Ability is what a machine allows a harness to do. Where something is allowed its Why is empty.
type Ability struct {
	// Isolation is the best that was found possible within the wish: Namespace or Shared.
	Isolation Isolation
	// WhyShared says why it is not Namespace.
	WhyShared string

	// Capture: packets of the loopback can be captured.
	Capture       bool
	WhyNotCapture string

	// Trace: the system calls of a child can be traced.
	Trace       bool
	WhyNotTrace string

	// PIDNamespace: a child can be given its own process ids, so that all its descendants end with it.
	PIDNamespace       bool
	WhyNotPIDNamespace string
}

// String says it in one line, such as "isolation shared (as asked for), no capture (open a packet socket:
// operation not permitted), trace, pid namespace".
func (a Ability) String() string {
	var b strings.Builder
	b.WriteString("isolation " + string(a.Isolation))
	if a.WhyShared != "" {
		b.WriteString(" (" + a.WhyShared + ")")
	}
	for _, one := range []struct {
		name string
		has  bool
		why  string
	}{
		{"capture", a.Capture, a.WhyNotCapture},
		{"trace", a.Trace, a.WhyNotTrace},
		{"pid namespace", a.PIDNamespace, a.WhyNotPIDNamespace},
	} {
		if one.has {
			b.WriteString(", " + one.name)
		} else {
			b.WriteString(", no " + one.name + " (" + one.why + ")")
		}
	}
	return b.String()
}
