package program

import (
	"errors"
	"fmt"
	"syscall"
)

// explain says why a program could not be executed.
func explain(path string, err error) string {
	if problem := diagnose(path, false); problem != "" {
		return problem
	}
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("%s: it, or the interpreter or loader that it names, is not there", path)
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("%s: permission denied: it, or the interpreter that it names, may not be executed", path)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Sprintf("%s: the arguments and the environment are too long", path)
	case errors.Is(err, syscall.ETXTBSY):
		return fmt.Sprintf("%s: it is being written to", path)
	}
	return fmt.Sprintf("%s: %v", path, err)
}
