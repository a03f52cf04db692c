package suites

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tcpwitness/harness/report"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
)

// Settings are what the flags behind `--` say.
type Settings struct {
	Server, Client         string // paths of programs under test; empty: the reference
	ServerArgs, ClientArgs string // templates
	Dialogue               string // a name or a file
	Port                   int    // fixed port, 0 for none
	Level                  level
	Out                    string
	Evidence               evidenceMode
	Isolation              sandbox.Isolation
	Require                requirements
	Language               string // en or zh, empty for what the environment says
	Started                string // the folder where the run was started

	changed []string // the flags that were given, for the command that runs a rule again
}

// RegisterFlags adds the flags to a set.
func (s *Settings) RegisterFlags(flags *flag.FlagSet) {
	*s = Settings{
		ServerArgs: "{ip} {port}", ClientArgs: "{ip} {port}", Dialogue: "reference",
		Level: level(rules.Must), Evidence: "always", Isolation: sandbox.Auto,
	}
	flags.StringVar(&s.Server, "server", "", "`path` of a server to judge; without it the reference server is judged")
	flags.StringVar(&s.Client, "client", "", "`path` of a client to judge; without it the reference client is judged")
	flags.StringVar(&s.ServerArgs, "server-args", s.ServerArgs, "the server's arguments, a `template`")
	flags.StringVar(&s.ClientArgs, "client-args", s.ClientArgs, "the client's arguments, a `template`")
	flags.StringVar(&s.Dialogue, "dialogue", s.Dialogue, "what the two ends say to each other: a `name or file`")
	flags.IntVar(&s.Port, "port", 0, "the `port` of programs that have it built in")
	flags.Var(&s.Level, "level", "which failures fail the run: must, should or platform")
	flags.StringVar(&s.Out, "out", "", "`folder` for the evidence (default pcaps/runs/TIME)")
	flags.Var(&s.Evidence, "evidence", "what to keep: always, failure or off")
	flags.Var(&s.Isolation, "isolation", "where scenarios run: auto, namespace or shared")
	flags.Func("lang", "language of reports: en or zh (default: what the environment says)", func(word string) error {
		return oneOf(&s.Language, word, "en", "zh")
	})
	flags.Var(&s.Require, "require", "what must not be missing: a `list` of capture, trace, namespace")
}

// Note remembers which of the flags of this package were given.
func (s *Settings) Note(flags *flag.FlagSet) {
	again := []string{"server", "client", "server-args", "client-args", "dialogue", "port", "level", "isolation", "lang"}
	flags.Visit(func(f *flag.Flag) {
		if slices.Contains(again, f.Name) {
			s.changed = append(s.changed, "-"+f.Name+"="+quoted(f.Value.String()))
		}
	})
}

// given are the flags that were given, as the user typed them.
func (s *Settings) given() []string { return s.changed }

func quoted(word string) string {
	if strings.ContainsAny(word, " \t\"'$&|;<>(){}*?") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func (s *Settings) language() report.Language {
	if s.Language != "" {
		return report.Language(s.Language)
	}
	return report.LanguageOf(os.Getenv)
}

// Complete makes the paths absolute, relative ones from the folder where the run was started, and finds
// mistakes in the flags themselves. The error is one line for the user.
func (s *Settings) Complete(started string) error {
	s.Started = started
	if s.Port < 0 || s.Port > 65535 {
		return fmt.Errorf("-port must be between 1 and 65535, not %d", s.Port)
	}
	if s.Out != "" {
		s.Out = absolute(started, s.Out)
	}
	if _, err := os.Stat(absolute(started, s.Dialogue)); err == nil {
		s.Dialogue = absolute(started, s.Dialogue)
	}
	return nil
}

func absolute(from, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(from, path)
}

// Folder makes the folder for the evidence and sees that it can be written to.
func Folder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("-out: cannot make the folder: %w", err)
	}
	probe, err := os.CreateTemp(path, ".probe-*")
	if err != nil {
		return fmt.Errorf("-out: cannot write to %s: %w", path, errors.Unwrap(err))
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// level is a flag.Value.
type level rules.Level

func (l *level) String() string { return string(*l) }

func (l *level) Set(word string) error {
	return oneOf((*string)(l), word, string(rules.Must), string(rules.Should), string(rules.Platform))
}

// evidenceMode is a flag.Value.
type evidenceMode string

func (m *evidenceMode) String() string { return string(*m) }

func (m *evidenceMode) Set(word string) error {
	return oneOf((*string)(m), word, "always", "failure", "off")
}

func oneOf(target *string, word string, words ...string) error {
	if !slices.Contains(words, word) {
		last := len(words) - 1
		return fmt.Errorf("must be %s or %s", strings.Join(words[:last], ", "), words[last])
	}
	*target = word
	return nil
}

// requirements is a flag.Value.
type requirements []string

func (r *requirements) String() string { return strings.Join(*r, ",") }

func (r *requirements) Set(list string) error {
	*r = nil
	for word := range strings.SplitSeq(list, ",") {
		var one string
		if err := oneOf(&one, strings.TrimSpace(word), "capture", "trace", "namespace"); err != nil {
			return fmt.Errorf("each word %w", err)
		}
		*r = append(*r, one)
	}
	return nil
}
