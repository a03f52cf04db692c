package program

import "os"

// launch is a start with everything resolved.
type launch struct {
	path   string
	argv   []string
	env    []string
	dir    string
	folder *folder
	files  [3]*os.File // the program's descriptors 0, 1 and 2
	limits Limits
	start  Start
}
