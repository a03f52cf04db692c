package conversation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tcpwitness/harness/evidence"
)

// Kind is the key of a sentence about a packet, in a catalogue of messages.
type Kind string

// Phrase is one thing to say about a packet, in no language yet: the key of a sentence and what it speaks
// of. Fields that the sentence has no place for are empty.
type Phrase struct {
	Kind        Kind
	End         string // {end}: evidence.Client or evidence.Server; {other} is the opposite
	Bytes       int64  // {bytes}: a number of bytes with its unit
	First, Last int64  // {first} and {last}: places in a stream, from 1; {range} is both with their unit
	Frame       int    // {frame}
	N           int    // {n}
	Text        string // {text}: names and addresses, the same in every language
}

// Language renders phrases. A second language is another value of it.
type Language struct {
	// Templates has a sentence for each Kind, with the places named at [Phrase] in braces.
	Templates map[Kind]string
	// End names an end of the connection.
	End func(end string) string
	// Bytes is a number of bytes with its unit.
	Bytes func(n int64) string
	// Range is a range of bytes with its unit.
	Range func(first, last int64) string
	// Separator stands between two phrases about the same packet.
	Separator string
}

// Say renders phrases one after another.
func (l Language) Say(phrases ...Phrase) string {
	said := make([]string, len(phrases))
	for i, p := range phrases {
		said[i] = l.say(p)
	}
	return strings.Join(said, l.Separator)
}

func (l Language) say(p Phrase) string {
	template, ok := l.Templates[p.Kind]
	if !ok {
		template = string(p.Kind)
	}
	var said strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		said.WriteString(before)
		if !found {
			return said.String()
		}
		place, after, _ := strings.Cut(rest, "}")
		said.WriteString(l.fill(place, p))
		template = after
	}
}

// fill is what stands in a place of a template.
func (l Language) fill(place string, p Phrase) string {
	switch place {
	case "end":
		return l.End(p.End)
	case "other":
		return l.End(Other(p.End))
	case "bytes":
		return l.Bytes(p.Bytes)
	case "range":
		return l.Range(p.First, p.Last)
	case "first":
		return strconv.FormatInt(p.First, 10)
	case "last":
		return strconv.FormatInt(p.Last, 10)
	case "frame":
		return strconv.Itoa(p.Frame)
	case "n":
		return strconv.Itoa(p.N)
	case "text":
		return p.Text
	}
	return "{" + place + "}"
}

// The kinds of sentences.
const (
	SaysSYN             Kind = "syn"
	SaysSYNAgain        Kind = "syn-again"
	SaysSYNToo          Kind = "syn-too"
	SaysSYNUnexpected   Kind = "syn-unexpected"
	SaysSYNACK          Kind = "syn-ack"
	SaysHandshakeDone   Kind = "handshake-done"
	SaysData            Kind = "data"
	SaysACK             Kind = "ack"
	SaysNothingNew      Kind = "ack-nothing-new"
	SaysDuplicateACK    Kind = "ack-duplicate"
	SaysChallengeACK    Kind = "ack-challenge"
	SaysACKUnsent       Kind = "ack-unsent"
	SaysFIN             Kind = "fin"
	SaysFINACK          Kind = "fin-acknowledged"
	SaysRefused         Kind = "rst-refused"
	SaysRST             Kind = "rst"
	SaysRSTClosed       Kind = "rst-closed"
	SaysRSTOpening      Kind = "rst-opening"
	SaysRSTIgnored      Kind = "rst-ignored"
	SaysRSTUnknown      Kind = "rst-unknown"
	SaysRetransmission  Kind = "retransmission"
	SaysFast            Kind = "retransmission-fast"
	SaysGap             Kind = "gap"
	SaysFillsGap        Kind = "fills-gap"
	SaysConflict        Kind = "conflict"
	SaysZeroWindow      Kind = "window-zero"
	SaysWindowUpdate    Kind = "window-update"
	SaysWindowFull      Kind = "window-full"
	SaysWindowProbe     Kind = "window-probe"
	SaysOutsideWindow   Kind = "window-outside"
	SaysKeepAlive       Kind = "keep-alive"
	SaysKeepAliveAnswer Kind = "keep-alive-answer"
	SaysBadChecksum     Kind = "bad-checksum"
	SaysOddSegment      Kind = "odd"
	SaysLost            Kind = "wire-lost"
	SaysCorrupted       Kind = "wire-corrupted"
	SaysDuplicated      Kind = "wire-duplicated"
	SaysHeld            Kind = "wire-held"
	SaysRewritten       Kind = "wire-rewritten"
	SaysInjected        Kind = "wire-injected"
	SaysWireshark       Kind = "wireshark"
	SaysDatagram        Kind = "udp"
	SaysFragment        Kind = "fragment"
	SaysUnreachable     Kind = "icmp-port-unreachable"
	SaysICMP            Kind = "icmp"
	SaysOther           Kind = "other"
)

// English is the language of the comments in captures.
func English() Language {
	return Language{
		Separator: "; ",
		End:       func(end string) string { return end },
		Bytes: func(n int64) string {
			if n == 1 {
				return "1 byte"
			}
			return fmt.Sprintf("%d bytes", n)
		},
		Range: func(first, last int64) string {
			if first == last {
				return fmt.Sprintf("byte %d", first)
			}
			return fmt.Sprintf("bytes %d–%d", first, last)
		},
		Templates: map[Kind]string{
			SaysSYN:             "SYN: the {end} asks to connect, 1 of 3",
			SaysSYNAgain:        "SYN: the {end} asks to connect",
			SaysSYNToo:          "SYN: the {end} asks to connect as well, before it saw the other's SYN",
			SaysSYNUnexpected:   "SYN where a connection exists already",
			SaysSYNACK:          "SYN-ACK: the {end} agrees, 2 of 3",
			SaysHandshakeDone:   "ACK: handshake complete, 3 of 3",
			SaysData:            "{bytes} from the {end}, {range} of its stream",
			SaysACK:             "ACK: the {end} has everything up to byte {last}",
			SaysNothingNew:      "ACK: nothing new",
			SaysDuplicateACK:    "duplicate ACK {n}: the {end} still waits for byte {first}",
			SaysChallengeACK:    "challenge ACK: the {end} does not believe frame {frame}, and says where it is",
			SaysACKUnsent:       "ACK of what the {other} has not sent, up to byte {last}",
			SaysFIN:             "FIN: the {end} has no more to send",
			SaysFINACK:          "acknowledges the {other}'s FIN",
			SaysRefused:         "RST: nobody listens on this port",
			SaysRST:             "RST: the {end} ends the connection at once",
			SaysRSTClosed:       "RST: the {end} has closed already and takes nothing more",
			SaysRSTOpening:      "RST: the {end} rejects what does not belong to its attempt to connect",
			SaysRSTIgnored:      "RST with numbers that the {other} does not expect, so it has no effect",
			SaysRSTUnknown:      "RST: the {end} knows no such connection",
			SaysRetransmission:  "retransmission {n} of frame {frame}",
			SaysFast:            "at the request of three duplicate ACKs",
			SaysGap:             "{bytes} before it have not been seen",
			SaysFillsGap:        "comes late and fills a gap",
			SaysConflict:        "with other contents than before",
			SaysZeroWindow:      "zero window: the {end} has no room",
			SaysWindowUpdate:    "window update: the {end} has room for {bytes}",
			SaysWindowFull:      "fills the window of the {other}",
			SaysWindowProbe:     "window probe: the {end} asks whether there is room again",
			SaysOutsideWindow:   "beyond the window of the {other}, which drops it",
			SaysKeepAlive:       "keep-alive: the {end} asks whether the {other} is still there",
			SaysKeepAliveAnswer: "answer to a keep-alive: the {end} is still there",
			SaysBadChecksum:     "the checksum is wrong, so the {other} drops it",
			SaysOddSegment:      "without ACK, so the {other} drops it",
			SaysLost:            "lost on the wire",
			SaysCorrupted:       "corrupted on the wire, so the {other} will drop it",
			SaysDuplicated:      "duplicated by the wire",
			SaysHeld:            "held back by the wire",
			SaysRewritten:       "altered by the wire",
			SaysInjected:        "made by the test",
			SaysWireshark:       "[{text}]",
			SaysDatagram:        "UDP datagram with {bytes}, {text}",
			SaysFragment:        "part {n} of a UDP datagram that is complete with frame {frame}",
			SaysUnreachable:     "ICMP: nobody has the port {text}",
			SaysICMP:            "ICMP {text}",
			SaysOther:           "{text}",
		},
	}
}

// Kinds are the keys of all sentences; a catalogue in another language needs each of them.
func Kinds() []Kind {
	var kinds []Kind
	for kind := range English().Templates {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Lacks lists the kinds for which a language has no sentence.
func (l Language) Lacks() []Kind {
	var missing []Kind
	for _, kind := range Kinds() {
		if l.Templates[kind] == "" {
			missing = append(missing, kind)
		}
	}
	return missing
}

// fatePhrase is what to say of what the wire did.
func fatePhrase(fate evidence.Fate, from string) []Phrase {
	kind, known := map[evidence.Fate]Kind{
		evidence.Lost: SaysLost, evidence.Corrupted: SaysCorrupted, evidence.Duplicated: SaysDuplicated,
		evidence.Held: SaysHeld, evidence.Rewritten: SaysRewritten, evidence.Injected: SaysInjected,
	}[fate]
	if !known {
		return nil
	}
	return []Phrase{{Kind: kind, End: from}}
}
