package evidence

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk saves a run on a disk that is too small for it.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	done := make(chan func(), 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its mount namespace
		done <- onSmallDisk(t, dir)
	}()
	if skip := <-done; skip != nil {
		skip()
	}
}

// onSmallDisk runs on a thread of its own, where dir is a disk of 64 KiB. It yields how to skip.
func onSmallDisk(t *testing.T, dir string) (skip func()) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return func() { t.Skipf("no mount namespace: %v", err) }
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return func() { t.Skipf("make the mounts private: %v", err) }
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return func() { t.Skipf("no small disk: %v", err) }
	}
	for _, run := range []*Run{
		{Scenario: "packets", Packets: []Packet{{N: 1, Data: make([]byte, 200_000)}}},
		{Scenario: "text", Outcomes: []Outcome{{Stdout: Bytes(strings.Repeat("x", 200_000))}}},
	} {
		_, err := run.Save(dir)
		if !errors.Is(err, unix.ENOSPC) || strings.Count(err.Error(), dir) != 1 || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%s: error %v", run.Scenario, err)
		}
		onlyFiles(t, dir)
	}
	return nil
}
