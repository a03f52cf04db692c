package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"time"

	"tcpwitness/harness/calltrace"
)

func main() {
	if f := os.Getenv("PROF"); f != "" {
		o, _ := os.Create(f)
		pprof.StartCPUProfile(o)
		defer pprof.StopCPUProfile()
	}
	s := time.Now()
	tr, err := calltrace.Start(context.Background(), calltrace.Command{End: "server", Path: os.Args[1], Args: os.Args[1:], Stdout: os.Stdout})
	if err != nil {
		panic(err)
	}
	st := time.Since(s)
	e, err := tr.Wait(context.Background())
	fmt.Fprintln(os.Stderr, st, time.Since(s), len(tr.Calls()), e, err)
}
