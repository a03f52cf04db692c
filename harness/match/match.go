// Package match has Gomega matchers for calls, conversations and what a wire shows. They read as English:
//
//	Expect(s.Client.Connect(socket, address)).To(HaveReturned(0))
//	Expect(accepted).To(BeFresh())
//	Expect(s.Conversation()).To(HaveHandshakeBeforeData())
//
// A failure says what was expected and prints the call, or every segment that was seen. A matcher that is
// handed something of another kind is an error, not a mismatch.
package match

import (
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

// dialog is a conversation that prints itself as its segments.
type dialog struct{ *conversation.Conversation }

func (d dialog) String() string {
	return segments(d.Segments)
}

// mostShown is how many segments a failure prints at most.
const mostShown = 40

func segments(all []*conversation.Segment) string {
	if len(all) == 0 {
		return "no segment"
	}
	var b strings.Builder
	for i, s := range all {
		if i == mostShown/2 && len(all) > mostShown {
			fmt.Fprintf(&b, "… %d more segments …\n", len(all)-mostShown)
		}
		if i < mostShown/2 || i >= len(all)-mostShown/2 {
			fmt.Fprintln(&b, s)
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

// view is a wire that prints itself as its frames.
type view struct{ *conversation.Analysis }

func (v view) String() string {
	var lines []string
	for _, c := range v.TCP {
		lines = append(lines, segments(c.Segments))
	}
	for _, d := range v.UDP {
		lines = append(lines, d.String())
	}
	for _, m := range v.ICMP {
		lines = append(lines, m.String())
	}
	if len(lines) == 0 {
		return "a silent wire"
	}
	return strings.Join(lines, "\n")
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
