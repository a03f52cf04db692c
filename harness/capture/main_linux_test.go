package capture

import (
	"context"
	"os"
	"testing"
	"time"

	"tcpwitness/harness/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.EnterOrExit()
	os.Exit(m.Run())
}

// each runs a test under each isolation that is possible here.
func each(t *testing.T, test func(t *testing.T, sb *sandbox.Sandbox)) {
	for _, wish := range []sandbox.Isolation{sandbox.Namespace, sandbox.Shared} {
		t.Run(string(wish), func(t *testing.T) {
			test(t, fresh(t, wish))
		})
	}
}

// fresh yields a sandbox in which a capture is possible.
func fresh(t *testing.T, isolation sandbox.Isolation) *sandbox.Sandbox {
	t.Helper()
	ability, err := sandbox.Probe(isolation)
	if err != nil {
		t.Skip(err)
	}
	if !ability.Capture {
		t.Skip(ability.WhyNotCapture)
	}
	sb, err := sandbox.New(isolation)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	return sb
}

// opened yields a running capture.
func opened(t *testing.T, sb *sandbox.Sandbox, options Options) *Capture {
	t.Helper()
	c, err := Open(sb, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-c.Released()
	})
	return c
}

// patience is a context that ends only where the package is broken.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
