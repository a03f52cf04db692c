package evidence

import (
	"fmt"
	"strconv"
	"strings"
)

// The numbers below are those of Linux (include/uapi and asm-generic, the same on amd64 and arm64). They
// stand here as numbers because a run recorded on Linux is read on any machine.

// name is a constant of the platform and what C calls it.
type name struct {
	value int
	name  string
}

func domainName(domain int) string {
	return nameOr(domain, []name{
		{0, "AF_UNSPEC"}, {1, "AF_UNIX"}, {2, "AF_INET"}, {10, "AF_INET6"}, {16, "AF_NETLINK"},
		{17, "AF_PACKET"}, {40, "AF_VSOCK"},
	})
}

func typeName(typ int) string {
	return nameOr(typ, []name{
		{1, "SOCK_STREAM"}, {2, "SOCK_DGRAM"}, {3, "SOCK_RAW"}, {4, "SOCK_RDM"}, {5, "SOCK_SEQPACKET"},
		{10, "SOCK_PACKET"},
	})
}

// socketFlags are the bits that socket and accept4 take beside the type.
func socketFlags(flags int) []string {
	return bitNames(flags, []name{{0o4000, "SOCK_NONBLOCK"}, {0o2000000, "SOCK_CLOEXEC"}})
}

func protocolName(protocol int) string {
	if protocol == 0 {
		return "0"
	}
	return nameOr(protocol, []name{
		{1, "IPPROTO_ICMP"}, {6, "IPPROTO_TCP"}, {17, "IPPROTO_UDP"}, {41, "IPPROTO_IPV6"},
		{58, "IPPROTO_ICMPV6"}, {132, "IPPROTO_SCTP"}, {255, "IPPROTO_RAW"}, {262, "IPPROTO_MPTCP"},
	})
}

func howName(how int) string {
	return nameOr(how, []name{{0, "SHUT_RD"}, {1, "SHUT_WR"}, {2, "SHUT_RDWR"}})
}

func messageFlags(flags int) string {
	if flags == 0 {
		return "0"
	}
	return strings.Join(bitNames(flags, []name{
		{0x1, "MSG_OOB"}, {0x2, "MSG_PEEK"}, {0x4, "MSG_DONTROUTE"}, {0x20, "MSG_TRUNC"}, {0x40, "MSG_DONTWAIT"},
		{0x80, "MSG_EOR"}, {0x100, "MSG_WAITALL"}, {0x800, "MSG_CONFIRM"}, {0x2000, "MSG_ERRQUEUE"},
		{0x4000, "MSG_NOSIGNAL"}, {0x8000, "MSG_MORE"}, {0x10000, "MSG_WAITFORONE"}, {0x4000000, "MSG_ZEROCOPY"},
		{0x20000000, "MSG_FASTOPEN"}, {0x40000000, "MSG_CMSG_CLOEXEC"},
	}), "|")
}

func levelName(level int) string {
	return nameOr(level, []name{
		{0, "IPPROTO_IP"}, {1, "SOL_SOCKET"}, {6, "IPPROTO_TCP"}, {17, "IPPROTO_UDP"}, {41, "IPPROTO_IPV6"},
	})
}

func optionName(level, option int) string {
	switch level {
	case 0:
		return nameOr(option, []name{
			{1, "IP_TOS"}, {2, "IP_TTL"}, {8, "IP_PKTINFO"}, {10, "IP_MTU_DISCOVER"}, {11, "IP_RECVERR"},
			{15, "IP_FREEBIND"}, {24, "IP_BIND_ADDRESS_NO_PORT"},
		})
	case 1:
		return nameOr(option, []name{
			{1, "SO_DEBUG"}, {2, "SO_REUSEADDR"}, {3, "SO_TYPE"}, {4, "SO_ERROR"}, {5, "SO_DONTROUTE"},
			{6, "SO_BROADCAST"}, {7, "SO_SNDBUF"}, {8, "SO_RCVBUF"}, {9, "SO_KEEPALIVE"}, {10, "SO_OOBINLINE"},
			{12, "SO_PRIORITY"}, {13, "SO_LINGER"}, {15, "SO_REUSEPORT"}, {18, "SO_RCVLOWAT"}, {19, "SO_SNDLOWAT"},
			{20, "SO_RCVTIMEO"}, {21, "SO_SNDTIMEO"}, {25, "SO_BINDTODEVICE"}, {29, "SO_TIMESTAMP"},
			{30, "SO_ACCEPTCONN"}, {32, "SO_SNDBUFFORCE"}, {33, "SO_RCVBUFFORCE"}, {36, "SO_MARK"},
			{38, "SO_PROTOCOL"}, {39, "SO_DOMAIN"}, {46, "SO_BUSY_POLL"}, {60, "SO_ZEROCOPY"},
			{66, "SO_RCVTIMEO_NEW"}, {67, "SO_SNDTIMEO_NEW"},
		})
	case 6:
		return nameOr(option, []name{
			{1, "TCP_NODELAY"}, {2, "TCP_MAXSEG"}, {3, "TCP_CORK"}, {4, "TCP_KEEPIDLE"}, {5, "TCP_KEEPINTVL"},
			{6, "TCP_KEEPCNT"}, {7, "TCP_SYNCNT"}, {8, "TCP_LINGER2"}, {9, "TCP_DEFER_ACCEPT"},
			{10, "TCP_WINDOW_CLAMP"}, {11, "TCP_INFO"}, {12, "TCP_QUICKACK"}, {13, "TCP_CONGESTION"},
			{18, "TCP_USER_TIMEOUT"}, {23, "TCP_FASTOPEN"}, {26, "TCP_SAVE_SYN"}, {30, "TCP_FASTOPEN_CONNECT"},
			{31, "TCP_ULP"}, {36, "TCP_INQ"},
		})
	case 41:
		return nameOr(option, []name{
			{16, "IPV6_UNICAST_HOPS"}, {23, "IPV6_MTU_DISCOVER"}, {25, "IPV6_RECVERR"}, {26, "IPV6_V6ONLY"},
			{49, "IPV6_RECVPKTINFO"}, {67, "IPV6_TCLASS"},
		})
	}
	return strconv.Itoa(option)
}

// Commands of fcntl that bear on descriptors.
const (
	fcntlDup        = 0
	fcntlSetFlags   = 4
	fcntlDupCloexec = 1030
)

func fcntlName(command int) string {
	return nameOr(command, []name{
		{fcntlDup, "F_DUPFD"}, {1, "F_GETFD"}, {2, "F_SETFD"}, {3, "F_GETFL"}, {fcntlSetFlags, "F_SETFL"},
		{fcntlDupCloexec, "F_DUPFD_CLOEXEC"},
	})
}

// fileFlags are those that F_SETFL can set.
func fileFlags(flags int) string {
	if flags == 0 {
		return "0"
	}
	known := []name{{0o2, "O_RDWR"}, {0o1, "O_WRONLY"}, {0o2000, "O_APPEND"}, {0o4000, "O_NONBLOCK"}, {0o20000, "O_ASYNC"}}
	return strings.Join(bitNames(flags, known), "|")
}

func signalName(signal int64) string {
	return nameOr(int(signal), []name{
		{1, "SIGHUP"}, {2, "SIGINT"}, {3, "SIGQUIT"}, {4, "SIGILL"}, {5, "SIGTRAP"}, {6, "SIGABRT"}, {7, "SIGBUS"},
		{8, "SIGFPE"}, {9, "SIGKILL"}, {10, "SIGUSR1"}, {11, "SIGSEGV"}, {12, "SIGUSR2"}, {13, "SIGPIPE"},
		{14, "SIGALRM"}, {15, "SIGTERM"}, {16, "SIGSTKFLT"}, {17, "SIGCHLD"}, {24, "SIGXCPU"}, {25, "SIGXFSZ"},
		{31, "SIGSYS"},
	})
}

// nameOr yields C's name of a value, or the value itself.
func nameOr(value int, names []name) string {
	for _, n := range names {
		if n.value == value {
			return n.name
		}
	}
	return strconv.Itoa(value)
}

// bitNames yields C's names of the bits that are set; what has no name comes last in hexadecimal.
func bitNames(flags int, names []name) []string {
	var set []string
	rest := flags
	for _, n := range names {
		if n.value != 0 && rest&n.value == n.value {
			set = append(set, n.name)
			rest &^= n.value
		}
	}
	if rest != 0 {
		set = append(set, fmt.Sprintf("%#x", uint64(rest)))
	}
	return set
}
