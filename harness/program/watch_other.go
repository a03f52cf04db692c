//go:build !linux

package program

func (f *folder) exceeds(int64) bool { return false }

func (f *folder) watch(int64, <-chan struct{}, func()) {}
