package sandbox

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a plan with an attachment that counts how many there are.
func counted(isolation Isolation, alive *atomic.Int64) Plan[int64] {
	return Plan[int64]{
		Isolation: isolation,
		Depth:     4,
		Attach:    func(*Sandbox) (int64, error) { return alive.Add(1), nil },
		Detach:    func(int64) { alive.Add(-1) },
	}
}

func TestPoolYieldsFreshSandboxes(t *testing.T) {
	for _, isolation := range isolations(t) {
		t.Run(string(isolation), func(t *testing.T) {
			var alive atomic.Int64
			pool := NewPool(counted(isolation, &alive))
			defer pool.Close()
			var (
				mu   sync.Mutex
				seen = map[*Sandbox]bool{}
				all  sync.WaitGroup
			)
			for range 8 {
				all.Go(func() {
					for range 5 {
						s, attachment, err := pool.Take(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if seen[s] || attachment == 0 {
							t.Errorf("%v was yielded before, or has no attachment: %d", s, attachment)
						}
						seen[s] = true
						mu.Unlock()
						if err := s.Do(func() error { return nil }); err != nil {
							t.Error(err)
						}
						alive.Add(-1)
						s.Close()
					}
				})
			}
			all.Wait()
		})
	}
}

func TestPoolLeavesNothingBehind(t *testing.T) {
	for _, isolation := range isolations(t) {
		t.Run(string(isolation), func(t *testing.T) {
			descriptors, goroutines := openDescriptors(t), runtime.NumGoroutine()
			var alive atomic.Int64
			for range 5 {
				pool := NewPool(counted(isolation, &alive))
				s, _, err := pool.Take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				alive.Add(-1)
				pool.Close()
				pool.Close()
				s.Close()
				if _, _, err := pool.Take(t.Context()); !errors.Is(err, ErrClosed) {
					t.Errorf("Take after Close: %v", err)
				}
			}
			if n := alive.Load(); n != 0 {
				t.Errorf("%d attachments are left", n)
			}
			if now := openDescriptors(t); now != descriptors {
				t.Errorf("open before: %s\nafter: %s", descriptors, now)
			}
			// A goroutine that has called Done needs a moment more to be gone.
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			for runtime.NumGoroutine() > goroutines {
				if ctx.Err() != nil {
					t.Fatalf("%d goroutines before, %d after", goroutines, runtime.NumGoroutine())
				}
				runtime.Gosched()
			}
		})
	}
}

// openDescriptors lists what the process has open, in order.
func openDescriptors(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, entry := range entries {
		// The one by which the folder is read is gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open = append(open, entry.Name()+" "+target)
		}
	}
	return strings.Join(open, ", ")
}

func TestPoolPassesOnFailures(t *testing.T) {
	oops := errors.New("oops")
	before := openDescriptors(t)
	pool := NewPool(Plan[int]{
		Isolation: Shared,
		Attach:    func(*Sandbox) (int, error) { return 0, oops },
		Detach:    func(int) { t.Error("detached what was not attached") },
	})
	for range 3 {
		if s, _, err := pool.Take(t.Context()); !errors.Is(err, oops) || s != nil {
			t.Errorf("Take gives %v, %v", s, err)
		}
	}
	pool.Close()
	if after := openDescriptors(t); after != before {
		t.Errorf("open before: %s\nafter: %s", before, after)
	}

	wrong := NewPool(Plan[int]{Isolation: Auto})
	defer wrong.Close()
	if s, _, err := wrong.Take(t.Context()); err == nil {
		t.Errorf("Take gives %v of no isolation", s)
	}
}

func TestTakeEndsWithTheContext(t *testing.T) {
	release := make(chan struct{})
	pool := NewPool(Plan[int]{
		Isolation: Shared,
		Attach:    func(*Sandbox) (int, error) { <-release; return 0, nil },
	})
	defer pool.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, _, err := pool.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Take gives %v, %v", s, err)
	}
}

func TestPoolWithoutAttachment(t *testing.T) {
	pool := NewPool(Plan[struct{}]{Isolation: Shared})
	defer pool.Close()
	s, _, err := pool.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
