package conversation_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
)

// TestWiresharkNamesOnRandomConversations makes conversations in which segments are lost, repeated,
// reordered, probed and kept alive at random, and holds our names against tshark's. Left out is the name
// for an acknowledgement of what was never seen: tshark gives it once or again, by rules that its
// documentation does not tell, where a capture is as full of holes as these.
func TestWiresharkNamesOnRandomConversations(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := conversationtest.New()
		for i := range 200 {
			randomConversation(s, random, i)
		}
		run := s.Run()
		a := conversation.Analyse(run)
		named := compareNames(t, a, tshark(t, run), conversation.ACKedUnseen)
		t.Logf("%d frames, %d names, seed %d", len(run.Packets), named, seed)
		if named < 1000 {
			t.Errorf("only %d names were compared", named)
		}
	}
}

// openRandomly plays a handshake with or without window scaling, some of it twice.
func openRandomly(s *conversationtest.Script, random *rand.Rand) {
	scale := func() []conversationtest.Change {
		if random.IntN(3) == 0 {
			return nil
		}
		return []conversationtest.Change{conversationtest.WindowScale(random.IntN(8))}
	}
	again := func(from string, flags conversation.Flags, changes []conversationtest.Change) {
		s.Send(from, flags, "", changes...)
		for random.IntN(4) == 0 {
			s.Later([]time.Duration{0, time.Second}[random.IntN(2)])
			s.Send(from, flags, "", append(changes, conversationtest.Seq(0))...)
		}
	}
	again(client, conversation.SYN, scale())
	again(server, conversation.SYN|conversation.ACK, scale())
	s.Send(client, conversation.ACK, "")
}

func randomConversation(s *conversationtest.Script, random *rand.Rand, i int) {
	s.ClientAddress = netip.AddrPortFrom(s.ClientAddress.Addr(), uint16(10000+i/2)) // each port is used twice
	s.ClientISN, s.ServerISN = random.Uint32(), random.Uint32()
	s.Reset()
	openRandomly(s, random)
	type sent struct {
		from  string
		flags conversation.Flags
		data  string
		seq   uint32
	}
	var past []sent
	at := map[string]uint32{client: 1, server: 1}
	window := map[string]uint16{client: 64240, server: 64240}
	for range 5 + random.IntN(40) {
		from := []string{client, server}[random.IntN(2)]
		win := conversationtest.Window(window[from])
		gaps := []time.Duration{0, 0, 0, 500 * time.Microsecond, 3 * time.Millisecond, 30 * time.Millisecond, 250 * time.Millisecond}
		s.Later(gaps[random.IntN(len(gaps))])
		switch random.IntN(14) {
		case 0, 1, 2, 3:
			if window[conversation.Other(from)] == 0 { // a probe, whose byte is not taken
				s.Send(from, conversation.ACK, "p", conversationtest.Seq(at[from]), win)
				continue
			}
			data := string(make([]byte, 1+random.IntN(4)*100))
			past = append(past, sent{from, conversation.ACK | conversation.PSH, data, at[from]})
			s.Send(from, conversation.ACK|conversation.PSH, data, win)
			at[from] += uint32(len(data))
		case 4, 5, 6:
			for range 1 + random.IntN(4) {
				s.Send(from, conversation.ACK, "", win)
			}
		case 7, 8: // something from the past again, whole or in part
			if len(past) == 0 {
				continue
			}
			p := past[len(past)-1-random.IntN(min(4, len(past)))]
			s.Send(p.from, p.flags, p.data[:random.IntN(len(p.data)+1)], conversationtest.Seq(p.seq), conversationtest.Window(window[p.from]))
		case 9:
			s.Send(from, conversation.ACK, string(make([]byte, random.IntN(2))), conversationtest.Seq(at[from]-1), win)
		case 10:
			window[from] = []uint16{0, 0, 100, 64240, 64240}[random.IntN(5)]
			s.Send(from, conversation.ACK, "", conversationtest.Window(window[from]))
		case 11: // beyond a gap
			s.Send(from, conversation.ACK, "later", conversationtest.Seq(at[from]+50), win)
		case 12: // less than was acknowledged before
			s.Send(from, conversation.ACK, "", win, conversationtest.Ack(1+uint32(random.IntN(int(at[conversation.Other(from)])))))
		case 13:
			if random.IntN(4) == 0 && window[conversation.Other(from)] > 0 {
				data := []string{"", "x", "xyz"}[random.IntN(3)]
				past = append(past, sent{from, conversation.ACK | conversation.FIN, data, at[from]})
				s.Send(from, conversation.ACK|conversation.FIN, data, win)
				at[from] += uint32(len(data)) + 1
			}
		}
	}
}
