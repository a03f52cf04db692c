package sandbox

import (
	"fmt"
	"os"
)

// EnterOrExit is [EnterUserNamespace] for a main or a TestMain: it ends the process where a second self has done
// everything, and says on standard error why there is no user namespace.
func EnterOrExit() {
	exit, reexecuted, err := EnterUserNamespace()
	if err != nil {
		fmt.Fprintln(os.Stderr, "no user namespace:", err)
	}
	if reexecuted {
		os.Exit(exit)
	}
}
