//go:build amd64 || arm64

package program

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// bound puts a process, which is waiting to become the program, under its limits. processes is the number that
// its user may have, which does not bind root; negative for any number.
func bound(pid int, l Limits, processes int64) error {
	set := func(what string, resource int, soft, hard uint64) error {
		var now unix.Rlimit
		if err := unix.Prlimit(pid, resource, nil, &now); err != nil {
			return fmt.Errorf("limit %s of %d: %w", what, pid, err)
		}
		hard = min(hard, now.Max)
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(soft, hard), Max: hard}, nil); err != nil {
			return fmt.Errorf("limit %s of %d: %w", what, pid, err)
		}
		return nil
	}
	var errs []error
	limit := func(what string, resource int, value int64) {
		if value >= 0 {
			errs = append(errs, set(what, resource, uint64(value), uint64(value)))
		}
	}
	if l.CPU >= 0 {
		whole := uint64((l.CPU + time.Second - 1) / time.Second)
		// SIGXCPU first, which says what happened, then SIGKILL.
		errs = append(errs, set("processor time", unix.RLIMIT_CPU, whole, whole+1))
	}
	limit("memory", unix.RLIMIT_DATA, l.Memory)
	limit("file size", unix.RLIMIT_FSIZE, l.FileSize)
	if l.Files >= 0 {
		// Programs that use select expect no more than 1024 unless they ask for it.
		errs = append(errs, set("descriptors", unix.RLIMIT_NOFILE, uint64(min(l.Files, 1024)), uint64(l.Files)))
	}
	limit("processes", unix.RLIMIT_NPROC, processes)
	// 0 would still hand a core to a program that the system has for that; 1 is the kernel's own mark for none at all.
	errs = append(errs, set("core size", unix.RLIMIT_CORE, 1, 1))
	return errors.Join(errs...)
}
