package rules

import "tcpwitness/harness/evidence"

// clientQuestions say in which scenes each rule about a client is judged.
func clientQuestions() []question {
	const plain = evidence.ScenePlain
	in := func(scenes ...evidence.Scene) []evidence.Scene { return scenes }
	return []question{
		{"client.stream-socket", in(plain), clientStreamSocket},
		{"client.call-order", in(plain), clientCallOrder},
		{"client.connects-to-given-address", in(plain), clientConnectsToGivenAddress},
		{"client.connect-keeps-descriptor", in(plain), clientConnectKeepsDescriptor},
		{"client.talks-on-its-socket", in(plain), clientTalksOnItsSocket},
		{"client.sends-after-connect", in(plain), clientSendsAfterConnect},
		{"client.sends-message", in(plain, evidence.SceneByteByByte), clientSendsMessage},
		{"client.message-clean", in(plain), clientMessageClean},
		{"client.prints-reply", in(plain), clientPrintsReply},
		{"client.closes", in(plain), clientCloses},
		{"client.ends-with-fin", in(plain), endsWithFIN},
		{"client.exits-zero", in(plain), exitsZero},
		{"client.assembles-split-reply", in(evidence.SceneByteByByte), clientPrintsReply},
		{"client.sends-everything", in(evidence.SceneShortSend), clientSendsEverything},
		{"client.survives-closed-server", in(evidence.SceneClosedBefore, evidence.SceneClosedAfter, evidence.SceneResetServer), clientSurvives},
		{"client.checks-connect", in(evidence.SceneRefused), clientChecksConnect},
		{"client.checks-usage", in(evidence.SceneNoArguments), checksUsage},
		{"client.handles-empty-input", in(evidence.SceneEmptyInput), clientHandlesEmptyInput},
	}
}
