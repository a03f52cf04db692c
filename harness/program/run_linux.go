//go:build (amd64 || arm64) && !calltrace

package program

import "context"

// run starts the program and yields what keeps it. Failures of the program to start are told to proc.
func (l *launch) run(ctx context.Context, proc *Process) (runner, error) {
	proc.whyNotTraced = "the tracer is not joined yet"
	return l.keep(ctx, proc)
}
