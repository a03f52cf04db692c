package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sockets"
)

// actorVariable is the environment variable that makes the running binary an actor.
const actorVariable = "TCPWITNESS_LECTURE_ACTOR"

// exitOp asks an actor to end by itself.
const exitOp = evidence.OpExit

// beActor makes the process one of the two programs of a scene, where the environment asks for that: it says
// that it is ready, reads on its standard input which calls to make, a line of JSON each, and makes each on a thread of its own. What
// became of them is not said: the tracer sees it.
func beActor() {
	if os.Getenv(actorVariable) == "" {
		return
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var asked evidence.Call
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "read what to do:", err)
			os.Exit(2)
		}
		if asked.Op == exitOp {
			break
		}
		go perform(&sockets.Kernel{}, asked)
	}
	os.Exit(0)
}

// perform makes a call with the arguments that it has.
func perform(api *sockets.Kernel, c evidence.Call) {
	switch c.Op {
	case evidence.OpSocket:
		api.Socket(syscall.AF_INET, c.Type, 0)
	case evidence.OpBind:
		api.Bind(c.FD, sockets.Inet(c.Address.AddrPort))
	case evidence.OpListen:
		api.Listen(c.FD, c.Backlog)
	case evidence.OpAccept:
		api.Accept(c.FD)
	case evidence.OpConnect:
		api.Connect(c.FD, sockets.Inet(c.Address.AddrPort))
	case evidence.OpSend:
		api.Send(c.FD, c.Data, 0)
	case evidence.OpRecv:
		api.Recv(c.FD, make([]byte, c.Length), 0)
	case evidence.OpShutdown:
		api.Shutdown(c.FD, c.How)
	case evidence.OpClose:
		api.Close(c.FD)
	case evidence.OpSetOption:
		api.SetOption(c.FD, c.Level, c.Option, c.Value)
	}
}
