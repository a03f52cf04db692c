package wire

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// insideEnv tells a test binary that it was started again by itself, inside a user namespace.
const insideEnv = "TCPWITNESS_WIRE_TEST_INSIDE"

// TestMain starts the binary again inside a user namespace where the rights of the present user do not
// suffice. WIRE_TEST_REQUIRE=1 makes a machine that allows no wire a failure instead of a skip.
func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" && os.Getuid() != 0 || os.Getenv("WIRE_TEST_USERNS") == "1" && os.Getenv(insideEnv) == "" {
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
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("WIRE_TEST_REQUIRE") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
