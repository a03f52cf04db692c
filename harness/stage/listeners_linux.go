package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Listening sockets are asked for by sock_diag(7): they stand in a short table of their own, while reading
// /proc/net/tcp makes the kernel go through its table of all connections.

const (
	diagByFamily  = 20 // SOCK_DIAG_BY_FAMILY
	diagRequest   = unix.SizeofNlMsghdr + 56
	diagMessage   = 72 // struct inet_diag_msg
	listenersOnly = 1 << stateListen
)

var errDiag = errors.New("the kernel's answer makes no sense")

// listeners lists the addresses on which somebody listens in the network of the calling thread.
func listeners() ([]netip.AddrPort, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a diagnostic socket: %w", err)
	}
	defer unix.Close(fd)
	var all []netip.AddrPort
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequest) // struct nlmsghdr, struct inet_diag_req_v2
		binary.NativeEndian.PutUint32(request[0:], diagRequest)
		binary.NativeEndian.PutUint16(request[4:], diagByFamily)
		binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
		request[16], request[17] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[20:], listenersOnly)
		if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return nil, fmt.Errorf("ask for listening sockets: %w", err)
		}
		found, err := readListeners(fd)
		if err != nil {
			return nil, fmt.Errorf("read listening sockets: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func readListeners(fd int) (all []netip.AddrPort, err error) {
	buffer := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for left := buffer[:n]; len(left) >= unix.SizeofNlMsghdr; {
			size := int(binary.NativeEndian.Uint32(left))
			if size < unix.SizeofNlMsghdr || size > len(left) {
				return nil, errDiag
			}
			body := left[unix.SizeofNlMsghdr:size]
			switch kind := binary.NativeEndian.Uint16(left[4:]); {
			case kind == unix.NLMSG_DONE:
				return all, nil
			case kind == unix.NLMSG_ERROR:
				return nil, errDiag
			case kind == diagByFamily && len(body) >= diagMessage && body[1] == stateListen:
				all = append(all, listener(body))
			}
			left = left[min(len(left), (size+3)&^3):]
		}
	}
}

// listener is the address in a struct inet_diag_msg: family, state, timer and retransmissions in a byte each,
// then the ports and addresses in network byte order.
func listener(message []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(message[4:])
	if message[0] == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(message[8:12])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(message[8:24])), port)
}
