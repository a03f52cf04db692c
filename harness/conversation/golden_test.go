package conversation_test

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
	"tcpwitness/harness/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Flags under short names, for the scripts below.
const (
	syn    = conversation.SYN
	ack    = conversation.ACK
	fin    = conversation.FIN
	rst    = conversation.RST
	synAck = conversation.SYN | conversation.ACK
	finAck = conversation.FIN | conversation.ACK
	rstAck = conversation.RST | conversation.ACK
	push   = conversation.PSH | conversation.ACK
)

// Changes under short names.
var (
	seq    = conversationtest.Seq
	acks   = conversationtest.Ack
	window = conversationtest.Window
	lost   = conversationtest.Fate(evidence.Lost)
)

// scripts are one each for what can happen to a connection.
var scripts = map[string]func(s *conversationtest.Script){
	"plain, the client closes": func(s *conversationtest.Script) {
		s.Open().Say(client, "hello").Say(server, "hello back").Finish(client)
	},
	"plain, the server closes": func(s *conversationtest.Script) { s.Open().Say(client, "x").Finish(server) },
	"three-segment close": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, finAck, "")
		s.Send(server, finAck, "")
		s.Send(client, ack, "")
	},
	"half-close": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, finAck, "request")
		s.Send(server, ack, "")
		s.Say(server, "answer one").Say(server, "answer two")
		s.Send(server, finAck, "")
		s.Send(client, ack, "")
	},
	"simultaneous close": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, finAck, "")
		s.Send(server, finAck, "", seq(1), acks(1))
		s.Send(client, ack, "", seq(2), acks(2))
		s.Send(server, ack, "", seq(2), acks(2))
	},
	"simultaneous close, with data on the way": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, finAck, "")
		s.Send(server, push, "on the way", seq(1), acks(1))
		s.Send(server, finAck, "", seq(11), acks(1))
		s.Send(client, ack, "", seq(2), acks(12))
		s.Send(server, ack, "", seq(12), acks(2))
	},
	"data on the SYN": func(s *conversationtest.Script) {
		s.Send(client, syn, "early")
		s.Send(server, synAck, "")
		s.Send(client, ack, "")
		s.Say(client, "late")
	},
	"refused, with a wrong ACK": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, rstAck, "", seq(0), acks(7))
		s.Later(time.Second).Send(client, syn, "", seq(0))
	},
	"data left before a handshake that never ends": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, synAck, "")
		s.Later(time.Second).Send(server, synAck, "", seq(0))
		s.Send(client, rst, "", seq(1))
	},
	"simultaneous open": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, syn, "")
		s.Send(client, synAck, "", seq(0), acks(1))
		s.Send(server, synAck, "", seq(0), acks(1))
		s.Say(client, "x")
	},
	"refused": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, rstAck, "", seq(0), acks(1))
	},
	"refused, then accepted on the same port": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, rstAck, "", seq(0), acks(1))
		s.ClientISN += 100_000
		s.Reset().Open()
	},
	"no answer": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Later(time.Second).Send(client, syn, "", seq(0))
		s.Later(2*time.Second).Send(client, syn, "", seq(0))
	},
	"lost SYN": func(s *conversationtest.Script) {
		s.Send(client, syn, "", lost)
		s.Later(time.Second).Send(client, syn, "", seq(0))
		s.Send(server, synAck, "", acks(1))
		s.Send(client, ack, "")
	},
	"lost SYN-ACK": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, synAck, "", lost)
		s.Later(time.Second).Send(client, syn, "", seq(0))
		s.Send(server, synAck, "", seq(0))
		s.Send(client, ack, "", acks(1))
	},
	"lost handshake ACK": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, synAck, "")
		s.Send(client, ack, "", lost)
		s.Say(client, "heals it")
	},
	"lost data": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "lost", lost)
		s.Later(200*time.Millisecond).Send(client, push, "lost", seq(1))
		s.Send(server, ack, "", acks(5))
	},
	"corrupted data, at the sender": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "data", conversationtest.Fate(evidence.Corrupted))
		s.Later(200*time.Millisecond).Send(client, push, "data", seq(1))
		s.Send(server, ack, "", acks(5))
	},
	"corrupted data, at the receiver": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "dbta", conversationtest.BadChecksum)
		s.Later(200*time.Millisecond).Send(client, push, "data")
		s.Send(server, ack, "")
	},
	"fast retransmission": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "aaaa", lost)
		for range 4 {
			s.Send(client, push, "bbbb", conversationtest.Fate(""))
			s.Send(server, ack, "", acks(1))
		}
		s.Send(client, push, "aaaa", seq(1))
		s.Send(server, ack, "", acks(21))
	},
	"fast retransmission, asked for by SACK": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "aaaa", lost)
		for i := range 3 {
			s.Send(client, push, "bbbb")
			block := []byte{0, 0, 0x03, 0xed, 0, 0, 0x03, 0xf1 + byte(4*i)} // from 5 to 9, 13, 17
			s.Send(server, ack, "", acks(1), window(uint16(60000-i)), conversationtest.Option(layers.TCPOptionKindSACK, block...))
		}
		s.Send(client, push, "aaaa", seq(1))
		s.Send(server, ack, "", acks(17))
	},
	"out of order, at the receiver": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "bbbb", seq(5))
		s.Send(server, ack, "", acks(1))
		s.Send(client, push, "aaaa", seq(1))
		s.Send(server, ack, "", acks(9))
	},
	"overlap": func(s *conversationtest.Script) {
		s.Open().Say(client, "abcdef")
		s.Send(client, push, "defghi", seq(4))
		s.Send(server, ack, "", acks(10))
	},
	"overlap with other contents": func(s *conversationtest.Script) {
		s.Open().Say(client, "abcdef")
		s.Send(client, push, "xyz", seq(4))
		s.Send(server, ack, "", acks(7))
	},
	"lost FIN": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, finAck, "", lost)
		s.Later(200*time.Millisecond).Send(client, finAck, "", seq(1))
		s.Send(server, ack, "", acks(2))
		s.Send(server, finAck, "", acks(2))
		s.Send(client, ack, "")
	},
	"zero window": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "1234567890", window(64240))
		s.Send(server, ack, "", window(0))
		s.Later(200*time.Millisecond).Send(client, ack, "", seq(10))
		s.Send(server, ack, "", window(0))
		s.Send(server, ack, "", window(5000))
		s.Send(client, push, "more")
		s.Send(server, ack, "", window(5000))
	},
	"window full and beyond": func(s *conversationtest.Script) {
		s.Open()
		s.Send(server, ack, "", window(10))
		s.Send(client, push, "1234567890")
		s.Send(client, push, "beyond", seq(20))
		s.Send(server, ack, "", acks(11), window(10))
	},
	"data outside the window": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "far away", seq(1_000_000))
		s.Send(server, ack, "", acks(1))
		s.Say(client, "near")
	},
	"duplicate ACKs, progress, and again": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "aaaa", lost)
		s.Send(client, push, "bbbb", lost)
		s.Send(client, push, "cccc")
		for range 2 {
			s.Send(server, ack, "", acks(1))
		}
		s.Send(client, push, "aaaa", seq(1))
		s.Send(server, ack, "", acks(5))
		s.Send(server, ack, "", acks(5))
	},
	"keep-alive": func(s *conversationtest.Script) {
		s.Open().Say(client, "x")
		s.Later(time.Hour).Send(client, ack, "", seq(1))
		s.Send(server, ack, "")
	},
	"reset by the client": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, rstAck, "")
	},
	"reset by the server, data unread": func(s *conversationtest.Script) {
		s.Open().Say(client, "unread")
		s.Send(server, rstAck, "")
	},
	"data after close": func(s *conversationtest.Script) {
		s.Open()
		s.Send(server, finAck, "")
		s.Send(client, ack, "")
		s.Send(client, push, "too late")
		s.Send(server, rst, "", seq(2))
	},
	"reset off the edge": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, rst, "", seq(100))
		s.Send(server, ack, "", acks(1))
		s.Say(client, "alive")
	},
	"SYN in a connection": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, syn, "", seq(50_000))
		s.Send(server, ack, "", acks(1))
		s.Say(client, "alive")
	},
	"new connection over one that did not end": func(s *conversationtest.Script) {
		s.Open().Say(client, "first")
		s.ClientISN += 1_000_000
		s.ServerISN += 1_000_000
		s.Reset()
		s.Send(client, syn, "")
		s.Later(time.Second).Send(client, syn, "", seq(0))
		s.Send(server, synAck, "", acks(1))
		s.Send(client, ack, "")
		s.Say(client, "second")
	},
	"wrong ACK while opening": func(s *conversationtest.Script) {
		s.Send(client, syn, "")
		s.Send(server, synAck, "")
		s.Send(client, ack, "", acks(5000))
		s.Send(server, rst, "", seq(5000))
		s.Send(client, ack, "", acks(1))
	},
	"segment without ACK": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, conversation.PSH, "dropped", seq(1))
		s.Say(client, "taken")
	},
	"begins in the middle": func(s *conversationtest.Script) { s.Midstream().Say(client, "x").Say(server, "y").Finish(client) },
	"stray segment": func(s *conversationtest.Script) {
		s.Midstream().Send(client, ack, "")
		s.Send(server, rst, "")
	},
	"port used again": func(s *conversationtest.Script) {
		s.Open().Finish(client)
		s.ClientISN += 5000
		s.ServerISN += 5000
		s.Reset().Open().Say(client, "again").Finish(server)
	},
	"sequence numbers wrap": func(s *conversationtest.Script) {
		s.ClientISN, s.ServerISN = 0xffff_fffd, 0xffff_fffb
		s.Reset().Open().Say(client, "hello").Say(server, "hello").Finish(client)
	},
	"window scaling": func(s *conversationtest.Script) {
		s.Send(client, syn, "", conversationtest.WindowScale(7), conversationtest.Option(layers.TCPOptionKindMSS, 5, 0xb4))
		s.Send(server, synAck, "", conversationtest.WindowScale(3))
		s.Send(client, ack, "", window(512))
		s.Send(server, ack, "", window(512))
	},
	"IPv6 without Ethernet": func(s *conversationtest.Script) { sixScript(s) },
	"datagrams": func(s *conversationtest.Script) {
		s.Datagram(client, "one")
		s.Datagram(server, "")
	},
	"wire with fates": func(s *conversationtest.Script) {
		s.Open()
		s.Send(client, push, "a", conversationtest.Fate(evidence.Duplicated))
		s.Send(client, push, "b", conversationtest.Fate(evidence.Held))
		s.Send(server, ack, "", conversationtest.Fate(evidence.Rewritten), window(1))
		s.Send(server, push, "c", conversationtest.Fate(evidence.Injected))
	},
}

func sixScript(s *conversationtest.Script) {
	s.ClientAddress, s.ServerAddress = address("[fd00::1]:40000"), address("[fd00::2]:8080")
	s.Link = evidence.LinkRaw
	s.Open().Say(client, "six").Finish(server)
}

// TestGolden keeps what is said of each script: its segments, the states of both ends, the sentences and
// how it closed.
func TestGolden(t *testing.T) {
	for name, play := range scripts {
		t.Run(name, func(t *testing.T) {
			s := conversationtest.New()
			play(s)
			got := render(s.Analyse())
			file := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(name)+".txt")
			if *update {
				writeFile(t, file, []byte(got))
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestGoldenAgreesWithWireshark holds the names in the same scripts against tshark's, all in one capture.
func TestGoldenAgreesWithWireshark(t *testing.T) {
	all := &evidence.Run{Interfaces: []evidence.Interface{{Name: "lo", LinkType: evidence.LinkEthernet}}}
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		s := conversationtest.New()
		s.ClientAddress = netip.AddrPortFrom(s.ClientAddress.Addr(), uint16(30000+len(all.Packets)))
		scripts[name](s)
		if s.Link != evidence.LinkEthernet {
			continue
		}
		for _, p := range s.Packets {
			p.N = len(all.Packets) + 1
			all.Packets = append(all.Packets, p)
		}
	}
	compareNames(t, conversation.Analyse(all), tshark(t, all))
}

func render(a *conversation.Analysis) string {
	var b strings.Builder
	for _, c := range a.TCP {
		fmt.Fprintf(&b, "conversation %d: %s → %s midstream=%v simultaneous=%v refused=%v handshake=%v complete=%v\n", c.N, c.Client, c.Server,
			c.Midstream, c.SimultaneousOpen, c.Refused(), c.Handshake.Frames(), c.Handshake.Complete())
		for _, s := range c.Segments {
			fmt.Fprintf(&b, "%s\n\t%s | %s\n\t%s\n", s, s.After.Client, s.After.Server, a.Comment(s.Frame))
		}
		closing := c.Close()
		fmt.Fprintf(&b, "%s, first %q, complete %v, frames %v; TIME-WAIT %v\n", closing.Kind, closing.First, closing.Complete(), closing.Frames(), c.InTimeWait())
		fmt.Fprintf(&b, "client %q acked %d, server %q acked %d\n", c.Stream(client), c.Sent(client).Acked, c.Stream(server), c.Sent(server).Acked)
	}
	for _, d := range a.UDP {
		fmt.Fprintf(&b, "%s checksum %s\n\t%s\n", d, d.Checksum, a.Comment(d.Frame))
	}
	return b.String()
}
