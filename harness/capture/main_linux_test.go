package capture

import (
	"fmt"
	"os"
	"testing"

	"tcpwitness/harness/sandbox"
)

func TestMain(m *testing.M) {
	exit, reexecuted, err := sandbox.EnterUserNamespace()
	if reexecuted {
		os.Exit(exit)
	}
	if err != nil {
		fmt.Println(err)
	}
	os.Exit(m.Run())
}
