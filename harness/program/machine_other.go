//go:build !linux

package program

func machineMemory() int64 { return 0 }

func moreFormats() bool { return false }
