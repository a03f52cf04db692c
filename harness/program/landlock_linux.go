//go:build amd64 || arm64

package program

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Landlock bounds where a program can write. It is all that it bounds: programs find their interpreters and
// libraries all over the machine, so they may read and execute what their user may.
//
// The kernel adds to a program's rights none, and takes them from all that it starts too. Processes outside
// can neither be signalled nor debugged, nor their memory, descriptors and root folders be reached by /proc.

// The versions of Landlock's interface, and what came with them.
const (
	landlockRefer    = 2 // Linux 5.19; before it a file cannot be moved from one folder to another
	landlockTruncate = 3 // Linux 6.2
	landlockScopes   = 6 // Linux 6.12
)

// landlockABI is the version of the kernel's Landlock. The error says why there is none that is of use.
func landlockABI() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno != 0:
		return 0, fmt.Errorf("ask for Landlock: %w", errno)
	case version < landlockRefer:
		return 0, fmt.Errorf("the kernel's Landlock is of version %d: %w", version, unix.ENOSYS)
	}
	return int(version), nil
}

// What Landlock can forbid and what is forbidden here.
const (
	writesFile = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	writes     = writesFile | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
)

// writableDevices are those that hold nothing. Standard streams are pipes, which are not bound.
var writableDevices = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts",
}

// fdRules is the descriptor of the rules until the program is executed.
const fdRules = fdImage + 1

// addLandlock adds the steps that bound where the process and all that it starts can write, and yields the
// one that puts it into force, -1 where there is no Landlock.
func (l *launch) addLandlock(im *image) (step int) {
	abi, err := landlockABI()
	if err != nil {
		return -1
	}
	handled := uint64(writes)
	if abi < landlockTruncate {
		handled &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	attributes := []uint64{handled} // struct landlock_ruleset_attr: files, network, scopes
	if abi >= landlockScopes {
		attributes = append(attributes, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL)
	}
	rules := im.add(unix.SYS_LANDLOCK_CREATE_RULESET, im.words(attributes...), uint64(8*len(attributes)), 0)
	im.steps[rules].into = argumentAt(im.add(unix.SYS_DUP3, 0, fdRules, unix.O_CLOEXEC), 0)
	allow := func(path string, access uint64) {
		beneath := im.put(binary.LittleEndian.AppendUint64(nil, access&handled)) // struct landlock_path_beneath_attr
		at := im.put(make([]byte, 8))                                            // its descriptor
		open := im.add(unix.SYS_OPENAT, 0, im.text(path), unix.O_PATH|unix.O_CLOEXEC)
		im.steps[open].into = at
		im.add(unix.SYS_LANDLOCK_ADD_RULE, fdRules, unix.LANDLOCK_RULE_PATH_BENEATH, beneath, 0) // fails for what is not there
	}
	allow(l.dir, writes)
	for _, path := range temporaryFolders {
		allow(path, writes)
	}
	for _, path := range writableDevices {
		allow(path, writesFile)
	}
	return im.add(unix.SYS_LANDLOCK_RESTRICT_SELF, fdRules, 0)
}
