package suites

import (
	"bytes"
	"net/netip"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"tcpwitness/fixtures/reference"
	. "tcpwitness/harness/match"
	"tcpwitness/harness/stage"
)

// spoken is what the client of the notes is told to send.
const spoken = "hello over there"

// The rules about the notes' two smaller programs.
var _ = Describe("example", Label("program"), Ordered, ContinueOnFailure, func() {
	judged("", "example")
})

var _ = Describe("the reference pair", Label("programs"), func() {
	scenario("reference.in-process", "the reference client and server, in this process", func(s *stage.Stage) {
		var said [2]played
		serving := s.Begin(func() { said[0] = play(s.Server, reference.Server, "", s.ServerAddress()) })
		s.AwaitListener()
		s.Begin(func() { said[1] = play(s.Client, reference.Client, spoken+"\n", s.ServerAddress()) }).Wait()
		serving.Wait()

		client := s.FirstCall(server, "accept").Address.AddrPort
		Expect(said[0]).To(Equal(played{status: 0, out: printed(client)}), "the server")
		Expect(said[1]).To(Equal(played{status: 0, out: answered}), "the client")
		expectGoodExchange(s)
	})

	scenario("reference.processes", "the reference client and server, two processes", func(s *stage.Stage) {
		serving := s.Reference("server", server)
		s.AwaitListener()
		asking := s.Reference("client", client)
		asking.Feed([]byte(spoken + "\n"))

		asked, served := asking.Ended(), serving.Ended()

		Expect(asked.InWords).To(Equal("exited with status 0"), "the client: %s", asked.Stderr)
		Expect(served.InWords).To(Equal("exited with status 0"), "the server: %s", served.Stderr)
		Expect(string(asked.Stdout)).To(Equal(answered))
		Expect(string(served.Stdout)).To(Equal(printed(s.Conversation().Client)))
		expectGoodExchange(s)
	})
})

// played is what came of a program that ran in-process.
type played struct {
	status   int
	out, err string
}

func play(end *stage.Endpoint, program reference.Program, input string, at netip.AddrPort) played {
	var out, err bytes.Buffer
	status := program(reference.Streams{In: strings.NewReader(input), Out: &out, Err: &err}, end.Recording(),
		[]string{at.Addr().String(), itoa(at.Port())})
	return played{status, out.String(), err.String()}
}

const answered = "from server: " + spoken + reference.Suffix + "\n"

func printed(client netip.AddrPort) string {
	return "ip:" + client.Addr().String() + ", port:" + itoa(client.Port()) + "\nfrom client: " + spoken + "\n"
}

func expectGoodExchange(s *stage.Stage) {
	GinkgoHelper()
	wire := s.AwaitConversation(CloseInFourSteps())
	Expect(wire).To(HaveHandshakeBeforeData())
	Expect(wire).To(CloseInFourSteps())
	Expect(wire.Stream(client)).To(Equal(reference.Frame(spoken)), "the client's frame")
	Expect(wire.Stream(server)).To(Equal(reference.Frame(spoken+reference.Suffix)), "the server's frame")
}
