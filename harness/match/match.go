// Package match has Gomega matchers for calls, conversations and what a wire shows. They read as English:
//
//	Expect(s.Client.Connect(socket, address)).To(HaveReturned(0))
//	Expect(accepted).To(BeFresh())
//	Expect(s.Conversation()).To(HaveHandshakeBeforeData())
//
// A failure says what was expected and prints the call, or every segment that was seen. A matcher that is
// handed something of another kind, or something in which what it asks was not observed, is an error, not a
// mismatch. The names keep clear of Gomega's own, so that both packages can be imported with a dot.
package match

import (
	"errors"
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/evidence"
)

// mismatch is what is wrong, in a clause that can follow "but"; empty where nothing is.
type mismatch string

// matcher is all of this package's matchers: they differ in what they take, in what they ask, and in the
// sentence that says so.
type matcher[T fmt.Stringer] struct {
	expected string // follows "to"
	take     func(actual any) (T, error)
	// observed says what is missing for an answer; nil where nothing can be missing.
	observed func(T) error
	ask      func(T) mismatch

	shown T
	but   mismatch
}

var _ types.GomegaMatcher = (*matcher[evidence.Call])(nil)

// Match implements types.GomegaMatcher.
func (m *matcher[T]) Match(actual any) (bool, error) {
	taken, err := m.take(actual)
	if err != nil {
		return false, fmt.Errorf("to %s: %w", m.expected, err)
	}
	if m.observed != nil {
		if err := m.observed(taken); err != nil {
			return false, fmt.Errorf("to %s:\n%s\n%w", m.expected, indent(taken.String()), err)
		}
	}
	m.shown, m.but = taken, m.ask(taken)
	return m.but == "", nil
}

// FailureMessage implements types.GomegaMatcher.
func (m *matcher[T]) FailureMessage(any) string {
	return fmt.Sprintf("Expected\n%s\nto %s,\nbut %s", indent(m.shown.String()), m.expected, m.but)
}

// NegatedFailureMessage implements types.GomegaMatcher.
func (m *matcher[T]) NegatedFailureMessage(any) string {
	return fmt.Sprintf("Expected\n%s\nnot to %s", indent(m.shown.String()), m.expected)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// call takes a call, or whatever came of one.
func call(actual any) (evidence.Call, error) {
	switch actual := actual.(type) {
	case evidence.Call:
		return actual, nil
	case *evidence.Call:
		if actual != nil {
			return *actual, nil
		}
	case interface{ Call() evidence.Call }:
		return actual.Call(), nil
	}
	return evidence.Call{}, fmt.Errorf("a call is needed, or what came of one, not %T", actual)
}

func ofCall(expected string, ask func(evidence.Call) mismatch) types.GomegaMatcher {
	return &matcher[evidence.Call]{expected: expected, take: call, ask: ask}
}

// ofDescriptors is for what is asked of the descriptors that were open before and after a call.
func ofDescriptors(expected string, ask func(evidence.Call) mismatch) types.GomegaMatcher {
	noted := func(c evidence.Call) error {
		if c.Before == nil || c.Returned() && c.After == nil {
			return errors.New("the open descriptors were not noted")
		}
		return nil
	}
	return &matcher[evidence.Call]{expected: expected, take: call, observed: noted, ask: ask}
}

// dialog is a conversation that prints itself as its segments.
type dialog struct{ *conversation.Conversation }

func (d dialog) String() string {
	return folded(len(d.Segments), func(i int) string {
		return told(d.Segments[i].String(), d.Comment(d.Segments[i]))
	})
}

// told is a segment and what it means.
func told(segment, comment string) string { return segment + ": " + evidence.Printable(comment) }

// mostShown is how many frames a failure prints at most.
const mostShown = 40

// folded is n lines, or the first and the last of them.
func folded(n int, line func(i int) string) string {
	if n == 0 {
		return "not one packet"
	}
	var b strings.Builder
	for i := range n {
		if i == mostShown/2 && n > mostShown {
			fmt.Fprintf(&b, "… %d more frames …\n", n-mostShown)
		}
		if i < mostShown/2 || i >= n-mostShown/2 {
			fmt.Fprintln(&b, line(i))
		}
	}
	return b.String()
}

func conversationOf(actual any) (dialog, error) {
	if c, ok := actual.(*conversation.Conversation); ok && c != nil {
		return dialog{c}, nil
	}
	return dialog{}, fmt.Errorf("a *conversation.Conversation is needed, not %T", actual)
}

func ofConversation(expected string, ask func(*conversation.Conversation) mismatch) types.GomegaMatcher {
	return &matcher[dialog]{expected: expected, take: conversationOf, ask: func(d dialog) mismatch { return ask(d.Conversation) }}
}

// ofOpening is for what can only be judged where both SYNs were seen.
func ofOpening(expected string, ask func(*conversation.Conversation) mismatch) types.GomegaMatcher {
	opening := func(d dialog) error {
		for _, end := range bothEnds {
			if d.Sent(end).SYN == nil {
				return fmt.Errorf("the SYN of the %s was not seen", end)
			}
		}
		return nil
	}
	return &matcher[dialog]{expected: expected, take: conversationOf, observed: opening, ask: func(d dialog) mismatch { return ask(d.Conversation) }}
}

// view is a wire that prints itself as its frames.
type view struct{ *conversation.Analysis }

func (v view) String() string {
	frames := v.Frames()
	return folded(len(frames), func(i int) string {
		if _, s := v.Of(frames[i]); s != nil {
			return told(s.String(), v.Comment(frames[i]))
		}
		return fmt.Sprintf("#%d %s", frames[i], evidence.Printable(v.Comment(frames[i])))
	})
}

func analysis(actual any) (view, error) {
	if a, ok := actual.(*conversation.Analysis); ok && a != nil {
		return view{a}, nil
	}
	return view{}, fmt.Errorf("a *conversation.Analysis is needed, not %T", actual)
}

func ofWire(expected string, ask func(*conversation.Analysis) mismatch) types.GomegaMatcher {
	return &matcher[view]{expected: expected, take: analysis, ask: func(v view) mismatch { return ask(v.Analysis) }}
}

func but(format string, args ...any) mismatch { return mismatch(fmt.Sprintf(format, args...)) }
