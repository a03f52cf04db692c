//go:build amd64 || arm64

package program

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// realRoot says whether the user is root, and not only called so in a user namespace.
func realRoot() bool {
	content, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n != 3 {
			continue
		}
		uid := uint64(os.Geteuid())
		if uid >= inside && uid-inside < count {
			return outside+uid-inside == 0
		}
	}
	return false
}

// keptOfRoot are the capabilities that a program keeps when the user is root: those that have to do with
// files and with being a server. Without them root could not run a program in a folder that is closed to
// others. No user but root has any.
const keptOfRoot = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER |
	1<<unix.CAP_FSETID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_NET_BIND_SERVICE

// addPrivileges adds the steps that take away what the harness may do and the program may not.
// With no_new_privs executing a program does not give anything back, to root neither.
func addPrivileges(im *image) {
	im.add(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	header := binary.LittleEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	header = binary.LittleEndian.AppendUint32(header, 0)
	sets := func(capabilities uint64) uint64 {
		var data []byte // without inheritable ones there are no ambient ones
		for _, half := range []uint32{uint32(capabilities), uint32(capabilities >> 32)} {
			data = binary.LittleEndian.AppendUint32(data, half) // effective
			data = binary.LittleEndian.AppendUint32(data, half) // permitted
			data = binary.LittleEndian.AppendUint32(data, 0)    // inheritable
		}
		return im.put(data)
	}
	at := im.put(header)
	if realRoot() {
		first := im.add(unix.SYS_CAPSET, at, sets(keptOfRoot))
		// Fails where not even these are there.
		second := im.add(unix.SYS_CAPSET, at, sets(0))
		im.steps[first].zero = second + 1
		return
	}
	im.add(unix.SYS_CAPSET, at, sets(0))
}

// addSignals adds the steps that give signals back what they do by default, where the harness was started
// with some ignored, and block none.
func addSignals(im *image) {
	ignored := ignoredSignals()
	for s := uint64(1); s <= 64; s++ {
		if ignored&(1<<(s-1)) != 0 {
			im.add(unix.SYS_RT_SIGACTION, s, im.put(make([]byte, 32)), 0, 8)
		}
	}
	im.add(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, im.put(make([]byte, 8)), 0, 8)
}

// ignoredSignals is the set of signals that this process ignores, signal 1 in bit 0.
func ignoredSignals() uint64 {
	content, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(content), "\nSigIgn:\t")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		return 0
	}
	return set
}
