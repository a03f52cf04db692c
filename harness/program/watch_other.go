//go:build !linux

package program

func (f *folder) watch(int64, <-chan struct{}, func()) {}
