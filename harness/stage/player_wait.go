package stage

import (
	"slices"
	"time"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/program"
)

// idleEnough is how long a program may get nothing done, asleep nearly all the time, before a scene stops
// waiting for it. It only counts where threads sleep in waits that a timer may end; a program in which every
// thread sleeps until somebody else acts is known at once to do nothing more.
const (
	idleEnough = 10 * time.Second
	// looksEnough is how often it must have been looked at meanwhile: on a stalled machine time passes for
	// the program as little as for the harness.
	looksEnough = 100
	// longestNap is how long a sleep of the program's own may take for the scene to wait for its end.
	longestNap = 5 * time.Minute
)

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
			return holds() || a.timeIsUp()
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

// timeIsUp notes that a scene ends because all its time is up, where the program could do more.
func (a *act) timeIsUp() bool {
	if !a.over {
		a.over = true
		a.mark(evidence.MarkTimeUp)
	}
	return false
}

// inVain makes sure that nothing is under way that could still make the condition hold.
func (a *act) inVain(holds func() bool, number int, watch *watcher) bool {
	a.Settle()
	if holds() || !a.over && !watch.stalled() {
		return false
	}
	if !a.over && watch.spinning && !watch.looked() {
		return false
	}
	if a.current().EndIfOverfull() {
		return false // its end is about to come
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
	since time.Time     // of the last deed
	deeds int           // by then
	looks int           // at the program since then
	awake int           // looks at which one of its threads ran or wanted to
	nap   time.Duration // the longest sleep of a thread that was seen since then

	calls    int  // seen by the last look
	row      int  // of the latest of them, those that achieved nothing
	spinning bool // the row is long
	settled  int  // calls that had been seen when the loopback was last settled for a spinning program
}

// looked says, of a program that spins and after the loopback has settled, whether it has found nothing to do
// since an earlier settling: what was on its way then had arrived, and the program looked for it in vain. One
// that does not get a processor spins by its record and has not looked yet.
func (w *watcher) looked() bool {
	since := w.calls - w.settled
	if w.settled > 0 && min(w.row, since) >= evidence.SpinCalls {
		return true
	}
	if w.settled == 0 || w.row < since { // it did something meanwhile
		w.settled = w.calls
	}
	return false
}

// stalled says whether the program can do nothing more by itself: it has ended, every thread sleeps until
// somebody else acts, it spins, or it has been idle for long.
func (w *watcher) stalled() bool {
	process := w.act.current()
	if ended(process) {
		return true
	}
	seen := survey(process)
	// Asked before the threads are counted: had what is pending woken one of them meanwhile, that would show.
	pending := process.Pending() && !seen.splicing
	now := take(seen.pids)
	if pending {
		now.asleep, now.forGood, now.held = false, false, false
	}
	before := w.last
	w.last = now
	w.spinning = false
	if now.threads == 0 { // the first process has ended, and without a trace the others are not known
		return w.idle(seen, !pending)
	}
	if now.asleep && now.forGood && now.same(before) && !seen.limited {
		return true
	}
	w.calls, w.row = seen.calls, evidence.IdleRow(seen.latest())
	w.spinning = w.row >= evidence.SpinCalls
	return w.spinning || w.idle(seen, now.asleep || now.stands(before))
}

// idle says whether the program has been without a deed for long, and awake for a quarter of it at most. A
// loop that looks again and again whether there is something to do gets nothing done. One that is in a sleep of
// its own for longer than that may do something when it wakes.
func (w *watcher) idle(seen *surveyed, asleep bool) bool {
	if seen.deeds != w.deeds {
		w.deeds, w.since, w.looks, w.awake, w.nap = seen.deeds, time.Now(), 0, 0, 0
	}
	w.looks++
	if !asleep {
		w.awake++
	}
	idle := time.Since(w.since)
	if idle <= idleEnough || w.looks < looksEnough || 4*w.awake > w.looks {
		return false
	}
	w.nap = max(w.nap, longestSleep(seen.pids))
	return w.nap == 0 || idle > 2*idleEnough+w.nap
}

func ended(process *program.Process) bool {
	select {
	case <-process.Done():
		return true
	default:
		return false
	}
}

// surveyed is what the record of a program's calls says of it now.
type surveyed struct {
	pids  []int // processes that are there
	calls int
	deeds int // calls that came back with more than "not yet"
	// limited says that a blocking call may be ended by a time limit that does not show in its arguments:
	// SO_RCVTIMEO or SO_SNDTIMEO. Without a trace that is not known, and so taken for granted.
	limited bool
	// splicing says that a splice from a socket has not returned. It has the pipe to itself as long as it waits,
	// and what it put there before cannot be read.
	splicing bool
	recent   [4 * evidence.SpinCalls]evidence.Call
}

// latest are the last calls, in the order of entry.
func (s *surveyed) latest() []evidence.Call {
	if s.calls <= len(s.recent) {
		return s.recent[:s.calls]
	}
	at := s.calls % len(s.recent)
	return append(slices.Clone(s.recent[at:]), s.recent[:at]...)
}

// deed says whether a call got something done: it came back, and not because its time was up.
func deed(c *evidence.Call) bool {
	switch {
	case !c.Returned(), c.Op == evidence.OpWait && c.Result <= 0:
		return false
	}
	switch c.Errno {
	case "EAGAIN", "EINTR", "ETIMEDOUT":
		return false
	}
	return true
}

func survey(process *program.Process) *surveyed {
	traced, _ := process.Traced()
	s := &surveyed{limited: !traced}
	alive := map[int]bool{process.PID(): true}
	process.Look(func(c *evidence.Call) {
		s.recent[s.calls%len(s.recent)] = *c
		s.calls++
		if deed(c) {
			s.deeds++
		}
		if c.Name == "splice" && c.Op == evidence.OpRecv && !c.Returned() {
			s.splicing = true
		}
		switch c.Op {
		case evidence.OpFork:
			alive[c.Child] = true
		case evidence.OpExit:
			delete(alive, c.PID)
		case evidence.OpSetOption:
			if c.Level == solSocket {
				switch c.Option {
				case soRcvTimeO, soSndTimeO, soRcvTimeONew, soSndTimeONew:
					s.limited = true
				}
			}
		}
	})
	for pid := range alive {
		if pid > 0 {
			s.pids = append(s.pids, pid)
		}
	}
	return s
}

// Options of Linux (asm-generic/socket.h).
const (
	solSocket     = 1
	soRcvTimeO    = 20
	soSndTimeO    = 21
	soRcvTimeONew = 66
	soSndTimeONew = 67
)

// rests waits until the program rests: no thread of it runs, but for some that a timer wakes and that make no
// call, or all that it does is to sleep and look whether there is something to do.
func (a *act) rests() bool {
	watch := watcher{act: a, since: time.Now()}
	calls := -1
	return a.until(func() bool {
		process := a.current()
		if ended(process) {
			return true
		}
		pending := process.Pending()
		seen := survey(process)
		pending = pending && !seen.splicing
		now := take(seen.pids)
		traced, _ := process.Traced()
		quiet := now.threads > 0 && !pending &&
			(now.same(watch.last) || traced && now.asleep && watch.last.asleep && seen.calls == calls)
		watch.last, calls = now, seen.calls
		return quiet || seen.naps() || watch.idle(seen, now.asleep && !pending)
	}, a.current().Done(), 0)
}

// napCalls is the number of calls in a row that found nothing to do from which a program naps, if it slept
// before some of them.
const napCalls = 16

// naps says whether all that the program did lately was to look for something to do and to sleep.
func (s *surveyed) naps() bool {
	latest := s.latest()
	if len(latest) < napCalls {
		return false
	}
	latest = latest[len(latest)-napCalls:]
	slept := func(c evidence.Call) bool { return c.Slept }
	return !slices.ContainsFunc(latest, func(c evidence.Call) bool { return deed(&c) }) && slices.ContainsFunc(latest, slept)
}
