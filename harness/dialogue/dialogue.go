// Package dialogue says what a client and a server say to each other, as YAML and as concrete bytes and
// lines. A lecturer writes a dialogue in about ten lines; fixtures/dialogues/README.md documents the fields.
//
// It is pure: it reads files and returns values. Mistakes in a file are reported with line and column.
package dialogue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"tcpwitness/fixtures/dialogues"
	"tcpwitness/harness/evidence"
)

// Default is the name of the dialogue of the notes.
const Default = "reference"

// maxFile bounds a dialogue's file, in bytes.
const maxFile = 64 << 10

// Dialogue is what two programs say to each other on one connection, and how the server goes on after it.
type Dialogue struct {
	Name  string // of the built-in one, or the file's path
	About string // one sentence for people

	// First is the end that speaks first, evidence.Client or evidence.Server.
	First   string
	Framing evidence.Framing
	// FixedText is the text of every exchange, where the dialogue works with one text only.
	FixedText string

	stdin   template // what is fed to the client
	message template // what the client sends; nothing where it is empty
	reply   template // what the server sends; nothing where it is empty
	cut     int      // the most bytes of text that a reply carries, 0 for as many as fit

	serverPrints []template
	clientPrints []template

	// Serves is the number of clients that a server serves before it ends by itself; 0: it stays up.
	Serves int
	// Concurrent says that the server serves clients side by side.
	Concurrent bool
	// HalfClose says that the client ends its message by a half-close, on which the server waits.
	HalfClose bool

	skip map[evidence.Scene]string
}

// StaysUp says whether the server serves until it is stopped.
func (d *Dialogue) StaysUp() bool { return d.Serves == 0 }

// Replies says whether the server sends anything.
func (d *Dialogue) Replies() bool { return len(d.reply) > 0 }

// Sends says whether the client sends anything.
func (d *Dialogue) Sends() bool { return len(d.message) > 0 }

// Names lists the built-in dialogues in alphabetical order.
func Names() []string { return dialogues.Names() }

// Load yields a built-in dialogue by its name, or reads one from a file where the name has a slash, a dot,
// or names a file. Its errors are one line and say what to do.
func Load(name string) (*Dialogue, error) {
	if data, known := dialogues.Read(name); known {
		return Parse(name, data)
	}
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, "./"+string(filepath.Separator)) {
		return nil, fmt.Errorf("dialogue %q: there is no such file and no built-in dialogue of that name; built in are %s",
			name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read dialogue: %w", err)
	}
	return Parse(name, data)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is longer than the %d bytes that a dialogue may have", path, maxFile)
	}
	return data, err
}

// MaxText is the longest text in bytes that a message can carry, and whether there is such a bound.
func (d *Dialogue) MaxText() (n int, bounded bool) {
	n, bounded = d.Framing.MaxText()
	if !bounded || d.message.uses("text") != 1 {
		return math.MaxInt32, false
	}
	return n - d.message.literal(), true
}

// Text is a text for one exchange: the dialogue's own where it has one, else one with a blank in it that
// ends with the token.
func (d *Dialogue) Text(token string) string {
	if d.FixedText != "" {
		return d.FixedText
	}
	return "hello there " + token
}
