//go:build !linux

package stage

type census struct {
	threads         int
	asleep, forGood bool
	held            bool
	descriptors     int
}

func (census) same(census) bool { return false }

func (census) stands(census) bool { return false }

func take([]int) census { return census{} }
