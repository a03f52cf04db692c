package stage

import "time"

// await asks again and again, ever less often, until the condition holds or the deadline comes. It is for
// states of the kernel that it tells nobody of.
func (s *Stage) await(holds func() bool) error {
	pause := 100 * time.Microsecond
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if holds() {
				return nil
			}
			again.Reset(pause)
			pause = min(2*pause, 10*time.Millisecond)
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}
