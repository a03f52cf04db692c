package dialogue

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tcpwitness/harness/evidence"
)

// The variables that the fields of a dialogue may use, more as more is known.
func stdinNames() []string   { return []string{"text"} }
func messageNames() []string { return append(stdinNames(), "stdin") }
func replyNames() []string {
	return append(messageNames(), "message", "client.ip", "client.port", "server.ip", "server.port")
}
func printNames() []string { return append(replyNames(), "reply") }

// Parse reads a dialogue from YAML. The name is for messages. Its errors are one line with the line and
// column of the mistake, such as `my.yaml:3:8: …`.
func Parse(name string, data []byte) (d *Dialogue, err error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("dialogue %s: longer than the %d bytes that a dialogue may have", name, maxFile)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("dialogue %s: not UTF-8 text", name)
	}
	// The YAML library is not ours to vouch for: whatever it does, a bad file gives an error.
	defer func() {
		if failure := recover(); failure != nil {
			d, err = nil, fmt.Errorf("dialogue %s: cannot be read as YAML (%v)", name, failure)
		}
	}()
	top, err := readYAML(name, data)
	if err != nil {
		return nil, err
	}
	d = &Dialogue{Name: name}
	d.read(top)
	if top.file.err != nil {
		return nil, top.file.err
	}
	return d, nil
}

func (d *Dialogue) read(top *mapping) {
	top.allow("about", "first", "frame", "text", "stdin", "message", "reply", "cut", "half-close", "server", "client", "skip")
	d.About = top.text("about", "")
	d.First = top.choice("first", evidence.Client, evidence.Client, evidence.Server)
	d.Framing = readFraming(top)
	d.readTexts(top)

	server := top.mapping("server", true)
	server.allow("serves", "concurrent", "prints")
	d.Serves = server.count("serves", "many", 1)
	d.Concurrent = server.flag("concurrent", false)
	d.serverPrints = server.templates("prints", printNames())

	client := top.mapping("client", false)
	client.allow("prints")
	d.clientPrints = client.templates("prints", printNames())

	d.skip = readSkips(top.mapping("skip", false))
	d.check(top)
}

func (d *Dialogue) readTexts(top *mapping) {
	d.FixedText = top.text("text", "")
	if strings.ContainsAny(d.FixedText, "\n\x00") {
		top.fail("text", "a text is one line without NUL")
	}
	stdin, message := "{text}\n", "{text}"
	if d.First == evidence.Server {
		stdin, message = "", ""
	}
	d.stdin = top.template("stdin", stdin, stdinNames())
	d.message = top.template("message", message, messageNames())
	d.reply = top.template("reply", "", replyNames())
	d.cut = top.number("cut", 0, 1, maxFile)
	d.HalfClose = top.flag("half-close", d.Framing.Kind == evidence.FramingEnd && d.Replies() && d.Sends())
}

// check finds what each field by itself does not show.
func (d *Dialogue) check(top *mapping) {
	end := d.Framing.Kind == evidence.FramingEnd
	switch {
	case !d.Sends() && !d.Replies():
		top.fail("reply", "neither end sends anything; give a message or a reply")
	case d.First == evidence.Server && !d.Replies():
		top.fail("first", "the server speaks first, but there is no reply for it to send")
	case d.First == evidence.Server && d.Sends() && end:
		top.fail("frame", "the server speaks first and its text ends with end of file, so it cannot wait for a message")
	case end && d.Sends() && d.Replies() && !d.HalfClose:
		top.fail("half-close", "a message up to the end of file gets a reply only after a half-close; leave the field out or say true")
	case !d.Sends() && top.has("stdin"):
		top.fail("stdin", "the client sends no message, so there is nothing to feed; give a message or leave stdin out")
	case d.cut > 0 && d.reply.uses("text", "message", "stdin") == 0:
		top.fail("cut", "the reply bears no text that could be cut")
	case d.Serves != 0 && d.Concurrent:
		top.fail("server", "a server that ends by itself is not concurrent: say serves: many, or leave concurrent out")
	}
	d.checkFits(top)
}

// checkFits holds the literal parts of what is sent against the framing.
func (d *Dialogue) checkFits(top *mapping) {
	room, bounded := d.Framing.MaxText()
	for _, field := range []struct {
		name  string
		value template
	}{{"message", d.message}, {"reply", d.reply}} {
		if bounded && field.value.literal() >= room {
			top.fail(field.name, "a frame carries %d bytes of text, and this alone has %d", room, field.value.literal())
		}
		if d.Framing.Kind == evidence.FramingLine && strings.Contains(field.value.fill(nil), "\n") {
			top.fail(field.name, "a line cannot contain a newline; the framing adds the one at its end")
		}
	}
}

func readSkips(m *mapping) map[evidence.Scene]string {
	var names []string
	for _, s := range append(Scenes(evidence.Server), Scenes(evidence.Client)...) {
		names = append(names, string(s))
	}
	m.allow(names...)
	skips := map[evidence.Scene]string{}
	for _, name := range m.names() {
		skips[evidence.Scene(name)] = m.text(name, "")
		if skips[evidence.Scene(name)] == "" {
			m.fail(name, "give the reason why this scene has no meaning, as a text")
		}
	}
	return skips
}
