//go:build !linux

package wire

import "syscall"

func insideUserNamespace() *syscall.SysProcAttr { return nil }
