//go:build amd64 || arm64

package program

import (
	"encoding/binary"
	"fmt"
	"os"
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
	im.add(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	header := binary.LittleEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	header = binary.LittleEndian.AppendUint32(header, 0)
	sets := func(capabilities uint64) uint64 {
		var data []byte
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
	for s := uint64(1); s <= 64; s++ {
		if ignoredSignals()&(1<<(s-1)) != 0 {
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
	for line := range strings.Lines(string(content)) {
		var set uint64
		if n, _ := fmt.Sscanf(line, "SigIgn: %x", &set); n == 1 {
			return set
		}
	}
	return 0
}

// addGuard adds the step that keeps a program that shares its pid namespace with the harness from ending it.
func addGuard(im *image) {
	filter := guard(uint32(os.Getpid()), uint32(unix.Getpgrp()))
	var code []byte
	for _, f := range filter {
		code = binary.LittleEndian.AppendUint16(code, f.Code)
		code = append(code, f.Jt, f.Jf)
		code = binary.LittleEndian.AppendUint32(code, f.K)
	}
	program := im.words(uint64(len(filter)), im.put(code)) // struct sock_fprog
	im.add(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, program)
}

// guard is a seccomp filter: signals to all processes, to the harness and to its process group fail with
// EPERM, as they would from a stranger. All else is allowed.
func guard(harness, group uint32) []unix.SockFilter {
	const number, firstLow = 0, 16 // offsets in struct seccomp_data
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	give := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	return []unix.SockFilter{
		load(number),
		equal(unix.SYS_KILL, 5, 0),
		equal(unix.SYS_TGKILL, 4, 0),
		equal(unix.SYS_TKILL, 3, 0),
		equal(unix.SYS_RT_SIGQUEUEINFO, 2, 0),
		equal(unix.SYS_PIDFD_OPEN, 1, 0),
		give(unix.SECCOMP_RET_ALLOW),
		load(firstLow),
		equal(^uint32(0), 3, 0),
		equal(harness, 2, 0),
		equal(-group, 1, 0),
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
	}
}
