package match_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/onsi/gomega/types"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/match"
)

const (
	client = evidence.Client
	server = evidence.Server
)

// example is one matcher on something that it holds for and something that it does not.
type example struct {
	matcher types.GomegaMatcher
	holds   any
	fails   any
	says    []string // of the failure
	// errs is something of the right type that cannot be judged, and says what the error says.
	errs     any
	errsSays string
}

func check(t *testing.T, name string, e example) {
	t.Run(name, func(t *testing.T) {
		if ok, err := e.matcher.Match(e.holds); !ok || err != nil {
			t.Errorf("does not hold: error %v\n%s", err, e.matcher.FailureMessage(e.holds))
		}
		if negated := e.matcher.NegatedFailureMessage(e.holds); !strings.Contains(negated, "\nnot to ") || strings.Contains(negated, "\nbut ") {
			t.Errorf("negated message: %s", negated)
		}
		if ok, err := e.matcher.Match(e.fails); ok || err != nil {
			t.Errorf("holds where it should not, error %v", err)
		}
		message := e.matcher.FailureMessage(e.fails)
		for _, says := range append(e.says, "Expected\n", "\nto ", ",\nbut ") {
			if !strings.Contains(message, says) {
				t.Errorf("the message does not say %q:\n%s", says, message)
			}
		}
		for _, wrong := range []any{nil, 7, "text", &struct{}{}, (*evidence.Call)(nil), (*conversation.Conversation)(nil), (*conversation.Analysis)(nil), (*evidence.Run)(nil)} {
			if ok, err := e.matcher.Match(wrong); ok || err == nil {
				t.Errorf("%T is taken", wrong)
			}
		}
		if e.errs != nil {
			ok, err := e.matcher.Match(e.errs)
			if ok || err == nil || !strings.Contains(err.Error(), e.errsSays) {
				t.Errorf("error %v does not say %q", err, e.errsSays)
			}
		}
	})
}

// made is a call as a scenario yields it.
type made struct{ call evidence.Call }

func (m made) Call() evidence.Call { return m.call }

func TestCallMatchers(t *testing.T) {
	four := 4
	ok := evidence.Call{N: 1, End: server, Op: evidence.OpAccept, Name: "accept", FD: 3, Result: 4, NewFD: &four, Entry: 5, Exit: 9,
		Before: []int{0, 1, 2, 3}, After: []int{0, 1, 2, 3, 4}}
	zero := evidence.Call{N: 2, End: client, Op: evidence.OpConnect, Name: "connect", FD: 3, Entry: 5, Exit: 9, Before: []int{3}, After: []int{3}}
	refused := evidence.Call{N: 3, End: client, Op: evidence.OpConnect, Name: "connect", FD: 3, Result: -1, Errno: "ECONNREFUSED", Exit: 9, Before: []int{3}, After: []int{3}}
	blocked := evidence.Call{N: 4, End: client, Op: evidence.OpRecv, Name: "recv", FD: 3, Length: 128, Blocked: true, Before: []int{3}}
	running := blocked
	running.Blocked = false
	change := func(c evidence.Call, change func(c *evidence.Call)) evidence.Call {
		change(&c)
		return c
	}
	unnoted := change(ok, func(c *evidence.Call) { c.Before, c.After = nil, nil })

	check(t, "HaveSucceeded", example{match.HaveSucceeded(), made{ok}, refused, []string{"connect(3, ?) = -1 ECONNREFUSED", "have succeeded", "it failed with ECONNREFUSED"}, nil, ""})
	check(t, "HaveSucceeded, blocked", example{match.HaveSucceeded(), &ok, blocked, []string{"recv(3, …, 128, 0) is blocked", "it has not returned"}, nil, ""})
	check(t, "HaveSucceeded, negative", example{match.HaveSucceeded(), &ok, change(zero, func(c *evidence.Call) { c.Result = -1 }), []string{"it returned -1"}, nil, ""})
	check(t, "HaveReturned", example{match.HaveReturned(4), ok, zero, []string{"have returned 4", "it returned 0"}, nil, ""})
	check(t, "HaveReturned, failed", example{match.HaveReturned(-1), change(zero, func(c *evidence.Call) { c.Result = -1 }), refused, []string{"it failed with ECONNREFUSED"}, nil, ""})
	check(t, "HaveReturned, running", example{match.HaveReturned(0), zero, running, []string{"it has not returned"}, nil, ""})
	check(t, "HaveFailedWith", example{match.HaveFailedWith("EINVAL", "ECONNREFUSED"), refused, zero, []string{"have returned -1 with EINVAL or ECONNREFUSED", "it returned 0"}, nil, ""})
	check(t, "HaveFailedWith, other", example{match.HaveFailedWith("ECONNREFUSED"), refused, change(refused, func(c *evidence.Call) { c.Errno = "EINVAL" }), []string{"errno is EINVAL"}, nil, ""})
	check(t, "HaveFailedWith, no errno", example{match.HaveFailedWith("ECONNREFUSED"), refused, change(refused, func(c *evidence.Call) { c.Errno = "" }), []string{"errno is 0"}, nil, ""})
	check(t, "HaveFailedWith, running", example{match.HaveFailedWith("ECONNREFUSED"), refused, running, []string{"it has not returned"}, nil, ""})
	check(t, "BeBlocked", example{match.BeBlocked(), blocked, running, []string{"its thread was not seen asleep"}, nil, ""})
	check(t, "BeBlocked, returned", example{match.BeBlocked(), blocked, zero, []string{"it has returned"}, nil, ""})
	check(t, "HaveReturnedAfter", example{match.HaveReturnedAfter(change(zero, func(c *evidence.Call) { c.Entry = 8 })), ok, change(ok, func(c *evidence.Call) { c.Exit = 7 }), []string{"have returned after connect(3, ?) = 0 was called", "it returned 1ns before"}, nil, ""})
	check(t, "HaveReturnedAfter, running", example{match.HaveReturnedAfter(zero), ok, running, []string{"it has not returned"}, nil, ""})
	check(t, "BeFresh", example{match.BeFresh(), ok, change(ok, func(c *evidence.Call) { c.Before = []int{3, 4} }), []string{"descriptor 4 was open before (open: [3 4])"}, unnoted, "not noted"})
	check(t, "BeFresh, the listening one", example{match.BeFresh(), ok, change(ok, func(c *evidence.Call) { c.FD = 4 }), []string{"descriptor 4 is the one that it was called on"}, nil, ""})
	check(t, "BeFresh, not open after", example{match.BeFresh(), ok, change(ok, func(c *evidence.Call) { c.After = []int{3} }), []string{"descriptor 4 is not open afterwards (open: [3])"}, nil, ""})
	check(t, "BeFresh, none", example{match.BeFresh(), ok, zero, []string{"it made no descriptor"}, nil, ""})
	check(t, "BeFresh, failed", example{match.BeFresh(), ok, refused, []string{"it did not succeed"}, nil, ""})
	check(t, "HaveCreatedNoDescriptor", example{match.HaveCreatedNoDescriptor(), zero, change(zero, func(c *evidence.Call) { c.After = []int{3, 7} }), []string{"open before: [3], open after: [3 7]"}, unnoted, "not noted"})
	check(t, "HaveCreatedNoDescriptor, running", example{match.HaveCreatedNoDescriptor(), zero, running, []string{"it has not returned"}, nil, ""})
}

type script = *conversationtest.Script

// played is the conversation of a script.
func played(play func(s script)) *conversation.Conversation {
	s := conversationtest.New()
	play(s)
	return s.Conversation()
}

func TestConversationMatchers(t *testing.T) {
	const (
		syn, ack, fin, rst = conversation.SYN, conversation.ACK, conversation.FIN, conversation.RST
		push               = conversation.PSH | ack
	)
	seq, acks, window := conversationtest.Seq, conversationtest.Ack, conversationtest.Window
	plain := played(func(s script) { s.Open().Say(client, "hello").Finish(client) })
	byServer := played(func(s script) { s.Open().Finish(server) })
	open := played(func(s script) { s.Open() })
	alone := played(func(s script) { s.Send(client, syn, "") })
	half := played(func(s script) { s.Send(client, syn, ""); s.Send(server, syn|ack, "") })
	early := played(func(s script) { s.Send(client, syn, "early"); s.Send(server, syn|ack, ""); s.Send(client, ack, "") })
	refused := played(func(s script) { s.Send(client, syn, ""); s.Send(server, rst|ack, "", seq(0)) })
	bareRST := played(func(s script) { s.Send(client, syn, ""); s.Send(server, rst, "") })
	reset := played(func(s script) { s.Open().Say(client, "x"); s.Send(server, rst|ack, "") })
	resetAfterFIN := played(func(s script) {
		s.Open().Send(client, fin|ack, "")
		s.Send(server, ack, "")
		s.Send(client, rst, "")
	})
	straggler := played(func(s script) { s.Open().Finish(client).Send(server, rst, "") })
	unacked := played(func(s script) { s.Open().Send(server, fin|ack, "") })
	together := played(func(s script) {
		s.Open().Send(client, fin|ack, "")
		s.Send(server, fin|ack, "", seq(1), acks(1))
		s.Send(client, ack, "", seq(2), acks(2))
		s.Send(server, ack, "", seq(2), acks(2))
	})
	togetherUnacked := played(func(s script) {
		s.Open().Send(client, fin|ack, "")
		s.Send(server, fin|ack, "", seq(1), acks(1))
	})
	middle := played(func(s script) { s.Midstream().Say(client, "x") })
	again := played(func(s script) { s.Open().Say(client, "abc"); s.Send(client, push, "abc", seq(1)) })
	cut := conversationtest.New().Open().Say(client, strings.Repeat("x", 100))
	cut.Packets[3].Data = cut.Packets[3].Data[:80]
	moment := plain.Handshake.ACK.Time
	ms := evidence.Time(time.Millisecond)

	check(t, "HaveHandshake", example{match.HaveHandshake(), plain, half, []string{"#1 client → server [SYN]", "SYN: the client asks to connect, 1 of 3", "the SYN-ACK is not acknowledged"}, nil, ""})
	check(t, "HaveHandshake, no answer", example{match.HaveHandshake(), plain, alone, []string{"there is no SYN-ACK"}, nil, ""})
	check(t, "HaveHandshake, middle", example{match.HaveHandshake(), plain, middle, []string{"there is no SYN"}, nil, ""})
	check(t, "HaveHandshakeBefore", example{match.HaveHandshakeBefore(moment), plain, played(func(s script) { s.Later(time.Second).Open() }), []string{"frame 1 came", "after it"}, nil, ""})
	check(t, "HaveHandshakeBefore, too late", example{match.HaveHandshakeBefore(moment - ms), played(func(s script) { s.Later(-ms.Go().Sub(evidence.Time(0).Go())); s.Open() }), plain, []string{"frame 3 came 1ms after it"}, nil, ""})
	check(t, "HaveHandshakeBefore, none", example{match.HaveHandshakeBefore(moment), plain, half, []string{"not complete"}, nil, ""})
	check(t, "HaveHandshakeBeforeData", example{match.HaveHandshakeBeforeData(), plain, early, []string{"frame 1 carries data before frame 3 completes it"}, nil, ""})
	check(t, "HaveHandshakeBeforeData, no data", example{match.HaveHandshakeBeforeData(), plain, open, []string{"there is no data at all"}, nil, ""})
	check(t, "HaveHandshakeBeforeData, none", example{match.HaveHandshakeBeforeData(), plain, middle, []string{"not complete"}, nil, ""})
	refusedTwice := played(func(s script) {
		s.Send(client, syn, "")
		s.Send(client, syn, "", seq(0))
		s.Send(server, rst|ack, "", seq(0))
		s.Send(server, rst|ack, "", seq(0))
	})
	check(t, "BeRefused, twice", example{match.BeRefused(), refusedTwice, open, []string{"show SYN"}, nil, ""})
	check(t, "BeRefused", example{match.BeRefused(), refused, open, []string{"show SYN, and RST|ACK in answer", "there are: client SYN, server SYN|ACK, client ACK"}, nil, ""})
	check(t, "BeRefused, no ACK", example{match.BeRefused(), refused, bareRST, []string{"client SYN, server RST"}, nil, ""})
	check(t, "BeRefused, other ACK", example{match.BeRefused(), refused, played(func(s script) {
		s.Send(client, syn, "")
		s.Send(server, rst|ack, "", seq(0), acks(7))
	}), []string{"the RST does not acknowledge the SYN"}, nil, ""})
	check(t, "HaveSegmentsFrom", example{match.HaveSegmentsFrom(client, "SYN", "ACK"), open, plain, []string{"show exactly SYN, ACK from the client", "client FIN|ACK"}, nil, ""})
	check(t, "HaveSegmentsFrom, none", example{match.HaveSegmentsFrom(server), alone, open, []string{"there are: server SYN|ACK"}, nil, ""})
	check(t, "BeginWithSYNFrom", example{match.BeginWithSYNFrom(plain.Client), plain, middle, []string{"the first segment is PSH|ACK"}, nil, ""})
	check(t, "HaveServerAddress", example{match.HaveServerAddress(plain.Server), plain, played(func(s script) {
		s.ServerAddress = netip.MustParseAddrPort("10.0.0.1:80")
		s.Open()
	}), []string{"be with 127.0.0.1:8080", "the SYN went to 10.0.0.1:80"}, nil, ""})
	check(t, "HaveMoreDataSegmentsThan", example{match.HaveMoreDataSegmentsThan(1, client), again, plain, []string{"there are 1"}, nil, ""})
	check(t, "HaveFINFrom", example{match.HaveFINFrom(client), plain, reset, []string{"there is none", "RST: the server ends the connection at once"}, nil, ""})
	check(t, "HaveFINFrom, and RST", example{match.HaveFINFrom(client), plain, resetAfterFIN, []string{"the client also sent RST"}, nil, ""})
	check(t, "HaveAcknowledgedFINOf", example{match.HaveAcknowledgedFINOf(server), plain, unacked, []string{"it is not acknowledged"}, nil, ""})
	check(t, "HaveAcknowledgedFINOf, none", example{match.HaveAcknowledgedFINOf(server), plain, open, []string{"there is no FIN"}, nil, ""})
	check(t, "HaveResetFrom", example{match.HaveResetFrom(server), reset, plain, []string{"there is none"}, nil, ""})
	check(t, "CloseInFourSteps", example{match.CloseInFourSteps(), plain, unacked, []string{"the client sent no FIN"}, nil, ""})
	check(t, "CloseInFourSteps, unacknowledged", example{match.CloseInFourSteps(), byServer, togetherUnacked, []string{"the FIN of the client is not acknowledged"}, nil, ""})
	check(t, "CloseInFourSteps, RST", example{match.CloseInFourSteps(), plain, resetAfterFIN, []string{"the client sent RST"}, nil, ""})
	check(t, "CloseInFourSteps, RST to a straggler", example{match.CloseInFourSteps(), straggler, resetAfterFIN, []string{"the client sent RST"}, nil, ""})
	check(t, "CloseSimultaneously", example{match.CloseSimultaneously(), together, plain, []string{"it is a case of: four-way close"}, nil, ""})
	check(t, "CloseSimultaneously, unacknowledged", example{match.CloseSimultaneously(), together, togetherUnacked, []string{"a FIN was not acknowledged"}, nil, ""})
	check(t, "ReachState", example{match.ReachState(client, conversation.TimeWait), plain, byServer, []string{"bring the client into TIME-WAIT", "CLOSED → SYN-SENT → ESTABLISHED → CLOSE-WAIT → LAST-ACK → CLOSED"}, nil, ""})
	check(t, "CarryBytes", example{match.CarryBytes(client, []byte("hello")), plain, again, []string{`carry 5 bytes "hello" from the client`, `it carries 3 bytes "abc"; they differ from byte 1`}, cut.Conversation(), "did not keep"})
	check(t, "CarryBytes, missing", example{match.CarryBytes(client, []byte("abcd")), played(func(s script) { s.Open().Say(client, "abcd") }), again, []string{"what is missing are the last 1"}, nil, ""})
	check(t, "CarryBytes, too many", example{match.CarryBytes(client, nil), open, again, []string{"carry nothing from the client", "the last 3 are too many"}, nil, ""})
	check(t, "Show", example{match.Show(match.FlagFrom(server, fin)), plain, open, []string{"show FIN from the server", "there is none"}, nil, ""})
	check(t, "Show, named", example{match.Show(match.Named(conversation.SpuriousRetransmission)), again, open, []string{"a TCP Spurious Retransmission"}, nil, ""})
	check(t, "ShowBefore", example{match.ShowBefore(match.EndOfHandshake(), match.DataFrom(client)), plain, early, []string{"frame 1 comes before frame 3"}, nil, ""})
	check(t, "ShowBefore, first", example{match.ShowBefore(match.FlagFrom(client, syn), match.DataFrom(client)), plain, middle, []string{"SYN from the client is not there"}, nil, ""})
	check(t, "ShowBefore, second", example{match.ShowBefore(match.FlagFrom(client, syn), match.FlagFrom(server, rst)), reset, plain, []string{"RST from the server is not there"}, nil, ""})

	check(t, "HaveContinuousSequenceNumbers", example{match.HaveContinuousSequenceNumbers(), again,
		played(func(s script) { s.Open().Send(client, push, "later", seq(10)) }), []string{"frame 4 has sequence number 10, and 1 comes next"}, middle, "the SYN of the client was not seen"})
	check(t, "HaveContinuousSequenceNumbers, keep-alive", example{match.HaveContinuousSequenceNumbers(), played(func(s script) { s.Open().Say(client, "x"); s.Send(client, ack, "", seq(1)); s.Send(server, ack, "") }),
		played(func(s script) { s.Open().Say(client, "abc"); s.Send(client, ack, "", seq(1)) }), []string{"frame 6 has sequence number 1, and 4 comes next"}, nil, ""})
	check(t, "HaveContinuousSequenceNumbers, contents", example{match.HaveContinuousSequenceNumbers(), plain,
		played(func(s script) { s.Open().Say(client, "abc"); s.Send(client, push, "xyz", seq(1)) }), []string{"frame 6 sends other bytes than before"}, nil, ""})
	check(t, "HaveContinuousSequenceNumbers, overlap", example{match.HaveContinuousSequenceNumbers(), played(func(s script) {
		s.Open().Say(client, "abc")
		s.Send(client, push, "cde", seq(3))
		s.Send(client, ack, "", seq(6))
	}),
		played(func(s script) {
			s.Open().Say(client, "abc")
			s.Send(client, push, "cde", seq(3))
			s.Send(client, ack, "", seq(4))
		}), []string{"frame 7 has sequence number 4, and 6 comes next"}, nil, ""})
	check(t, "AcknowledgeEverything", example{match.AcknowledgeEverything(), plain, unacked, []string{"the server sent up to 2, and only 1 is acknowledged"}, nil, ""})
	check(t, "AcknowledgeEverything, back", example{match.AcknowledgeEverything(), plain,
		played(func(s script) { s.Open().Say(client, "abc"); s.Send(server, ack, "", acks(1)) }), []string{"frame 6 acknowledges 1 after 4"}, nil, ""})
	check(t, "AcknowledgeEverything, beyond", example{match.AcknowledgeEverything(), plain,
		played(func(s script) { s.Open().Send(server, ack, "", acks(9)) }), []string{"frame 4 acknowledges 9, and only 1 were sent"}, nil, ""})
	bad := played(func(s script) { s.Open().Send(client, push, "x", conversationtest.BadChecksum) })
	badIP := conversationtest.New().Open()
	badIP.Packets[1].Data[14+8]--
	check(t, "HaveValidChecksums", example{match.HaveValidChecksums(), plain, bad, []string{"the checksum of frame 4 is wrong", "[bad checksum]"}, cut.Conversation(), "the checksum of frame 4 is unknown"})
	check(t, "HaveValidChecksums, IP", example{match.HaveValidChecksums(), plain, badIP.Conversation(), []string{"the IP checksum of frame 2 is wrong"}, nil, ""})
	big := played(func(s script) { s.Open().Say(client, strings.Repeat("x", 1461)) })
	fits := played(func(s script) { s.Open().Say(client, strings.Repeat("x", 1460)) })
	check(t, "RespectMSS", example{match.RespectMSS(), fits, big, []string{"frame 4 carries 1461 bytes, and the MSS is 1460"}, middle, "was not seen"})
	check(t, "RespectMSS, no data", example{match.RespectMSS(), fits, open, []string{"there is no data at all"}, nil, ""})
	withoutOption := func(address string, length int) *conversation.Conversation {
		return played(func(s script) {
			s.ClientAddress, s.ServerAddress = netip.MustParseAddrPort(address+":1"), netip.MustParseAddrPort(address+":2")
			s.Send(client, syn, "", conversationtest.Option(layers.TCPOptionKindMSS, 5, 180))
			s.Send(server, syn|ack, "")
			s.Send(client, ack, "")
			s.Say(client, strings.Repeat("x", length))
		})
	}
	check(t, "RespectMSS, no option", example{match.RespectMSS(), withoutOption("127.0.0.1", 536), withoutOption("127.0.0.1", 537), []string{"frame 4 carries 537 bytes, and the MSS is 536"}, nil, ""})
	check(t, "RespectMSS, no option, IPv6", example{match.RespectMSS(), withoutOption("[::1]", 1220), withoutOption("[::1]", 1221), []string{"the MSS is 1220"}, nil, ""})
	beyond := func(at uint32, data string) *conversation.Conversation {
		return played(func(s script) {
			s.Send(client, syn, "")
			s.Send(server, syn|ack, "", window(4))
			s.Send(client, ack, "")
			s.Send(client, push, data, seq(at))
		})
	}
	check(t, "RespectWindow", example{match.RespectWindow(client), beyond(1, "1234"), beyond(1, "12345"), []string{"frame 4 goes 1 bytes beyond"}, middle, "was not seen"})
	check(t, "RespectWindow, outside", example{match.RespectWindow(client), plain, beyond(9, "1"), []string{"frame 4 begins beyond"}, nil, ""})
	check(t, "RespectWindow, no data", example{match.RespectWindow(client), plain, open, []string{"there is no data at all"}, nil, ""})
	check(t, "HaveRetransmissionBy", example{match.HaveRetransmissionBy(client), again, plain, []string{"there is none"}, nil, ""})
}

func TestWireMatchers(t *testing.T) {
	two := conversationtest.New()
	two.Datagram(client, "one")
	two.Datagram(server, "")
	connection := conversationtest.New().Open()
	cut := conversationtest.New()
	cut.Datagram(client, "cut")
	cut.Packets[0].Data = cut.Packets[0].Data[:43]
	broken := conversationtest.New().Open()
	broken.Packets = broken.Packets[:1]
	broken.Packets[0].Data = broken.Packets[0].Data[:20]
	mixed := conversationtest.New().Open()
	mixed.Datagram(client, "one")
	mixed.Datagram(client, "")
	silent := conversation.AnalysePackets(nil, nil)

	check(t, "BeSilent", example{match.BeSilent(), silent, two.Analyse(), []string{"#1 UDP datagram with 3 bytes", "there are 2 packets"}, nil, ""})
	check(t, "BeSilent, TCP", example{match.BeSilent(), silent, connection.Analyse(), []string{"#1 client → server [SYN]", "SYN: the client asks to connect"}, nil, ""})
	check(t, "BeSilent, broken", example{match.BeSilent(), silent, broken.Analyse(), []string{"#1 IPv4 header", "there are 1 packets"}, nil, ""})
	check(t, "HaveDatagrams", example{match.HaveDatagrams([]byte("one"), nil), two.Analyse(), silent, []string{`show exactly the datagrams ["one" ""]`, "not one packet", "there are 0 datagrams"}, cut.Analyse(), "cut frame 1"})
	check(t, "HaveDatagrams, others", example{match.HaveDatagrams([]byte("one"), nil), two.Analyse(), mixed.Analyse(), []string{"there are other packets"}, nil, ""})
	swapped := conversationtest.New()
	swapped.Datagram(server, "")
	swapped.Datagram(client, "one")
	check(t, "HaveDatagrams, order", example{match.HaveDatagrams([]byte("one"), nil), two.Analyse(), swapped.Analyse(), []string{`frame 1 carries ""`}, nil, ""})
}

func TestLongLaddersAreFolded(t *testing.T) {
	s := conversationtest.New().Open()
	for i := range 500 {
		s.Say(client, strconv.Itoa(i))
	}
	for m, actual := range map[types.GomegaMatcher]any{match.HaveResetFrom(client): s.Conversation(), match.BeSilent(): s.Analyse()} {
		if ok, err := m.Match(actual); ok || err != nil {
			t.Fatal(ok, err)
		}
		message := m.FailureMessage(nil)
		if lines := strings.Count(message, "\n"); lines > 45 || !strings.Contains(message, "… 963 more frames …") {
			t.Errorf("%d lines:\n%s", lines, message)
		}
	}
}
