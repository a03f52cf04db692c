package rules

import (
	"slices"
	"strings"
)

// chapters stand in the order of the contract: the calls in the order of the notes, the wire, the programs.
var chapters = []string{
	"socket", "connect", "send", "recv", "bind", "listen", "accept", "close", "shutdown",
	"tcp", "udp",
	"server", "client", "example",
}

// catalogue is every rule, sorted by id. Each chapter's rules stand in a file named after it.
var catalogue = sortedByID(
	socketRules, connectRules, sendRules, recvRules, bindRules, listenRules, acceptRules, closeRules,
	tcpRules, tcpSegmentRules, udpRules,
	serverRules, clientRules, exampleRules,
)

func sortedByID(chapters ...[]Rule) []Rule {
	all := slices.Concat(chapters...)
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// must is a rule that the notes document. Sources are separated by "; ".
func must(id, sources, claim, note string) Rule {
	r := ruleOf(id, sources, claim, note)
	r.Level, r.Documented = Must, true
	return r
}

// should is a rule that the standards or experience add.
func should(id, sources, claim, note string) Rule {
	r := ruleOf(id, sources, claim, note)
	r.Level = Should
	return r
}

// platform is a rule that states a fact of Linux.
func platform(id, sources, claim, note string) Rule {
	r := ruleOf(id, sources, claim, note)
	r.Level = Platform
	return r
}

func ruleOf(id, sources, claim, note string) Rule {
	chapter, _, _ := strings.Cut(id, ".")
	return Rule{ID: id, Chapter: chapter, Sources: strings.Split(sources, "; "), Claim: claim, Note: note}
}
