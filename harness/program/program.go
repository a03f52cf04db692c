// Package program starts, feeds, bounds and ends a program under test, written in any language.
//
// A [Program] is a command line as a user gives it. Each start is a [Process]: it runs in a temporary folder
// of its own with a small clean environment, no descriptors but 0, 1 and 2 and at most the user's rights;
// where the kernel has Landlock it can write nowhere else but among temporary files, which are its own where it
// can have a mount namespace (see [Confinement]). Its output is kept up to a bound, its use of the machine is
// limited, and one deadline ends it. What ends is the whole tree of processes, whatever they did to get away.
// What became of it is an [evidence.Outcome].
//
// A program that does wrong is never an error here: errors are failures of the harness.
package program

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tcpwitness/harness/evidence"
)

// Program is a command line.
type Program struct {
	// Path is the executable, absolute after [Resolve].
	Path string
	// Args are what follows on the command line. {ip} and {port} stand for the address of the server, {dir}
	// for Dir.
	Args []string
	// Env are entries "NAME=value" that are added to the clean environment or replace some of it.
	Env []string
	// Dir is the folder where the user started the harness. The program does not run there.
	Dir string
}

// Command is the command line for a server address: the path, then the arguments filled in.
func (p Program) Command(ip netip.Addr, port uint16) []string {
	fill := strings.NewReplacer("{ip}", ip.String(), "{port}", strconv.Itoa(int(port)), "{dir}", p.Dir)
	command := []string{p.Path}
	for _, a := range p.Args {
		command = append(command, fill.Replace(a))
	}
	return command
}

// Bare is the program without any argument.
func (p Program) Bare() Program {
	p.Args = nil
	return p
}

// With is the program with more entries in its environment.
func (p Program) With(env ...string) Program {
	p.Env = append(slices.Clone(p.Env), env...)
	return p
}

// Start says how a program is to be started.
type Start struct {
	// End is whose part it plays: evidence.Client or evidence.Server.
	End string
	// IP and Port are the server's address, for the templates in the arguments.
	IP   netip.Addr
	Port uint16
	// Enter moves the calling thread into the scenario's network namespace. It is called on a thread of its
	// own that ends with the program. nil: the program runs where the harness runs.
	Enter func() error
	// Trace says that the program's socket calls are to be recorded.
	Trace bool
	// Alter may change a traced call; see calltrace.Command.
	Alter func(c *evidence.Call, to func() evidence.Address) int
	// Pace, where set, is called before a traced thread goes on, to slow the tracer down.
	Pace func()
	// Limits bound what the program may use; its zero value means the defaults.
	Limits Limits
	// Env are more entries of the environment, as in Program.
	Env []string
}

// Limits bound a program. In each field 0 means the default and a negative value no limit. The defaults are
// far from what a right program in any language needs.
type Limits struct {
	CPU       time.Duration // processor time of each process; default 60 s
	Memory    int64         // bytes of private writable memory of each process; default 4 GiB or an eighth of the machine's memory, whichever is more
	Processes int           // processes and threads at one time; default 1024
	Files     int           // open descriptors of each process; default 4096
	FileSize  int64         // bytes in any one file; default 4 GiB
	Folder    int64         // bytes in the working folder; default 1 GiB
	Calls     int           // calls recorded of all processes; default 200,000
	Kept      int64         // bytes kept of each output stream, the first ones; default 1 MiB
	Output    int64         // bytes printed to each output stream before the program is ended; default 64 MiB
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// withDefaults fills in the defaults; what is negative stays so.
func (l Limits) withDefaults() Limits {
	if l.CPU == 0 {
		l.CPU = 60 * time.Second
	}
	if l.Memory == 0 {
		// Java makes its first heap a 64th of the machine's memory, and more beside it.
		l.Memory = max(4*gib, machineMemory()/8)
	}
	if l.Processes == 0 {
		l.Processes = 1024
	}
	if l.Files == 0 {
		l.Files = 4096
	}
	if l.FileSize == 0 {
		// .NET makes a file in memory of 2 GiB when it starts.
		l.FileSize = 4 * gib
	}
	if l.Folder == 0 {
		l.Folder = gib
	}
	if l.Kept == 0 {
		l.Kept = mib
	}
	if l.Output == 0 {
		l.Output = 64 * mib
	}
	return l
}
