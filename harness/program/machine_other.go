//go:build !linux

package program

func machineMemory() int64 { return 0 }
