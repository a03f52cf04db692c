package rules

import (
	"fmt"
	"slices"

	"tcpwitness/harness/evidence"
)

func clientCallOrder(r *record) Finding {
	if why := r.untraced(); why != "" {
		return skip(why)
	}
	if why := r.unseen(); why != "" {
		return skip(why)
	}
	expected := r.orderWanted()
	s := r.its()
	switch {
	case s == nil && !r.streams():
		return skip("it has no stream socket (see client.stream-socket)")
	case s == nil && r.connects():
		return skip("it connected to another address (see client.connects-to-given-address)")
	case s == nil:
		return fail(expected, r.orderSeen(nil)).because("it called no connect")
	}
	if early := earlySend(s); early != nil {
		return fail(expected, r.orderSeen(s)).because("it sent before it was connected").on(s.calls...)
	}
	if connectedBy(s) == nil {
		return skip("it got no connection")
	}
	if problem := r.disorder(s); problem != "" {
		return fail(expected, r.orderSeen(s)).because("%s", problem).on(s.made).on(orderCalls(s)...)
	}
	return pass().on(s.made).on(orderCalls(s)...)
}

// orderWanted is the order of calls that the dialogue needs.
func (r *record) orderWanted() string {
	switch {
	case !r.replies():
		return "socket, connect, send, close"
	case !r.sends():
		return "socket, connect, recv, close"
	case r.script.First == evidence.Server:
		return "socket, connect, recv, send, close"
	}
	return "socket, connect, send, recv, close"
}

// connects says whether the program tried to connect a stream socket at all.
func (r *record) connects() bool {
	for _, s := range r.descriptors.order {
		if s.stream() && len(s.of(evidence.OpConnect)) > 0 {
			return true
		}
	}
	return false
}

// streams says whether the program made a stream socket for IPv4 or IPv6.
func (r *record) streams() bool { return slices.ContainsFunc(r.descriptors.order, (*socket).stream) }

// orderCalls are the calls on a socket that make up the order.
func orderCalls(s *socket) []*evidence.Call {
	return s.of(evidence.OpConnect, evidence.OpSend, evidence.OpRecv, evidence.OpShutdown, evidence.OpClose)
}

func (r *record) orderSeen(s *socket) string {
	if s == nil {
		return r.setupSeen()
	}
	return paragraphs(listed(append([]*evidence.Call{s.made}, orderCalls(s)...)...), r.stuckElsewhere(s))
}

// stuckElsewhere says what a program that did not end by itself was doing, unless that is shown already.
func (r *record) stuckElsewhere(s *socket) string {
	o := r.outcome()
	if o == nil || o.ExitedZero() {
		return ""
	}
	for _, c := range s.calls {
		if !c.Returned() {
			return ""
		}
	}
	return ending(o)
}

// disorder says what is wrong in the order of the calls on a connected socket, empty for nothing. Receiving
// may be another thread's, which then may wait before the message is sent; so what counts is that both were
// done, and neither after the close.
func (r *record) disorder(s *socket) string {
	sends, recvs := s.of(evidence.OpSend), s.of(evidence.OpRecv)
	needsSend, needsRecv := r.sends(), r.replies()
	switch {
	case needsSend && len(sends) == 0 && len(recvs) > 0 && r.script.First == evidence.Client:
		return "it waits for the reply and has sent nothing"
	case needsSend && len(sends) == 0:
		return "it sent nothing"
	case needsRecv && len(recvs) == 0:
		return "it did not receive"
	case needsRecv && r.script.First == evidence.Client && needsSend && !after(recvs, sends[0]):
		return "it received before it sent, and not after"
	}
	if last := r.lastClosed(s); last != nil {
		for _, c := range append(sends, recvs...) {
			if c.Errno == "EBADF" && c.Entry >= last.Exit {
				return fmt.Sprintf("it used the descriptor after %s", last)
			}
		}
	}
	return ""
}

// after says whether one of the calls went on past the moment when another was entered.
func after(calls []*evidence.Call, other *evidence.Call) bool {
	for _, c := range calls {
		if !c.Returned() || c.Exit > other.Entry {
			return true
		}
	}
	return false
}

// lastClosed is the close after which nobody held the socket any more, or nil.
func (r *record) lastClosed(s *socket) *evidence.Call {
	closes := s.of(evidence.OpClose)
	if len(closes) == 0 || len(r.descriptors.holders(s.id)) > 0 {
		return nil
	}
	return closes[len(closes)-1]
}
