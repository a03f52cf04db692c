package conversation

// WithPending calls a function while no more pieces than these can wait behind a gap.
func WithPending(most int, do func()) {
	defer func(before int) { maxPending = before }(maxPending)
	maxPending = most
	do()
}
