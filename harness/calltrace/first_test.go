//go:build linux

package calltrace

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tr, err := Start(ctx, Command{End: "server", Path: os.Getenv("PROG"), Args: append([]string{os.Getenv("PROG")}, os.Getenv("ARG")), Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	e, err := tr.Wait(ctx)
	t.Logf("%+v %v", e, err)
	for _, c := range tr.Calls() {
		t.Log(c.N, c.PID, c.TID, c.Op, c, c.Socket, c.NewSocket, c.Before, c.After, c.Watched)
	}
}
