package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// modeVariable makes the test binary do one of the modes in the place of the tests.
const modeVariable = "SANDBOX_TEST_MODE"

// modes are programs for the tests to start.
var modes = map[string]func() (exit int){
	"enter":              modeEnter,
	"report":             modeReport,
	"count-interrupts":   modeCountInterrupts,
	"main-thread":        modeMainThread,
	"bounded-namespaces": modeBoundedNamespaces,
	"probe":              modeProbe,
	"probe-no-ptrace":    modeProbeWithoutPtrace,
}

func TestMain(m *testing.M) {
	name, given := os.LookupEnv(modeVariable)
	if !given {
		exit, reexecuted, err := EnterUserNamespace()
		if reexecuted {
			os.Exit(exit)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(m.Run())
	}
	mode, known := modes[name]
	if !known {
		fmt.Fprintln(os.Stderr, "no such mode:", name)
		os.Exit(2)
	}
	os.Exit(mode())
}

// child is the test binary in a mode, to be started, without the capabilities that the tests may have got
// by entering a user namespace.
type child struct{ *exec.Cmd }

func program(t *testing.T, mode string, environment ...string) *child {
	t.Helper()
	// What a failed test leaves running ends with the test's context.
	c := exec.CommandContext(t.Context(), "/proc/self/exe")
	c.Env = append(plainEnvironment(), append(environment, modeVariable+"="+mode)...)
	c.SysProcAttr = &syscall.SysProcAttr{}
	c.Dir = "/"
	c.Stderr = os.Stderr
	return &child{c}
}

func (c *child) Start() error {
	return onThread(func() error {
		if err := dropInheritable(); err != nil {
			return err
		}
		return c.Cmd.Start()
	})
}

func (c *child) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

func (c *child) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// plainEnvironment is the environment without the mark of being in a user namespace.
func plainEnvironment() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, marker+"=") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// unprivileged makes a program run as nobody where the tests run as root.
func unprivileged(t *testing.T, c *child) *child {
	t.Helper()
	if os.Geteuid() == 0 {
		if !hostRoot() {
			t.Skip("root of a user namespace only, which cannot become another user")
		}
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return c
}

// hostRoot says whether other users are known here.
func hostRoot() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(ids))
	return os.Geteuid() == 0 && err == nil && len(fields) == 3 && fields[2] == "4294967295"
}

// refused makes a program run as root of a user namespace of its own, which the machine does not grant
// the given kinds of namespaces ("net", "user").
func refused(c *child, kinds ...string) *child {
	c.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	c.Env = append(c.Env, "REFUSE="+strings.Join(kinds, " "))
	return c
}

// refuse does what refused asked for.
func refuse() {
	for kind := range strings.FieldsSeq(os.Getenv("REFUSE")) {
		limit := "/proc/sys/user/max_" + kind + "_namespaces"
		if err := os.WriteFile(limit, []byte("0"), 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
}

// modeEnter enters a user namespace, says so, and does what DO says.
func modeEnter() int {
	refuse()
	exit, reexecuted, err := EnterUserNamespace()
	if reexecuted {
		return exit
	}
	if err != nil {
		fmt.Println("refused:", err)
		return 9
	}
	do := os.Getenv("DO")
	var number int
	if _, err := fmt.Sscanf(do, "die %d", &number); err == nil {
		// By way of another program, as Go's runtime takes some signals otherwise.
		err := unix.Exec("/bin/sh", []string{"sh", "-c", fmt.Sprintf("kill -%d $$", number)}, nil)
		fmt.Println(err)
		return 1
	}
	switch do {
	case "exit 7":
		return 7
	case "wait":
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, unix.SIGTERM)
		fmt.Println("ready", os.Getpid())
		<-caught
		return 42
	default:
		fmt.Println("entered", do, os.Args)
		return 0
	}
}

// modeCountInterrupts counts the SIGINTs that come before a SIGTERM.
func modeCountInterrupts() int {
	exit, reexecuted, err := EnterUserNamespace()
	if reexecuted {
		return exit
	}
	if err != nil {
		fmt.Println(err)
		return 9
	}
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, unix.SIGINT, unix.SIGTERM)
	fmt.Println("ready", os.Getpid())
	interrupts := 0
	for s := range caught {
		if s == unix.SIGTERM {
			break
		}
		interrupts++
		fmt.Println("interrupted")
	}
	return 10 + interrupts
}

// modeReport tells who and where the process is, and a child in a sandbox.
func modeReport() int {
	exit, reexecuted, err := EnterUserNamespace()
	if reexecuted {
		return exit
	}
	if err != nil {
		fmt.Println(err)
		return 9
	}
	s, err := New(Namespace)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	net, _ := os.Readlink("/proc/self/ns/net")
	fmt.Println("self", net)
	err = s.Do(func() error {
		child := exec.Command("/bin/sh", "-c", `echo child $(readlink /proc/self/ns/net); echo uid $(id -u); cat /proc/self/status`)
		child.Stdout = os.Stdout
		return child.Run()
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// deadline bounds what would hang if the package were broken.
const deadline = time.Minute
