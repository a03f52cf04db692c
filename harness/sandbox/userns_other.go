//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
)

// EnterUserNamespace fails with errors.ErrUnsupported; the process can go on.
func EnterUserNamespace() (exit int, reexecuted bool, err error) {
	return 0, false, fmt.Errorf("enter a user namespace: %w", errors.ErrUnsupported)
}
