package suites

import (
	"context"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"

	"tcpwitness/harness/dialogue"
	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
	"tcpwitness/harness/rules"
	"tcpwitness/harness/stage"
)

// judged declares the specs of a chapter about programs: one for each of its rules.
func judged(role, chapter string) {
	if theHouse != nil && !theHouse.judges(chapter) {
		return
	}
	for _, r := range rules.Catalogue() {
		if r.Chapter != chapter {
			continue
		}
		It(r.ID+": "+r.Claim, labels(r, false), SpecTimeout(20*deadline), func(ctx SpecContext) {
			if theHouse == nil {
				Skip("the suites were not started by their own test")
			}
			theHouse.judge(ctx, chapter, r)
		})
	}
	AfterAll(func() {
		if theHouse != nil {
			theHouse.leave(chapter)
		}
	})
}

// judgesProgram says whether a program was given to be judged.
func (h *House) judgesProgram() bool { return h.Settings.Server != "" || h.Settings.Client != "" }

// judges says whether a chapter about programs is to run: all of them on the reference programs, or that of
// the program that was given.
func (h *House) judges(chapter string) bool {
	switch chapter {
	case "server":
		return h.Settings.Server != "" || !h.judgesProgram()
	case "client":
		return h.Settings.Client != "" || !h.judgesProgram()
	}
	return !h.judgesProgram()
}

// judge answers one rule about a program, from scenes that are played when first needed.
func (h *House) judge(ctx context.Context, chapter string, r rules.Rule) {
	company, err := h.company(chapter)
	if err != nil {
		Fail(err.Error())
	}
	scenes := rules.Judged(r.ID)
	if everything() {
		scenes = company.scenes() // every one will be needed: play them beside each other
	}
	runs := company.play(ctx, scenes)
	finding := rules.Judge(runs...).Finding(r.ID)
	result := report.Result{Finding: finding}
	var shown *evidence.Run
	for _, run := range runs {
		if run.Scenario == finding.Scenario {
			shown = run
		}
	}
	if shown != nil && h.keeps(finding.Verdict) {
		files, err := company.keep(h, shown)
		if err != nil {
			result.Verdict, result.Reason = rules.Error, err.Error()
		}
		result.Files = files
	}
	h.note(result)
	h.end(r, result, shown)
}

// everything says whether no flag selects among the specs.
func everything() bool {
	config, _ := GinkgoConfiguration()
	return len(config.FocusStrings)+len(config.SkipStrings)+len(config.FocusFiles)+len(config.SkipFiles) == 0 && config.LabelFilter == ""
}

// beside is the number of scenes that are played beside each other: most of a scene is waiting.
const beside = 3

// company is who plays the scenes of one chapter, with what has been played.
type company struct {
	players map[evidence.Scene]*stage.Player

	mu    sync.Mutex
	runs  map[evidence.Scene]*evidence.Run
	files map[string]report.Files // by scenario
}

func (h *House) company(chapter string) (*company, error) {
	if c := h.companies[chapter]; c != nil {
		return c, nil
	}
	c := &company{players: map[evidence.Scene]*stage.Player{}, runs: map[evidence.Scene]*evidence.Run{}, files: map[string]report.Files{}}
	switch chapter {
	case "example":
		for scene, role := range map[evidence.Scene]string{
			evidence.SceneSocketExample: "socket-example", evidence.SceneBindExample: "bind-example", evidence.SceneBindExampleInUse: "bind-example",
		} {
			c.players[scene] = &stage.Player{
				Theatre: h.theatre, Program: stage.ReferenceProgram(role).Bare(), Dialogue: h.Dialogue, Role: evidence.Server, Kind: "reference",
			}
		}
	case "server":
		h.cast(c, evidence.Server, h.Settings.Server, h.Settings.ServerArgs)
		if err := h.doubleForTheServer(c); err != nil {
			return nil, err
		}
	case "client":
		h.cast(c, evidence.Client, h.Settings.Client, h.Settings.ClientArgs)
	}
	if h.companies == nil {
		h.companies = map[string]*company{}
	}
	h.companies[chapter] = c
	return c, nil
}

// cast has one program play in every scene of its role.
func (h *House) cast(c *company, role, path, args string) {
	player := &stage.Player{
		Theatre: h.theatre, Program: stage.ReferenceProgram(role), Dialogue: h.Dialogue, Role: role, Kind: "reference",
		Port: uint16(h.Settings.Port),
	}
	if path != "" {
		player.Kind = "program"
		player.Program = h.Programs[role]
	}
	for _, scene := range dialogue.Scenes(role) {
		c.players[scene] = player
	}
}

// doubleForTheServer has another reference server play the scenes for which the notes' own, which serves one
// client and ends, has no part: those of a server that stays up and serves clients side by side.
func (h *House) doubleForTheServer(c *company) error {
	if h.Settings.Server != "" || h.Settings.Dialogue != dialogue.Default {
		return nil
	}
	spoken, err := dialogue.Load("echo")
	if err != nil {
		return err
	}
	double := &stage.Player{
		Theatre: h.theatre, Program: stage.ReferenceProgram("echo-server"), Dialogue: spoken, Role: evidence.Server, Kind: "reference",
	}
	c.players[evidence.SceneTwoClients], c.players[evidence.SceneManyClients] = double, double
	return nil
}

func (c *company) scenes() []evidence.Scene {
	var all []evidence.Scene
	for scene := range c.players {
		all = append(all, scene)
	}
	slices.Sort(all)
	return all
}

// play yields the runs of scenes, and plays those that have not been played.
func (c *company) play(ctx context.Context, scenes []evidence.Scene) []*evidence.Run {
	places := make(chan struct{}, beside)
	var playing sync.WaitGroup
	for _, scene := range scenes {
		player := c.players[scene]
		c.mu.Lock()
		played := c.runs[scene] != nil
		c.mu.Unlock()
		if player == nil || played {
			continue
		}
		places <- struct{}{}
		playing.Go(func() {
			defer func() { <-places }()
			run := player.Play(ctx, scene)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.runs[scene] = run
		})
	}
	playing.Wait()
	var runs []*evidence.Run
	for _, scene := range scenes {
		if run := c.runs[scene]; run != nil {
			runs = append(runs, run)
		}
	}
	return runs
}

// keep saves a run once.
func (c *company) keep(h *House, run *evidence.Run) (report.Files, error) {
	if files, kept := c.files[run.Scenario]; kept {
		return files, nil
	}
	files, err := h.save(run)
	if err == nil {
		c.files[run.Scenario] = files
	}
	return files, err
}

// leave lets go of what a chapter has kept in memory.
func (h *House) leave(chapter string) { delete(h.companies, chapter) }
