package suites

import (
	"strings"
	"testing"
	"time"
)

func TestDoubleFrom(t *testing.T) {
	ms := func(list ...int) (waits []time.Duration) {
		for _, n := range list {
			waits = append(waits, time.Duration(n)*time.Millisecond)
		}
		return waits
	}
	for name, c := range map[string]struct {
		waits []time.Duration
		short string // what is said of them
	}{
		"doubling":                  {ms(50, 100, 200, 400), ""},
		"the first one late":        {ms(900, 100, 200, 400), ""},
		"all late":                  {ms(90, 101, 777, 401), ""},
		"a tick that had begun":     {ms(40, 90, 190, 390), ""},
		"always the same":           {ms(50, 50, 50, 50), "wait 2 should last 100ms at least, and it lasted 50ms"},
		"a step too few":            {ms(50, 100, 100, 200), "wait 3 should last 200ms at least, and it lasted 100ms"},
		"each longer, not doubling": {ms(50, 90, 100, 110), "wait 3 should last 200ms"},
		"too soon":                  {ms(5), "wait 1 should last 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			m := DoubleFrom(50 * time.Millisecond)
			ok, err := m.Match(c.waits)
			if err != nil || ok != (c.short == "") {
				t.Fatal(ok, err)
			}
			if ok {
				return
			}
			if said := m.FailureMessage(c.waits); !strings.Contains(said, c.short) {
				t.Error(said)
			}
		})
	}
}
