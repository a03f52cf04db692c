package stage

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// settler is a pair of datagram sockets on the scenario's loopback.
type settler struct {
	address  [4]byte
	from, to uint16

	sender, receiver int
	processors       []int
}

func openSettler(s *Stage) (*settler, error) {
	t := &settler{address: s.Sandbox.Address().As4(), sender: -1, receiver: -1}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the processors: %w", err)
	}
	for cpu := 0; len(t.processors) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			t.processors = append(t.processors, cpu)
		}
	}
	err := s.Sandbox.Do(func() (err error) {
		if t.sender, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if t.receiver, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		for _, fd := range []int{t.sender, t.receiver} {
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: t.address}); err != nil {
				return err
			}
		}
		if t.from, err = portOf(t.sender); err != nil {
			return err
		}
		if t.to, err = portOf(t.receiver); err != nil {
			return err
		}
		return unix.Connect(t.sender, &unix.SockaddrInet4{Addr: t.address, Port: int(t.to)})
	})
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func portOf(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return uint16(name.(*unix.SockaddrInet4).Port), nil
}

// round sends a datagram from each processor and waits for all of them.
func (t *settler) round(ctx context.Context) error {
	errs := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread dies with its affinity
		for _, cpu := range t.processors {
			var one unix.CPUSet
			one.Set(cpu)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				errs <- fmt.Errorf("move to processor %d: %w", cpu, err)
				return
			}
			if _, err := unix.Write(t.sender, make([]byte, marking)); err != nil {
				errs <- fmt.Errorf("send: %w", err)
				return
			}
			var got [marking]byte
			for {
				_, err := unix.Read(t.receiver, got[:])
				if err == unix.EINTR {
					continue
				}
				if err != nil {
					errs <- fmt.Errorf("receive: %w", err)
					return
				}
				break
			}
		}
		errs <- nil
	}()
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
		unix.Shutdown(t.receiver, unix.SHUT_RD)
		return ctx.Err()
	}
}

func (t *settler) close() {
	for _, fd := range []int{t.sender, t.receiver} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
