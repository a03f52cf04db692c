//go:build !linux

package program

// Pending is never true where programs do not run.
func (p *Process) Pending() bool { return false }
