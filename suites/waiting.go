package suites

import (
	"fmt"
	"time"

	"github.com/onsi/gomega/types"
)

// grain is how much before its time a timer can seem to run out: it counts ticks of at most 10 ms, of which
// the first has begun when it is set, and the clock by which it is seen counts milliseconds.
const grain = 11 * time.Millisecond

// DoubleFrom holds of waits of which each lasted at least as long as a timeout that doubles from one to the
// next (RFC 6298 §5.5). That one lasted longer says nothing: a timer may come late.
func DoubleFrom(first time.Duration) types.GomegaMatcher { return doubling{first} }

type doubling struct{ first time.Duration }

// short finds the first wait that is too short, and how long it should have been.
func (m doubling) short(waits []time.Duration) (at int, least time.Duration, found bool) {
	least = m.first
	for i, wait := range waits {
		if wait < least-grain {
			return i, least, true
		}
		least *= 2
	}
	return 0, 0, false
}

func (m doubling) Match(actual any) (bool, error) {
	waits, ok := actual.([]time.Duration)
	if !ok {
		return false, fmt.Errorf("waits are needed, not %T", actual)
	}
	_, _, found := m.short(waits)
	return !found, nil
}

func (m doubling) FailureMessage(actual any) string {
	waits := actual.([]time.Duration)
	at, least, _ := m.short(waits)
	return fmt.Sprintf("the timeout should double each time that it runs out: from %v on, wait %d should last %v at least, and it lasted %v; the waits are %v",
		m.first, at+1, least, waits[at], waits)
}

func (m doubling) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("the waits should not double from %v on: they are %v", m.first, actual)
}
