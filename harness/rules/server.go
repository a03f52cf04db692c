package rules

import "tcpwitness/harness/evidence"

// serverQuestions say in which scenes each rule about a server is judged.
func serverQuestions() []question {
	const (
		plain = evidence.ScenePlain
		many  = evidence.SceneManyClients
		two   = evidence.SceneTwoClients
	)
	in := func(scenes ...evidence.Scene) []evidence.Scene { return scenes }
	return []question{
		{"server.stream-socket", in(plain), serverStreamSocket},
		{"server.call-order", in(plain), serverCallOrder},
		{"server.binds-given-address", in(plain), serverBindsGivenAddress},
		{"server.backlog-sensible", in(plain), serverBacklog},
		{"server.waits-for-clients", in(plain), serverWaits},
		{"server.accept-fresh-descriptor", in(plain, two, many), serverAcceptsFresh},
		{"server.talks-on-accepted", in(plain), serverTalksOnAccepted},
		{"server.reports-peer", in(plain), serverReportsPeer},
		{"server.prints-message", in(plain), serverPrintsMessage},
		{"server.replies", in(plain, two, many), serverReplies},
		{"server.reply-clean", in(plain, evidence.SceneByteByByte, two, many), serverReplyClean},
		{"server.closes-accepted", in(plain), serverClosesAccepted},
		{"server.closes-listener", in(plain), serverClosesListener},
		{"server.ends-with-fin", in(plain), endsWithFIN},
		{"server.exits-zero", in(plain), exitsZero},
		{"server.assembles-split-message", in(evidence.SceneByteByByte), serverAssembles},
		{"server.survives-silent-client", in(evidence.SceneSilent), serverSurvives},
		{"server.survives-reset", in(evidence.SceneResetBefore, evidence.SceneResetAfter), serverSurvives},
		{"server.survives-full-message", in(evidence.SceneFullMessage), serverSurvivesFullMessage},
		{"server.checks-bind", in(evidence.ScenePortInUse), serverChecksBind},
		{"server.checks-usage", in(evidence.SceneNoArguments), checksUsage},
		{"server.restarts-at-once", in(evidence.SceneRestart), serverRestarts},
		{"server.leaks-no-descriptor", in(many), serverLeaksNothing},
		{"server.serves-in-any-order", in(two), serverServesInAnyOrder},
	}
}
