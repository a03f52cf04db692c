package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The ids of the contract. They are written out here a second time so that none can vanish or change its
// name unnoticed: people keep them in grading sheets.
const documented = `
	socket.returns-descriptor socket.failure-is-minus-one socket.domains socket.types
	socket.default-protocol connect.returns-zero connect.no-new-descriptor
	connect.same-descriptor-carries-data connect.required-before-data connect.handshake-first
	connect.refused-without-listener send.returns-count send.failure-is-minus-one send.blocks-when-full
	send.dontwait-when-full send.zero-length-emits-nothing send.client-uses-its-socket
	send.server-uses-accepted recv.returns-count recv.failure-is-minus-one recv.blocks-until-data
	recv.dontwait-when-empty recv.zero-on-peer-close recv.zero-on-peer-exit recv.data-before-end
	recv.server-uses-accepted bind.returns-zero bind.fixes-the-address bind.network-byte-order
	bind.any-address bind.failure-is-minus-one listen.returns-zero listen.makes-the-socket-passive
	listen.backlog-bounds-the-queue listen.failure-is-minus-one accept.blocks-until-client
	accept.fresh-descriptor accept.one-descriptor-per-client accept.fills-peer-address
	accept.listener-keeps-listening accept.failure-is-minus-one close.peer-receives-zero
	close.sends-fin close.listener-refuses-new close.listener-spares-live
	close.connection-spares-listener close.client-ends-only-its-connection tcp.connection-oriented
	tcp.client-active-server-passive tcp.byte-stream-merges tcp.byte-stream-splits tcp.sequence-numbers
	tcp.acknowledges-data tcp.checksum-valid tcp.retransmits-lost tcp.retransmits-corrupted
	tcp.four-way-close udp.no-handshake udp.no-listen-accept udp.keeps-boundaries
	udp.zero-length-datagram udp.lost-stays-lost server.stream-socket server.call-order
	server.binds-given-address server.waits-for-clients server.accept-fresh-descriptor
	server.talks-on-accepted server.reports-peer server.prints-message server.replies
	server.closes-accepted server.closes-listener server.ends-with-fin server.exits-zero
	server.checks-bind server.checks-usage client.stream-socket client.call-order
	client.connects-to-given-address client.connect-keeps-descriptor client.talks-on-its-socket
	client.sends-after-connect client.sends-message client.prints-reply client.closes
	client.ends-with-fin client.exits-zero client.checks-connect client.checks-usage
	example.socket-prints-descriptor example.bind-reports-success
`

const extended = `
	socket.starts-unnamed socket.flags-only-when-asked connect.names-both-ends
	connect.twice-is-an-error connect.bad-arguments connect.nonblocking-in-progress
	send.partial-when-nonblocking send.epipe-after-peer-close recv.peek-keeps-data recv.waitall-fills
	recv.reset-reported-once bind.port-zero-is-ephemeral bind.time-wait-needs-reuseaddr
	listen.unbound-gets-a-port accept.empty-nonblocking close.frees-the-descriptor
	close.last-duplicate-closes close.unread-data-resets close.linger-zero-resets shutdown.write-half
	tcp.lost-syn-retried tcp.lost-fin-retried tcp.reorders tcp.discards-duplicates tcp.respects-window
	tcp.respects-mss tcp.simultaneous-close tcp.time-wait-on-active-closer tcp.fast-retransmit
	tcp.never-resets-a-reset udp.connect-emits-nothing udp.close-emits-nothing server.backlog-sensible
	server.reply-clean server.assembles-split-message server.survives-silent-client
	server.survives-reset server.survives-full-message server.restarts-at-once
	server.leaks-no-descriptor server.serves-in-any-order client.message-clean
	client.assembles-split-reply client.sends-everything client.survives-closed-server
	client.handles-empty-input
`

// segment are the further rules that only a scripted peer can show.
const segment = `
	tcp.bad-ack-in-syn-received-draws-rst tcp.reset-in-syn-sent-refuses tcp.closed-port-draws-rst
	tcp.syn-in-established-draws-challenge-ack tcp.reset-outside-window-ignored
	tcp.reset-off-edge-draws-challenge-ack tcp.data-outside-window-not-delivered
	tcp.overlapping-segments-merge tcp.segment-without-ack-dropped tcp.simultaneous-open
	tcp.data-after-close-draws-rst tcp.fin-counts-one tcp.half-close-carries-data
	tcp.lost-handshake-ack-healed-by-data tcp.retransmission-backs-off tcp.push-on-last-segment
	tcp.window-shrink-survived tcp.mss-option-obeyed tcp.mss-default-536
`

// platformFacts are the extended rules that state a fact of Linux.
const platformFacts = `
	socket.flags-only-when-asked recv.reset-reported-once bind.time-wait-needs-reuseaddr
	listen.unbound-gets-a-port close.linger-zero-resets
`

func TestEveryRuleOfTheContractIsInTheCatalogue(t *testing.T) {
	if missing := missingFrom(Catalogue(), strings.Fields(documented+extended+segment)); len(missing) > 0 {
		t.Errorf("not in the catalogue: %v", missing)
	}
	known := strings.Fields(documented + extended + segment)
	for _, r := range Catalogue() {
		if !slices.Contains(known, r.ID) {
			t.Errorf("%s is in the catalogue and not in the contract", r.ID)
		}
	}
}

func TestAMissingRuleIsNoticed(t *testing.T) {
	broken := slices.DeleteFunc(Catalogue(), func(r Rule) bool { return r.ID == "accept.fresh-descriptor" })
	if missing := missingFrom(broken, strings.Fields(documented)); !slices.Equal(missing, []string{"accept.fresh-descriptor"}) {
		t.Errorf("missing = %v", missing)
	}
}

func missingFrom(catalogue []Rule, ids []string) []string {
	var missing []string
	for _, id := range ids {
		if !slices.ContainsFunc(catalogue, func(r Rule) bool { return r.ID == id }) {
			missing = append(missing, id)
		}
	}
	return missing
}

func TestLevelsFollowTheContract(t *testing.T) {
	for _, r := range Catalogue() {
		want, isDocumented := Should, false
		switch {
		case slices.Contains(strings.Fields(documented), r.ID):
			want, isDocumented = Must, true
		case slices.Contains(strings.Fields(platformFacts), r.ID):
			want = Platform
		}
		if r.Level != want || r.Documented != isDocumented {
			t.Errorf("%s: level %s, documented %v; want %s, %v", r.ID, r.Level, r.Documented, want, isDocumented)
		}
	}
}

func TestCatalogueIsSortedAndUnique(t *testing.T) {
	all := Catalogue()
	for i := 1; i < len(all); i++ {
		if all[i-1].ID >= all[i].ID {
			t.Errorf("%s stands before %s", all[i-1].ID, all[i].ID)
		}
	}
}

func TestEveryRuleIsWellFormed(t *testing.T) {
	for _, r := range Catalogue() {
		for _, fault := range faultsOf(r) {
			t.Errorf("%s: %s", r.ID, fault)
		}
	}
}

func TestAnIllFormedRuleIsNoticed(t *testing.T) {
	whole := must("bind.returns-zero", "notes §4.2", "It returns 0.", "0 is success, and everything else is a failure.")
	for what, spoil := range map[string]func(*Rule){
		"an id of two chapters":       func(r *Rule) { r.ID = "bind.listen.zero" },
		"an id with capitals":         func(r *Rule) { r.ID = "bind.ReturnsZero" },
		"a chapter that is not there": func(r *Rule) { r.ID, r.Chapter = "bnd.returns-zero", "bnd" },
		"a chapter of another id":     func(r *Rule) { r.Chapter = "listen" },
		"no level":                    func(r *Rule) { r.Level = "" },
		"no source":                   func(r *Rule) { r.Sources = nil },
		"two sources in one":          func(r *Rule) { r.Sources = []string{"notes §4.2, POSIX"} },
		"a claim without a full stop": func(r *Rule) { r.Claim = "It returns 0" },
		"a claim of two sentences":    func(r *Rule) { r.Claim = "It returns 0. Always." },
		"a note that says nothing":    func(r *Rule) { r.Note = "Bad." },
		"a note of four sentences":    func(r *Rule) { r.Note = "It is bad. So it is. And it is. Yes it is." },
		"a claim in small letters":    func(r *Rule) { r.Claim = "it returns 0." },
	} {
		r := whole
		spoil(&r)
		if len(faultsOf(r)) == 0 {
			t.Errorf("%s passes", what)
		}
	}
	if faults := faultsOf(whole); len(faults) > 0 {
		t.Errorf("a whole rule has faults: %v", faults)
	}
}

var (
	wellFormedID = regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$`)
	source       = regexp.MustCompile(`^(notes §\d(\.\d)?|notes, the programs|RFC \d+ (§\d+(\.\d+)*|SHLD-\d+)|POSIX|Linux|experience)$`)
	sentenceEnd  = regexp.MustCompile(`\.( [A-Z0-9]|$)`)
	opening      = regexp.MustCompile(`^([A-Z0-9]|accept|bind|close|connect|getpeername|listen|recv|send|shutdown|socket)`)
)

// faultsOf says what is wrong with how a rule is written.
func faultsOf(r Rule) []string {
	var faults []string
	check := func(holds bool, fault string) {
		if !holds {
			faults = append(faults, fault)
		}
	}
	check(wellFormedID.MatchString(r.ID), "the id is not chapter.slug")
	check(strings.HasPrefix(r.ID, r.Chapter+"."), "the id does not begin with the chapter")
	check(slices.Contains(Chapters(), r.Chapter), "the chapter is not one of the contract")
	check(slices.Contains([]Level{Must, Should, Platform}, r.Level), "there is no such level")
	check(len(r.Sources) > 0, "no source")
	for _, s := range r.Sources {
		check(source.MatchString(s), "the source is no source: "+s)
	}
	check(opening.MatchString(r.Claim), "the claim begins small and not with the name of a call")
	check(strings.HasSuffix(r.Claim, "."), "the claim has no full stop")
	check(len(sentenceEnd.FindAllString(r.Claim, -1)) == 1, "the claim is not one sentence")
	check(len(r.Note) >= 40, "the note says next to nothing")
	check(strings.HasSuffix(r.Note, "."), "the note has no full stop")
	check(len(sentenceEnd.FindAllString(r.Note, -1)) <= 3, "the note is too long")
	return faults
}

func TestChaptersAndRulesBelongTogether(t *testing.T) {
	for _, chapter := range Chapters() {
		if !slices.ContainsFunc(Catalogue(), func(r Rule) bool { return r.Chapter == chapter }) {
			t.Errorf("chapter %s has no rule", chapter)
		}
	}
}

func TestCallersCannotChangeTheCatalogue(t *testing.T) {
	Catalogue()[0].ID = "spoilt"
	Chapters()[0] = "spoilt"
	if Catalogue()[0].ID == "spoilt" || Chapters()[0] == "spoilt" {
		t.Error("a caller changed the catalogue")
	}
}

func TestLookup(t *testing.T) {
	if r, ok := Lookup("server.closes-accepted"); !ok || r.Chapter != "server" || r.Level != Must {
		t.Errorf("Lookup = %+v, %v", r, ok)
	}
	if _, ok := Lookup("server.closes"); ok {
		t.Error("a rule that does not exist was found")
	}
}
