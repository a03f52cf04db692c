package stage

import (
	"time"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
)

// idleEnough is how long a program may do nothing at all, with none of its threads wanting a processor,
// before a scene stops waiting for it. It only counts where threads sleep in waits that a timer may end;
// a program in which every thread sleeps until somebody else acts is known at once to do nothing more.
const idleEnough = 10 * time.Second

const (
	firstPause = 200 * time.Microsecond
	lastPause  = 50 * time.Millisecond
)

// awaits waits until something is done, or the program can do nothing more by itself. It says whether it
// is done. number is that of the harness's own call which is to return, 0 where it waits for something else.
func (a *act) awaits(done <-chan struct{}, number int) bool {
	return a.until(func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}, done, number)
}

// until waits until a condition holds, or the program can do nothing more by itself. wake, where not nil,
// tells when to look again at once.
func (a *act) until(holds func() bool, wake <-chan struct{}, number int) bool {
	watch := watcher{act: a, since: time.Now()}
	pause := firstPause
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-wake:
			wake = nil // it stays closed
		case <-again.C:
			again.Reset(pause)
			pause = min(pause*3/2, lastPause)
		case <-a.limit.Done():
			a.over = true
			return holds()
		}
		if holds() {
			return true
		}
		if a.over || watch.stalled() {
			if a.inVain(holds, number, &watch) {
				a.over = true
				return false
			}
			if holds() {
				return true
			}
		}
	}
}

// inVain makes sure that nothing is under way that could still make the condition hold.
func (a *act) inVain(holds func() bool, number int, watch *watcher) bool {
	a.Settle()
	if holds() || !a.over && !watch.stalled() {
		return false
	}
	if number > 0 && a.log.AwaitBlocked(a.limit, number) != nil {
		return false // it has returned, or is about to
	}
	return !holds()
}

// watcher watches a program while something is waited for.
type watcher struct {
	act   *act
	last  census
	since time.Time // of the last sign of life
	asks  int
	calls int
}

// stalled says whether the program can do nothing more by itself: it has ended, every thread sleeps until
// somebody else acts, it spins, or it has been idle for long.
func (w *watcher) stalled() bool {
	process := w.act.current()
	if ended(process) {
		return true
	}
	pids := w.act.pids(process)
	now := take(pids)
	before := w.last
	w.last = now
	if now.threads == 0 {
		return false
	}
	if now.asleep && now.forGood && now.same(before) && !w.act.receivesWithLimit(process) {
		return true
	}
	if !now.asleep {
		w.since = time.Now()
	}
	w.asks++
	if w.asks%16 == 0 {
		calls := process.Calls()
		if len(calls) != w.calls {
			w.calls, w.since = len(calls), time.Now()
		}
		if _, n := evidence.Spin(calls); n > 0 {
			return true
		}
	}
	return time.Since(w.since) > idleEnough
}

func ended(process *program.Process) bool {
	select {
	case <-process.Done():
		return true
	default:
		return false
	}
}

// pids are the program's processes that are there now.
func (a *act) pids(process *program.Process) []int {
	alive := map[int]bool{process.PID(): true}
	for _, c := range process.Calls() {
		switch c.Op {
		case evidence.OpFork:
			alive[c.Child] = true
		case evidence.OpExit:
			delete(alive, c.PID)
		}
	}
	pids := make([]int, 0, len(alive))
	for pid := range alive {
		if pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// receivesWithLimit says whether a blocking call of the program may be ended by a time limit that does not
// show in its arguments: SO_RCVTIMEO and SO_SNDTIMEO. Without a trace that is not known.
func (a *act) receivesWithLimit(process *program.Process) bool {
	if traced, _ := process.Traced(); !traced {
		return true
	}
	for _, c := range process.Calls() {
		if c.Op == evidence.OpSetOption && c.Level == solSocket {
			switch c.Option {
			case soRcvTimeO, soSndTimeO, soRcvTimeONew, soSndTimeONew:
				return true
			}
		}
	}
	return false
}

// Options of Linux (asm-generic/socket.h).
const (
	solSocket     = 1
	soRcvTimeO    = 20
	soSndTimeO    = 21
	soRcvTimeONew = 66
	soSndTimeONew = 67
)

// rests waits until no thread of the program runs, or the program can do nothing more.
func (a *act) rests() bool {
	var before census
	return a.until(func() bool {
		if ended(a.current()) {
			return true
		}
		now := take(a.pids(a.current()))
		same := now.threads > 0 && now.same(before)
		before = now
		return same
	}, a.current().Done(), 0)
}
