package wire

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// insideEnv tells a test binary that it was started again by itself, inside a user namespace.
const insideEnv = "TCPWITNESS_WIRE_TEST_INSIDE"

var (
	// required says that nothing may be skipped because something is missing on this machine.
	required = flag.Bool("require", false, "fail where the machine allows no wire, or tshark is missing")
	// unprivileged plays a user without rights, for root.
	unprivileged = flag.Bool("unprivileged", false, "use a user namespace even where the rights of the user suffice")
)

// TestMain starts the binary again inside a user namespace where the rights of the present user do not
// suffice.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(insideEnv) == "" && (os.Getuid() != 0 || *unprivileged) {
		os.Exit(again())
	}
	os.Exit(m.Run())
}

func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = insideUserNamespace()
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "start again in a user namespace:", err)
		return 1
	}
	return 0
}

// skipUnsupported skips a test where the machine allows no wire.
func skipUnsupported(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errors.ErrUnsupported) && !*required {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
