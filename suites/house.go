package suites

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/reporters"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/dialogue"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
	"tcpwitness/harness/report"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/sandbox"
	"tcpwitness/harness/stage"
)

// House is what the specs of one process share: the theatre they play in, the settings, and the folder
// for the evidence.
type House struct {
	Settings Settings
	Ability  sandbox.Ability
	Out      string // folder of this run's evidence
	Dialogue *dialogue.Dialogue
	Programs map[string]program.Program // under test, by the end that they play

	theatre   *stage.Theatre
	companies map[string]*company // by chapter
}

// theHouse is nil in a binary that only links the specs.
var theHouse *House

// Enter makes the house that the specs of this process use. Its error is one line for the user.
func Enter(settings Settings, ability sandbox.Ability) error {
	spoken, err := dialogue.Load(settings.Dialogue)
	if err != nil {
		return fmt.Errorf("-dialogue: %w", err)
	}
	house := &House{Settings: settings, Ability: ability, Dialogue: spoken, Programs: map[string]program.Program{}}
	for _, given := range []struct{ flag, end, path, args string }{
		{"-server", evidence.Server, settings.Server, settings.ServerArgs},
		{"-client", evidence.Client, settings.Client, settings.ClientArgs},
	} {
		if given.path == "" {
			continue
		}
		resolved, err := program.ResolveIn(settings.Started, given.path, given.args)
		if err != nil {
			return fmt.Errorf("%s: %w", given.flag, err)
		}
		house.Programs[given.end] = resolved
	}
	theHouse = house
	return nil
}

// Out proposes a folder for a run's evidence under a folder of runs.
func Out(runs string) string {
	return filepath.Join(runs, fmt.Sprintf("%s-%d", time.Now().Format("20060102-150405"), os.Getpid()))
}

const resultEntry = "tcpwitness result"

var _ = SynchronizedBeforeSuite(func() []byte {
	fmt.Printf("%s, %s\n", theHouse.Ability, program.Probe())
	for _, need := range theHouse.Settings.Require {
		if why := theHouse.lacking(need); why != "" {
			fmt.Printf("required, and not to be had here: %s: %s\n", need, why)
		}
	}
	return []byte(theHouse.Out)
}, func(out []byte) {
	theHouse.Out = string(out)
	theHouse.theatre = stage.Open(theHouse.Ability)
	DeferCleanup(theHouse.theatre.Close)
})

// lacking says why something that can be required is not to be had, or is empty.
func (h *House) lacking(need string) string {
	switch need {
	case evidence.MissingCapture:
		return h.Ability.WhyNotCapture
	case evidence.MissingTrace:
		return h.Ability.WhyNotTrace
	}
	return h.Ability.WhyShared
}

// conclude keeps the evidence and ends the spec as the verdict and the level ask for.
func (h *House) conclude(finding rules.Finding, variant string, run *evidence.Run) {
	result := report.Result{Finding: finding, Variant: variant}
	if run != nil && h.keeps(finding.Verdict) {
		files, err := h.save(run)
		if err != nil {
			result.Verdict, result.Reason = rules.Error, err.Error()
		}
		result.Files = files
	}
	r, known := rules.Lookup(result.Rule)
	if known {
		h.note(result)
	} else {
		r.Level = rules.Must
	}
	h.end(r, result, run)
}

func (h *House) keeps(v rules.Verdict) bool {
	switch h.Settings.Evidence {
	case "off":
		return false
	case "failure":
		return v == rules.Fail || v == rules.Error
	}
	return true
}

// save writes a run and its packets, each with a comment that says what it is.
func (h *House) save(run *evidence.Run) (report.Files, error) {
	conversation.Analyse(run).Annotate(run)
	files, err := run.Save(h.Out)
	if err != nil {
		return report.Files{}, fmt.Errorf("keep the evidence: %w", err)
	}
	return report.Files{Run: files.JSON, Pcap: files.Pcapng}, nil
}

func (h *House) note(result report.Result) {
	encoded, err := json.Marshal(result)
	if err != nil {
		Fail("encode a result: " + err.Error())
	}
	AddReportEntry(resultEntry, string(encoded), ReportEntryVisibilityNever)
}

func (h *House) end(r rules.Rule, result report.Result, run *evidence.Run) {
	switch result.Verdict {
	case rules.Fail, rules.Error:
		if report.Binding(r.Level, rules.Level(h.Settings.Level)) || result.Verdict == rules.Error {
			Fail(h.explain(result, run))
		}
	case rules.Skip:
		if run != nil && h.required(run) {
			Fail("required, and yet it cannot be observed: " + result.Reason)
		}
		Skip(result.Reason)
	}
}

// explain is what a student reads.
func (h *House) explain(result report.Result, run *evidence.Run) string {
	failure := report.Failure{
		Result: result, Run: run, Output: h.shown(h.Out), Again: h.again(result.Rule),
		Style: report.Style{Language: h.Settings.language()},
	}
	fmt.Print(failure.Annotation(os.Getenv))
	return "\n" + failure.String()
}

// shown is a path as the user would type it.
func (h *House) shown(path string) string {
	if relative, err := filepath.Rel(h.Settings.Started, path); err == nil && !strings.HasPrefix(relative, "..") {
		return relative
	}
	return path
}

// again is the command line that runs one rule once more, with the flags that were given.
func (h *House) again(rule string) string {
	command := "go tool ginkgo --label-filter=" + rule + " ./suites"
	if flags := h.Settings.given(); len(flags) > 0 {
		command += " -- " + strings.Join(flags, " ")
	}
	return command
}

// required says whether the run lacks something that -require asks for.
func (h *House) required(run *evidence.Run) bool {
	return slices.ContainsFunc(run.Missing, func(m evidence.Missing) bool { return slices.Contains(h.Settings.Require, m.What) }) ||
		slices.ContainsFunc(h.Settings.Require, func(need string) bool { return h.lacking(need) != "" })
}

var _ = ReportAfterSuite("conformance", func(suite Report) {
	if theHouse == nil {
		return
	}
	if err := theHouse.publish(suite); err != nil {
		Fail(err.Error())
	}
})

// publish writes what the whole run found out, and prints the table. What can be written is written, also
// where something else cannot.
func (h *House) publish(suite Report) error {
	outcome := report.Outcome{
		Host:   stage.Host(h.Ability),
		Target: report.Target{Client: h.named(evidence.Client), Server: h.named(evidence.Server), Dialogue: h.Settings.Dialogue},
	}
	if len(suite.SpecialSuiteFailureReasons) > 0 {
		outcome.NotRun = "the run ended early: " + strings.ToLower(strings.Join(suite.SpecialSuiteFailureReasons, ", "))
	}
	for _, spec := range suite.SpecReports {
		for _, entry := range spec.ReportEntries {
			if entry.Name != resultEntry {
				continue
			}
			var result report.Result
			if err := json.Unmarshal([]byte(entry.StringRepresentation()), &result); err != nil {
				return fmt.Errorf("decode a result: %w", err)
			}
			outcome.Results = append(outcome.Results, result)
		}
	}
	for _, result := range outcome.Results {
		if r, ok := rules.Lookup(result.Rule); ok && !slices.Contains(outcome.Chapters, r.Chapter) {
			outcome.Chapters = append(outcome.Chapters, r.Chapter)
		}
	}
	if suite.SuiteConfig.DryRun {
		return nil
	}
	if len(outcome.Results) == 0 {
		fmt.Println("no rule was judged: no spec was selected, or the run ended before the first one")
	}
	conformance := outcome.Conformance()
	written := errors.Join(
		conformance.Write(h.Out),
		evidence.WriteFile(filepath.Join(h.Out, "junit.xml"), func(w io.Writer) error { return junit(suite, w) }),
	)
	table := report.Table{
		Conformance: conformance, Level: rules.Level(h.Settings.Level), Output: h.shown(h.Out),
		Style: report.Style{Language: h.Settings.language()},
	}
	if h.Settings.Evidence != "off" {
		page := report.Page{Outcome: outcome, Level: rules.Level(h.Settings.Level), Language: h.Settings.language()}
		if err := page.Write(h.Out); err != nil {
			written = errors.Join(written, err)
		} else {
			table.Page = h.shown(filepath.Join(h.Out, report.PageFile))
		}
	}
	h.point()
	fmt.Println()
	_, err := table.WriteTo(os.Stdout)
	return errors.Join(written, err)
}

// junit writes the report that CI systems read. Ginkgo writes it to a file only.
func junit(suite Report, w io.Writer) error {
	folder, err := os.MkdirTemp("", "tcpwitness-junit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "junit.xml")
	if err := reporters.GenerateJUnitReport(suite, file); err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// point makes runs/latest lead to this run, where it lies in a folder of runs. Without it nothing is lost.
func (h *House) point() {
	if h.Settings.Out != "" {
		return
	}
	latest := filepath.Join(filepath.Dir(h.Out), "latest")
	fresh := latest + "." + filepath.Base(h.Out)
	if os.Symlink(filepath.Base(h.Out), fresh) == nil && os.Rename(fresh, latest) != nil {
		os.Remove(fresh)
	}
}

// named is the path of the program that plays an end, or "reference".
func (h *House) named(end string) string {
	if given, ok := h.Programs[end]; ok {
		return given.Path
	}
	return "reference"
}
