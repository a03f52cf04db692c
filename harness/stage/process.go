package stage

import (
	"os"

	"tcpwitness/fixtures/reference"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
)

// ReferenceProgram is one of the reference programs as a command line: the running binary, which executes
// itself again (see reference.Main).
func ReferenceProgram(role string) program.Program {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return program.Program{
		Path: self,
		Args: []string{"{ip}", "{port}"},
		Env:  []string{reference.RoleVariable + "=" + role},
	}
}

// Process is a program that runs in the scenario's sandbox as one of its ends.
type Process struct {
	*program.Process
	stage *Stage
}

// Reference starts a reference program in the sandbox as one of the ends. It is ended with the scenario at
// the latest.
func (s *Stage) Reference(role, end string) *Process {
	address := s.ServerAddress()
	process, err := ReferenceProgram(role).Start(s.ctx, program.Start{
		End: end, IP: address.Addr(), Port: address.Port(), Enter: s.Sandbox.Enter,
	})
	if err != nil {
		s.fault("start the reference %s: %v", role, err)
	}
	for i := range s.run.Ends {
		if s.run.Ends[i].Name == end {
			s.run.Ends[i] = evidence.End{Name: end, Kind: "reference", Command: process.Command()}
		}
	}
	s.cleanup = append(s.cleanup, func() {
		s.run.Outcomes = append(s.run.Outcomes, *process.Stop(program.ReasonNotNeeded))
	})
	return &Process{process, s}
}

// ReferenceClient starts the reference client. It connects and then waits for a line on its standard input.
func (s *Stage) ReferenceClient() *Process { return s.Reference("client", evidence.Client) }

// Kill ends the process with SIGKILL, as the machine would under memory pressure.
func (p *Process) Kill() { p.Stop("killed") }

// Ended waits for the process to end by itself and yields what became of it.
func (p *Process) Ended() *evidence.Outcome {
	if err := p.AwaitExit(p.stage.ctx); err != nil {
		p.stage.timedOut("the %s process to end", p.stage.run.Scenario)
	}
	return p.Wait(p.stage.ctx)
}

// AwaitListener waits until somebody listens on the scenario's server address.
func (s *Stage) AwaitListener() {
	if err := s.await(func() bool {
		for _, c := range s.connections() {
			if c.state == stateListen {
				return true
			}
		}
		return false
	}); err != nil {
		s.timedOut("a listener on %s", s.ServerAddress())
	}
}
