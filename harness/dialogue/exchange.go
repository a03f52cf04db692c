package dialogue

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"tcpwitness/harness/evidence"
)

// Exchange is one dialogue in concrete bytes and lines.
type Exchange struct {
	Stdin   evidence.Bytes // fed to the client
	Message evidence.Bytes // sent by the client, framed; empty for nothing
	Reply   evidence.Bytes // sent by the server, framed; empty for nothing
	// ServerLines and ClientLines are what the two print.
	ServerLines, ClientLines []evidence.Line
}

// Exchange fills in a text and the real addresses of both ends. An address that is not valid yet gives an
// exchange whose lines and reply cannot be used as far as they bear it; see ReplyNeedsClient.
func (d *Dialogue) Exchange(text string, client, server netip.AddrPort) Exchange {
	values := map[string]string{
		"text":        text,
		"client.ip":   client.Addr().Unmap().String(),
		"client.port": strconv.Itoa(int(client.Port())),
		"server.ip":   server.Addr().Unmap().String(),
		"server.port": strconv.Itoa(int(server.Port())),
	}
	var e Exchange
	stdin := d.stdin.fill(values)
	e.Stdin = evidence.Bytes(stdin)
	values["stdin"] = stdin
	message := d.message.fill(values)
	values["message"] = message
	if d.Sends() {
		e.Message = d.Framing.Frame([]byte(message))
	}
	reply := d.replyText(values)
	values["reply"] = reply
	if d.Replies() {
		e.Reply = d.Framing.Frame([]byte(reply))
	}
	e.ServerLines = lines(d.serverPrints, values)
	e.ClientLines = lines(d.clientPrints, values)
	return e
}

// ReplyNeedsClient says whether the reply bears the client's address, so that it is known only once the
// client has connected.
func (d *Dialogue) ReplyNeedsClient() bool { return d.reply.uses("client.ip", "client.port") > 0 }

// replyText cuts the text so that the reply fits: the rest of the reply stays whole.
func (d *Dialogue) replyText(values map[string]string) string {
	room, limited := d.Framing.MaxText()
	if d.cut > 0 {
		room, limited = d.cut+d.reply.literal(), true
	}
	if !limited {
		room = math.MaxInt32
	}
	whole := d.reply.fill(values)
	over := len(whole) - room
	if over <= 0 {
		return whole
	}
	cut := make(map[string]string, len(values))
	for name, value := range values {
		cut[name] = value
	}
	for _, name := range []string{"text", "message", "stdin"} {
		if d.reply.uses(name) == 1 {
			cut[name] = values[name][:max(0, len(values[name])-over)]
		}
	}
	return d.reply.fill(cut)
}

// lines fills in the lines that a program prints. A template that fills up to several lines gives several.
func lines(templates []template, values map[string]string) []evidence.Line {
	var all []evidence.Line
	for _, t := range templates {
		text := strings.TrimSuffix(t.fill(values), "\n")
		line := evidence.Line{
			Peer:    t.uses("client.ip", "client.port") > 0,
			Message: t.uses("text", "stdin", "message", "reply") > 0,
		}
		for _, line.Text = range strings.Split(text, "\n") {
			all = append(all, line)
		}
	}
	return all
}
