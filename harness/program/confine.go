package program

// Confinement is what a machine offers to keep a program from files that are not its own. Where something
// is offered its Why is empty.
type Confinement struct {
	// Files: a program can write, create, rename and remove only in its working folder and in the folders for
	// temporary files; it can signal only its own processes, where the kernel is Linux 6.12 or newer.
	Files       bool
	WhyNotFiles string
	// Temporary: what a program writes to the folders for temporary files (/tmp, /var/tmp, /dev/shm) is its own,
	// and gone with it. What lies there it can read.
	Temporary       bool
	WhyNotTemporary string
}

// String says it in a few words, such as "files bounded" or "files bounded except in /tmp, /var/tmp and
// /dev/shm (operation not permitted)".
func (c Confinement) String() string {
	switch {
	case !c.Files:
		return "files not bounded (" + c.WhyNotFiles + ")"
	case !c.Temporary:
		return "files bounded except in /tmp, /var/tmp and /dev/shm (" + c.WhyNotTemporary + ")"
	}
	return "files bounded"
}

// temporaryFolders are those that programs of all kinds write to without asking. Shared memory and
// semaphores by name are files in the last one.
var temporaryFolders = []string{"/tmp", "/var/tmp", "/dev/shm"}
