package dialogue

import (
	"strconv"
	"strings"

	"tcpwitness/harness/evidence"
)

const framingForms = "line, end of file, fixed SIZE, length WIDTH big, or length WIDTH little"

// readFraming reads `frame: fixed 128` and its like.
func readFraming(top *mapping) evidence.Framing {
	words := strings.Fields(top.text("frame", ""))
	if len(words) == 0 {
		top.fail("frame", "say how the end of a text is known: %s", framingForms)
		return evidence.Framing{Kind: evidence.FramingLine}
	}
	switch {
	case len(words) == 1 && words[0] == "line":
		return evidence.Framing{Kind: evidence.FramingLine}
	case strings.Join(words, " ") == "end of file":
		return evidence.Framing{Kind: evidence.FramingEnd}
	case words[0] == "fixed" && len(words) == 2:
		size, err := strconv.Atoi(words[1])
		if err != nil || size < 2 || size > maxFile {
			top.fail("frame", "the size of a fixed frame is a number of bytes from 2 to %d, not %q", maxFile, words[1])
		}
		return evidence.Framing{Kind: evidence.FramingFixed, Size: size}
	case words[0] == "length" && (len(words) == 2 || len(words) == 3):
		return lengthFraming(top, words[1:])
	}
	top.fail("frame", "%q is none of %s", strings.Join(words, " "), framingForms)
	return evidence.Framing{Kind: evidence.FramingLine}
}

func lengthFraming(top *mapping, words []string) evidence.Framing {
	framing := evidence.Framing{Kind: evidence.FramingLength}
	switch words[0] {
	case "1", "2", "4", "8":
		framing.Width = int(words[0][0] - '0')
	default:
		top.fail("frame", "the width of a length prefix is 1, 2, 4 or 8 bytes, not %q", words[0])
	}
	if len(words) == 1 {
		if framing.Width > 1 {
			top.fail("frame", "say the byte order of the length: big (network byte order) or little")
		}
		return framing
	}
	switch words[1] {
	case "big":
	case "little":
		framing.Little = true
	default:
		top.fail("frame", "the byte order of a length is big (network byte order) or little, not %q", words[1])
	}
	return framing
}
