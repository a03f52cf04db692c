package suites

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "tcpwitness/harness/match"
	"tcpwitness/harness/sockets"
	"tcpwitness/harness/stage"
)

const (
	unknownDomain  = 254
	typeOutOfRange = 11 // one beyond the last socket type that Linux knows
	afPacket       = 17 // AF_PACKET of Linux
)

var _ = Describe("socket", Label("api"), func() {
	rule("socket.returns-descriptor", func(s *stage.Stage) {
		first := s.Client.Stream()
		second := s.Client.Stream()
		s.Client.Closed(first)

		before := s.OpenDescriptors()
		again := s.Client.Stream()
		after := s.OpenDescriptors()

		Expect(second).To(HaveSucceeded())
		Expect(again).To(HaveSucceeded())
		Expect(again.FD).To(BeNumerically(">=", 0))
		Expect(freeBelow(again.FD, before, after)).To(BeEmpty(), "lower numbers were free, before the call and after it")
	})

	rule("socket.failure-is-minus-one", func(s *stage.Stage) {
		Expect(s.Client.Socket(unknownDomain, syscall.SOCK_STREAM, 0)).To(HaveFailedWith("EAFNOSUPPORT"))
		Expect(s.Client.Socket(s.Domain(), typeOutOfRange, 0)).To(HaveFailedWith("EINVAL"))
		Expect(s.Client.Socket(s.Domain(), syscall.SOCK_STREAM, syscall.IPPROTO_UDP)).To(HaveFailedWith("EPROTONOSUPPORT"))
	})

	rule("socket.domains", func(s *stage.Stage) {
		Expect(s.Client.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)).To(HaveSucceeded())
		Expect(s.Client.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)).To(HaveSucceeded())
		Expect(s.Client.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 0)).To(HaveSucceeded())

		Expect(s.Unprivileged().Socket(afPacket, syscall.SOCK_DGRAM, 0)).To(HaveFailedWith("EPERM"))
		if s.MayUseRawSockets() {
			Expect(s.Client.Socket(afPacket, syscall.SOCK_DGRAM, 0)).To(HaveSucceeded())
		}
	})

	rule("socket.types", func(s *stage.Stage) {
		Expect(s.Client.Socket(s.Domain(), syscall.SOCK_STREAM, 0)).To(HaveSucceeded())
		Expect(s.Client.Socket(s.Domain(), syscall.SOCK_DGRAM, 0)).To(HaveSucceeded())

		Expect(s.Unprivileged().Socket(s.Domain(), syscall.SOCK_RAW, syscall.IPPROTO_UDP)).To(HaveFailedWith("EPERM"))
		if s.MayUseRawSockets() {
			Expect(s.Client.Socket(s.Domain(), syscall.SOCK_RAW, syscall.IPPROTO_UDP)).To(HaveSucceeded())
		}
	})

	rule("socket.default-protocol", func(s *stage.Stage) {
		stream := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM, 0)
		datagram := s.Client.Socket(s.Domain(), syscall.SOCK_DGRAM, 0)

		Expect(s.Client.Option(stream, syscall.SOL_SOCKET, soProtocol, 4).Data).To(Equal(sockets.Int(syscall.IPPROTO_TCP)), "the protocol of the stream socket is TCP")
		Expect(s.Client.Option(datagram, syscall.SOL_SOCKET, soProtocol, 4).Data).To(Equal(sockets.Int(syscall.IPPROTO_UDP)), "the protocol of the datagram socket is UDP")
	})

	rule("socket.starts-unnamed", func(s *stage.Stage) {
		fresh := s.Client.Stream()

		name := s.Client.SockName(fresh)
		peer := s.Client.PeerName(fresh)

		Expect(name).To(HaveSucceeded())
		Expect(name.Address().Addr().IsUnspecified()).To(BeTrue(), "the address of a fresh socket is the unspecified one, not %s", name.Address())
		Expect(name.Address().Port()).To(BeZero(), "the port of a fresh socket")
		Expect(peer).To(HaveFailedWith("ENOTCONN"))
	})

	rule("socket.flags-only-when-asked", func(s *stage.Stage) {
		plain := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM, 0)
		nonblocking := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM|sockNonblock, 0)
		closeOnExec := s.Client.Socket(s.Domain(), syscall.SOCK_STREAM|sockCloexec, 0)

		Expect(isNonblocking(s, plain)).To(BeFalse(), "a plain socket blocks")
		Expect(isCloseOnExec(s, plain)).To(BeFalse(), "a plain socket stays open over exec")
		Expect(isNonblocking(s, nonblocking)).To(BeTrue(), "SOCK_NONBLOCK was asked for")
		Expect(isCloseOnExec(s, nonblocking)).To(BeFalse(), "SOCK_CLOEXEC was not asked for")
		Expect(isCloseOnExec(s, closeOnExec)).To(BeTrue(), "SOCK_CLOEXEC was asked for")
		Expect(isNonblocking(s, closeOnExec)).To(BeFalse(), "SOCK_NONBLOCK was not asked for")
	})
})

func isNonblocking(s *stage.Stage, socket *stage.Socket) bool {
	return s.Client.Fcntl(socket, syscall.F_GETFL, 0).Value&syscall.O_NONBLOCK != 0
}

func isCloseOnExec(s *stage.Stage, socket *stage.Socket) bool {
	return s.Client.Fcntl(socket, syscall.F_GETFD, 0).Value&syscall.FD_CLOEXEC != 0
}

// freeBelow lists the numbers under fd that are in neither list of open descriptors.
func freeBelow(fd int, before, after []int) []int {
	var free []int
	for n := range max(fd, 0) {
		if !contains(before, n) && !contains(after, n) {
			free = append(free, n)
		}
	}
	return free
}
