package evidence

// Spin looks for a thread that makes call after call without achieving anything and without sleeping: a
// recv that returns 0 again and again, an accept that fails again and again, a poll that returns at once
// each time. It yields the call at which the first such row of at least [SpinCalls] begins, and how long the
// row is; 0 where there is none. Nothing of it depends on time.
func Spin(calls []Call) (first Call, length int) {
	rows := map[int]row{}
	for i := range calls {
		c := &calls[i]
		thread := c.TID
		if thread == 0 {
			thread = c.PID
		}
		r := rows[thread]
		if c.Slept {
			r = row{}
		}
		switch c.turn() {
		case idle:
			if r.length == 0 {
				r.first = i
			}
			r.length++
			if r.length > length && r.length >= SpinCalls && (length == 0 || first.N == calls[r.first].N) {
				first, length = calls[r.first], r.length
			}
		case progress:
			r = row{}
		}
		rows[thread] = r
	}
	return first, length
}

// IdleRow is the number of calls at the end of a record that achieved nothing, whichever thread made them: it
// ends before the latest call that did something, slept, or is in the kernel still.
func IdleRow(calls []Call) (length int) {
	for i := len(calls) - 1; i >= 0; i-- {
		switch calls[i].turn() {
		case progress:
			return length
		case idle:
			length++
		}
		if calls[i].Slept {
			return length
		}
	}
	return length
}

// row is a row of idle calls of one thread.
type row struct{ first, length int }

// turn is what a call did for its program.
type turn int

const (
	neutral  turn = iota // neither
	idle                 // came back at once with nothing
	progress             // did something, or slept
)

func (c *Call) turn() turn {
	switch {
	case !c.Returned() || c.Blocked:
		return progress
	case c.Errno == "EINTR" || c.Errno == "EINPROGRESS":
		return neutral
	case c.Op == OpGetOption || c.Op == OpGetSockName || c.Op == OpGetPeerName || c.Op == OpFcntl || c.Op == OpSetOption:
		return neutral
	case c.Errno != "":
		return idle
	case c.Op == OpRecv && c.Result == 0 && c.Length > 0:
		return idle
	case c.Op == OpWait && (c.Result > 0 || c.Arg == 0):
		return idle
	}
	return progress
}
