package program

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is the time between two looks at the file system that the working folder is on. There is
// nothing to wait for: no file system tells how full it gets. How much gets written beyond the limit depends
// on it, and nothing else.
const watchEvery = 100 * time.Millisecond

// watch calls exceeded once the working folder holds more than limit bytes, and returns when quit is closed.
// It looks at how full the file system is, and only walks the folder when that has changed much.
func (f *folder) watch(limit int64, quit <-chan struct{}, exceeded func()) {
	before, ok := room(f.work)
	if !ok {
		return
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		now, ok := room(f.outer)
		if ok && before-now <= limit/2 {
			continue
		}
		if f.exceeds(limit) {
			exceeded()
			return
		}
		before = now
	}
}

// exceeds says whether the working folder holds more than so many bytes.
func (f *folder) exceeds(limit int64) bool { return used(f.outer, limit) > limit }

// entrySize is what an empty file counts, for folders full of those.
const entrySize = 4 * kib

// room is what is left on a file system, in bytes, with each file that can still be made as entrySize.
func room(path string) (bytes int64, ok bool) {
	var info unix.Statfs_t
	if unix.Statfs(path, &info) != nil {
		return 0, false
	}
	return int64(info.Bfree)*info.Bsize + int64(info.Ffree)*entrySize, true
}

// used is the size of all files below a folder, counted up to limit.
func used(path string, limit int64) int64 {
	var total int64
	_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // closed to us, or gone
		}
		total += entrySize
		if info, err := entry.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				total += s.Blocks * 512
			}
		}
		if total > limit {
			return filepath.SkipAll
		}
		return nil
	})
	return total
}
