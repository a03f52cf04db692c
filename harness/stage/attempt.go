package stage

import (
	"context"
	"errors"
	"fmt"

	"github.com/onsi/gomega"

	"tcpwitness/harness/rules"
)

// ending is what a spec panics with when it ends early.
type ending struct {
	verdict rules.Verdict
	reason  string
}

// fail ends the spec: what it judges did not behave as documented.
func (s *Stage) fail(reason string) { panic(ending{rules.Fail, reason}) }

// fault ends the spec: the harness failed, or the scene could not be set.
func (s *Stage) fault(format string, args ...any) {
	panic(ending{rules.Error, fmt.Sprintf(format, args...)})
}

// skip ends the spec: something cannot be observed here.
func (s *Stage) skip(reason string) { panic(ending{rules.Skip, reason}) }

// timedOut ends the spec because something awaited did not happen before the deadline.
func (s *Stage) timedOut(format string, args ...any) {
	awaited := fmt.Sprintf(format, args...)
	if errors.Is(s.ctx.Err(), context.Canceled) {
		panic(ending{rules.Skip, "the run was interrupted while it waited for " + awaited})
	}
	panic(ending{rules.Fail, "waited until the deadline for " + awaited})
}

// Attempt runs the body of a spec and says how it ended: with a pass, or early, with a reason.
func Attempt(body func()) (verdict rules.Verdict, reason string) {
	if err := gomega.InterceptGomegaFailure(func() { verdict, reason = caught(body) }); err != nil {
		return rules.Fail, err.Error()
	}
	return verdict, reason
}

// caught runs a body that may end early.
func caught(body func()) (verdict rules.Verdict, reason string) {
	verdict = rules.Pass
	defer func() {
		switch early := recover().(type) {
		case nil:
		case ending:
			verdict, reason = early.verdict, early.reason
		default:
			panic(early)
		}
	}()
	body()
	return verdict, reason
}
