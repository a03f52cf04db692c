package sockets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/evidence"
)

func keepThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

func processID() int { return os.Getpid() }
func threadID() int  { return unix.Gettid() }

func errnoName(errno Errno) string {
	if errno == unix.EOPNOTSUPP { // has a second name on Linux, which POSIX keeps apart
		return "EOPNOTSUPP"
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return "errno " + strconv.Itoa(int(errno))
}

// splitType parts a socket type from the flags that Linux lets one add to it.
func splitType(typ int) (kind, flags int) {
	const added = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	return typ &^ added, typ & added
}

func isDuplicating(command int) bool {
	return command == unix.F_DUPFD || command == unix.F_DUPFD_CLOEXEC
}

// The system calls in which a thread can sleep on behalf of an operation.
var sleepsIn = map[evidence.Op][]int{
	evidence.OpAccept:  {unix.SYS_ACCEPT, unix.SYS_ACCEPT4},
	evidence.OpConnect: {unix.SYS_CONNECT},
	evidence.OpSend:    {unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_WRITE, unix.SYS_WRITEV},
	evidence.OpRecv:    {unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_READ, unix.SYS_READV},
	evidence.OpWait:    {unix.SYS_PPOLL},
	evidence.OpClose:   {unix.SYS_CLOSE},
}

// awaitAsleep waits until the call's thread sleeps in one of the system calls that the operation uses. The
// kernel tells nobody when a thread falls asleep, so its state is read again and again, ever less often.
func awaitAsleep(ctx context.Context, c evidence.Call, returned func() bool) error {
	task := fmt.Sprintf("/proc/self/task/%d/", c.TID)
	pause := 20 * time.Microsecond
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		if returned() {
			return errReturned
		}
		asleep, err := isAsleep(task, sleepsIn[c.Op])
		if err != nil {
			return err
		}
		if asleep && !returned() {
			return nil
		}
		select {
		case <-again.C:
			again.Reset(pause)
			pause = min(2*pause, 2*time.Millisecond)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errReturned = errors.New("it returned instead")

func isAsleep(task string, in []int) (bool, error) {
	where, err := os.ReadFile(task + "syscall")
	if err != nil {
		return false, fmt.Errorf("%w: read the state of a thread: %w", errors.ErrUnsupported, err)
	}
	number, _, _ := bytes.Cut(where, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil { // "running"
		return false, nil
	}
	for _, call := range in {
		if n == call {
			return stateOf(task) == 'S', nil
		}
	}
	return false, nil
}

// stateOf reads the one-letter state of a thread from its stat file, proc(5).
func stateOf(task string) byte {
	stat, err := os.ReadFile(task + "stat")
	if err != nil {
		return 0
	}
	after := bytes.LastIndex(stat, []byte(") "))
	if after < 0 || after+2 >= len(stat) {
		return 0
	}
	return stat[after+2]
}
