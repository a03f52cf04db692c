package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Pool has the next sandboxes ready, each with an attachment of type T such as a running capture.
type Pool[T any] struct {
	plan  Plan[T]
	ready chan prepared[T]
	quit  chan struct{}
	stop  sync.Once
	done  sync.WaitGroup
}

// Plan says what a Pool prepares.
type Plan[T any] struct {
	Isolation Isolation // Namespace or Shared
	// Depth is the number of sandboxes to have ready; at least 1. Their preparation overlaps: most of it is
	// waiting for the kernel.
	Depth int
	// Attach makes the attachment; nil for none. Where it fails, Take yields its error.
	Attach func(*Sandbox) (T, error)
	// Gate, where set, is locked while a sandbox is being prepared, so that whoever needs the process's
	// descriptors to stand still can keep the preparation waiting.
	Gate sync.Locker
	// Detach releases an attachment that was never taken; nil where nothing is to be released.
	Detach func(T)
}

type prepared[T any] struct {
	sandbox    *Sandbox
	attachment T
	err        error
}

// NewPool starts to prepare sandboxes in the background. It must be closed.
func NewPool[T any](plan Plan[T]) *Pool[T] {
	p := &Pool[T]{plan: plan, ready: make(chan prepared[T]), quit: make(chan struct{})}
	for range max(1, plan.Depth) {
		p.done.Go(p.work)
	}
	return p
}

// Take yields the next sandbox and its attachment, which the caller closes. It waits where none is ready.
// It fails with the context's error, with ErrClosed, and with the error of the preparation.
func (p *Pool[T]) Take(ctx context.Context) (*Sandbox, T, error) {
	var none T
	select {
	case <-p.quit: // said first, so that a closed pool never yields one
		return nil, none, fmt.Errorf("take a sandbox from the pool: %w", ErrClosed)
	default:
	}
	select {
	case next := <-p.ready:
		return next.sandbox, next.attachment, next.err
	case <-p.quit:
		return nil, none, fmt.Errorf("take a sandbox from the pool: %w", ErrClosed)
	case <-ctx.Done():
		return nil, none, fmt.Errorf("take a sandbox from the pool: %w", context.Cause(ctx))
	}
}

// Close releases what is prepared and not taken, and waits until that is done.
func (p *Pool[T]) Close() error {
	p.stop.Do(func() { close(p.quit) })
	p.done.Wait()
	return nil
}

// work prepares one sandbox after the other. A failure too is handed to a taker, so that a machine that
// refuses sandboxes is not asked for them in a loop.
func (p *Pool[T]) work() {
	for {
		select {
		case <-p.quit:
			return
		default:
		}
		if p.plan.Gate != nil {
			p.plan.Gate.Lock()
		}
		next := p.prepare()
		if p.plan.Gate != nil {
			p.plan.Gate.Unlock()
		}
		select {
		case p.ready <- next:
		case <-p.quit:
			p.discard(next)
			return
		}
	}
}

func (p *Pool[T]) prepare() (next prepared[T]) {
	if next.sandbox, next.err = New(p.plan.Isolation); next.err != nil {
		return next
	}
	if p.plan.Attach == nil {
		return next
	}
	if next.attachment, next.err = p.plan.Attach(next.sandbox); next.err != nil {
		next.err = errors.Join(fmt.Errorf("prepare %v: %w", next.sandbox, next.err), next.sandbox.Close())
		next.sandbox = nil
	}
	return next
}

func (p *Pool[T]) discard(unused prepared[T]) {
	if unused.err != nil {
		return
	}
	if p.plan.Attach != nil && p.plan.Detach != nil {
		p.plan.Detach(unused.attachment)
	}
	unused.sandbox.Close()
}
