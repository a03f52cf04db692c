package suites

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"tcpwitness/fixtures/reference"
	"tcpwitness/harness/sandbox"
)

func TestMain(m *testing.M) {
	reference.Main()
	sandbox.EnterOrExit()
	var settings Settings
	settings.RegisterFlags(flag.CommandLine)
	flag.CommandLine.Usage = func() { fmt.Fprintln(os.Stderr, "the flags behind -- stand in README.md") }
	flag.Parse()
	settings.Note(flag.CommandLine)
	if err := open(&settings); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// open finds the mistakes that can be found before any spec runs.
func open(settings *Settings) error {
	if err := settings.Complete(started()); err != nil {
		return err
	}
	ability, err := sandbox.Probe(settings.Isolation)
	if err != nil {
		return err
	}
	if err := Enter(*settings, ability); err != nil {
		return err
	}
	theHouse.Out = settings.Out
	if process, _ := GinkgoConfiguration(); process.ParallelProcess > 1 {
		return nil // the first process says where the evidence goes
	}
	if theHouse.Out == "" {
		theHouse.Out = Out(runs())
	}
	return Folder(theHouse.Out)
}

// started is the folder where the run was started: a test runs in its package's folder, but its parent, the
// command that runs it, does not.
func started() string {
	if folder, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", os.Getppid())); err == nil {
		return folder
	}
	folder, err := os.Getwd()
	if err != nil {
		return "."
	}
	return folder
}

// runs is the folder of all runs' evidence, beside this package's.
func runs() string {
	folder, err := filepath.Abs(filepath.Join("..", "pcaps", "runs"))
	if err != nil {
		return "runs"
	}
	return folder
}

func TestSuites(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "tcpwitness")
}
