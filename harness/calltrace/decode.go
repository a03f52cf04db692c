package calltrace

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"tcpwitness/harness/evidence"
)

// The functions of this file read structures out of a program's memory. They take whatever bytes there are
// and never fail: what is not there is left zero.

// The numbers of Linux (include/uapi), the same on amd64 and arm64, both little-endian.
const (
	familyUnix  = 1
	familyInet  = 2
	familyInet6 = 10

	levelSocket = 1 // SOL_SOCKET
	scmRights   = 1 // SCM_RIGHTS

	msghdrSize  = 56
	mmsghdrSize = 64
	iovecSize   = 16
	pollfdSize  = 8
	cmsgSize    = 16 // struct cmsghdr

	maxIovecs   = 1024 // UIO_MAXIOV; more is EMSGSIZE or EINVAL
	maxSockaddr = 128  // struct sockaddr_storage
)

// decodeAddress reads a struct sockaddr of which length bytes were given; b may hold fewer.
func decodeAddress(b []byte, length int) evidence.Address {
	if length >= 0 && length < len(b) {
		b = b[:length]
	}
	if len(b) < 2 {
		return evidence.Address{Length: max(length, 0)}
	}
	a := evidence.Address{Family: int(binary.LittleEndian.Uint16(b))}
	usual := 0
	switch a.Family {
	case familyInet:
		usual = 16
		if len(b) >= 8 {
			a.AddrPort = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
		}
	case familyInet6:
		usual = 28
		if len(b) >= 24 {
			ip := netip.AddrFrom16([16]byte(b[8:24]))
			if scope := scopeOf(b); scope != 0 && ip.Is6() && !ip.Is4In6() {
				ip = ip.WithZone(strconv.FormatUint(uint64(scope), 10))
			}
			a.AddrPort = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))
		}
	case familyUnix:
		a.Path = unixPath(b[2:])
		return a
	}
	if length != usual {
		a.Length = length
	}
	return a
}

func scopeOf(b []byte) uint32 {
	if len(b) < 28 {
		return 0
	}
	return binary.LittleEndian.Uint32(b[24:])
}

// unixPath is a path up to its NUL, or an abstract name with "@" in the place of its leading NUL.
func unixPath(b []byte) string {
	if len(b) > 0 && b[0] == 0 {
		if len(b) == 1 {
			return ""
		}
		return "@" + string(b[1:])
	}
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// message is a struct msghdr.
type message struct {
	name       uint64
	nameLen    uint32
	iov        uint64
	iovLen     uint64
	control    uint64
	controlLen uint64
	flags      uint32
}

func decodeMessage(b []byte) (m message, ok bool) {
	if len(b) < msghdrSize {
		return message{}, false
	}
	le := binary.LittleEndian
	return message{
		name: le.Uint64(b), nameLen: le.Uint32(b[8:]), iov: le.Uint64(b[16:]), iovLen: le.Uint64(b[24:]),
		control: le.Uint64(b[32:]), controlLen: le.Uint64(b[40:]), flags: le.Uint32(b[48:]),
	}, true
}

// iovec is a struct iovec.
type iovec struct{ base, length uint64 }

// decodeIovecs reads as many as there are in b.
func decodeIovecs(b []byte, into []iovec) []iovec {
	into = into[:0]
	for ; len(b) >= iovecSize && len(into) < maxIovecs; b = b[iovecSize:] {
		into = append(into, iovec{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
	}
	return into
}

// totalLength adds up, without overflow.
func totalLength(vectors []iovec) int {
	total := 0
	for _, v := range vectors {
		total = saturate(total, v.length)
	}
	return total
}

// clampLength turns a size_t into an int.
func clampLength(n uint64) int { return saturate(0, n) }

func saturate(total int, n uint64) int {
	const most = int(^uint(0) >> 1)
	if n > uint64(most-total) {
		return most
	}
	return total + int(n)
}

// decodePoll reads the descriptors of an array of struct pollfd; negative ones are not watched.
func decodePoll(b []byte) []int {
	var watched []int
	for ; len(b) >= pollfdSize; b = b[pollfdSize:] {
		if fd := int32(binary.LittleEndian.Uint32(b)); fd >= 0 {
			watched = append(watched, int(fd))
		}
	}
	return watched
}

// decodeSets reads the descriptors below n that are in any of the fd_sets.
func decodeSets(n int, sets ...[]byte) []int {
	var watched []int
	for fd := range n {
		for _, set := range sets {
			if fd/8 < len(set) && set[fd/8]&(1<<(fd%8)) != 0 {
				watched = append(watched, fd)
				break
			}
		}
	}
	return watched
}

// decodeMillis reads a time of two 8-byte words, seconds and a fraction with so many units in a second, as
// milliseconds, rounded up so that no wait becomes none.
func decodeMillis(b []byte, units int64) int64 {
	if len(b) < 16 {
		return 0
	}
	seconds, rest := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	const most = 1 << 50 // ms; far beyond any wait
	if seconds < 0 || seconds > most/1000 || rest < 0 || rest > units {
		return most
	}
	perMilli := units / 1000
	return seconds*1000 + (rest+perMilli-1)/perMilli
}

// hasRights says whether control data carries descriptors (SCM_RIGHTS).
func hasRights(b []byte) bool {
	for len(b) >= cmsgSize {
		length := binary.LittleEndian.Uint64(b)
		if binary.LittleEndian.Uint32(b[8:]) == levelSocket && binary.LittleEndian.Uint32(b[12:]) == scmRights && length > cmsgSize {
			return true
		}
		next := (length + 7) &^ 7
		if length < cmsgSize || next < length || next > uint64(len(b)) {
			return false
		}
		b = b[next:]
	}
	return false
}

// decodeSocketLink reads what /proc/PID/fd/N points to: "socket:[12345]".
func decodeSocketLink(link []byte) (inode uint64, isSocket bool) {
	const before = "socket:["
	if len(link) < len(before)+2 || string(link[:len(before)]) != before || link[len(link)-1] != ']' {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(link[len(before):len(link)-1]), 10, 64)
	if err != nil {
		return 0, false
	}
	return inode, true
}
