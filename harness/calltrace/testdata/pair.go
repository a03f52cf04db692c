//go:build ignore

// pair: a server and a client in one program, with the net package.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	go func() {
		conn, err := listener.Accept()
		check(err)
		io.Copy(conn, conn)
		conn.Close()
	}()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	check(err)
	fmt.Fprint(conn, "hello")
	check(conn.(*net.TCPConn).CloseWrite())
	back, err := io.ReadAll(conn)
	check(err)
	check(conn.Close())
	check(listener.Close())
	fmt.Printf("%s\n", back)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
