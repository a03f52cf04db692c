package evidence

import "net/netip"

// Scene names what is played with a program under test.
type Scene string

// The scenes of a server under test. The harness plays the clients.
const (
	ScenePlain       Scene = "plain"                // one good exchange; also played with a client
	SceneByteByByte  Scene = "byte-by-byte"         // the message, or for a client the reply, arrives in single bytes
	SceneFullMessage Scene = "full-message"         // the message is as long as the framing allows
	SceneSilent      Scene = "silent-client"        // the first client connects and closes without a byte
	SceneResetBefore Scene = "reset-before-message" // the first client resets before its first byte
	SceneResetAfter  Scene = "reset-after-message"  // the first client resets after its message
	SceneTwoClients  Scene = "two-clients"          // two clients are connected, the first falls silent in its message until the second is served
	SceneManyClients Scene = "many-clients"         // many clients one after another
	SceneRestart     Scene = "restart"              // started again right after a connection that the server closed first
	ScenePortInUse   Scene = "port-in-use"          // another socket listens on the address
	SceneNoArguments Scene = "missing-arguments"    // fewer arguments than needed; also played with a client
)

// The scenes of a client under test, beside those above. The harness plays the server.
const (
	SceneClosedBefore Scene = "closed-before-line"   // the server closes before the line is fed to the client
	SceneClosedAfter  Scene = "closed-after-message" // the server closes after the message, without a reply
	SceneResetServer  Scene = "reset-by-server"      // the server resets the connection
	SceneRefused      Scene = "refused"              // nobody listens on the address
	SceneEmptyInput   Scene = "empty-input"          // standard input is at its end from the beginning
	SceneShortSend    Scene = "short-send"           // the tracer cuts the client's send short
)

// The scenes of the notes' two smaller programs.
const (
	SceneSocketExample    Scene = "socket-example"
	SceneBindExample      Scene = "bind-example"
	SceneBindExampleInUse Scene = "bind-example-port-in-use"
)

// Names of marks that rules look for.
const (
	// MarkFed is the moment when the line was fed to the client under test.
	MarkFed = "line fed to the client"
	// MarkSceneEnd is the moment when the scene was over. What the program does later is the effect of the
	// harness clearing up, and is not judged.
	MarkSceneEnd = "scene ended"
	// MarkTimeUp is the moment when all the time there is for a scene was up, and the program still at work.
	MarkTimeUp = "time is up"
)

// SpinCalls is the number of calls in a row that achieve nothing from which a program counts as spinning.
const SpinCalls = 100

// Script is what a scenario with a program under test was to show, in concrete bytes and lines, so that
// the run can be judged from the record alone.
type Script struct {
	Scene Scene  `json:"scene"`
	Role  string `json:"role"` // the end that is under test: Client or Server
	// First is the end that speaks first.
	First   string  `json:"first,omitempty"`
	Framing Framing `json:"framing,omitzero"`
	// StaysUp says that the server is to serve on until it is stopped.
	StaysUp bool `json:"staysUp,omitempty"`
	// Concurrent says that the server is to serve clients side by side.
	Concurrent bool `json:"concurrent,omitempty"`
	// Connections are those that were to be made, in the order in which the clients connect. In a scene
	// with a client that misbehaves it is the first; a second one comes after it and behaves well.
	Connections []Connection `json:"connections,omitempty"`
	// Lines are what the program under test is to print on standard output, in this order, with other
	// lines between them or not.
	Lines []Line `json:"lines,omitempty"`
	// Filled is about how many bytes a server that stays up should have printed beyond Lines. Output that is
	// missing although more than any usual buffer holds came after it was never printed.
	Filled int64 `json:"filled,omitempty"`
	// Descriptors are counts of open descriptors, taken while the program was at rest.
	Descriptors []DescriptorCount `json:"descriptors,omitempty"`
	// Listening are the addresses with the server's port on which sockets listened when the server was
	// ready, where the harness looked that up from outside.
	Listening []netip.AddrPort `json:"listening,omitempty"`
	// ArgumentsWithoutAddress says that the program's command line names no ip, so that it was given none.
	ArgumentsWithoutAddress bool `json:"argumentsWithoutAddress,omitempty"`
	// Unplayed says why the scene does not apply, as a clause that can follow "because"; it was not played.
	Unplayed string `json:"unplayed,omitempty"`
}

// Connection is what one connection was to carry.
type Connection struct {
	// Client is the real address of its client, zero where it is not known.
	Client netip.AddrPort `json:"client,omitzero"`
	// Message and Reply are what client and server are to send, framed; empty for nothing.
	Message Bytes `json:"message,omitempty"`
	Reply   Bytes `json:"reply,omitempty"`
}

// Line is a line of output, without its line end.
type Line struct {
	Text string `json:"text"`
	// Peer says that the line bears the client's ip or port.
	Peer bool `json:"peer,omitempty"`
	// Message says that the line bears what was received.
	Message bool `json:"message,omitempty"`
}

// DescriptorCount is how many descriptors all processes of the program had open at one moment.
type DescriptorCount struct {
	Clients int `json:"clients"` // clients served so far
	Open    int `json:"open"`
}
