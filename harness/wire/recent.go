package wire

import (
	"fmt"
	"strings"
	"sync"
)

// recent remembers the last packets in words, for messages.
type recent struct {
	mu    sync.Mutex
	last  [recentMax]Packet
	total int
}

const recentMax = 16

func (r *recent) add(p *Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.total%recentMax] = *p
	r.total++
}

// String lists what was seen, the last one last.
func (r *recent) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == 0 {
		return "no packet was seen"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d packets were seen", r.total)
	first := max(0, r.total-recentMax)
	if first > 0 {
		fmt.Fprintf(&b, ", the last %d of them", recentMax)
	}
	for i := first; i < r.total; i++ {
		b.WriteString("\n  " + r.last[i%recentMax].String())
	}
	return b.String()
}
