package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// PageFile is the name of the HTML report in the folder of a run's output.
const PageFile = "report.html"

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// Page is the HTML report: one file that needs nothing else, works from disk and without a network, and
// shows what programs under test printed and sent without running any of it.
type Page struct {
	Outcome
	Level rules.Level // up to which one a failure fails the run
	// Load yields the run that a result rests on, or nil where nothing was kept; it is called from several
	// goroutines at once. Nil stands for reading Files.Run from the folder that the page is written to.
	Load func(Result) (*evidence.Run, error)
	// Language is the one that the page opens in; it can be switched there.
	Language Language
}

// Write puts report.html into the folder, whole or not at all. A run that cannot be read is said in the page
// and does not stop it.
func (p Page) Write(folder string) error {
	if p.Load == nil {
		p.Load = func(r Result) (*evidence.Run, error) {
			if r.Files.Run == "" {
				return nil, nil
			}
			return evidence.Load(filepath.Join(folder, r.Files.Run))
		}
	}
	return evidence.WriteFile(filepath.Join(folder, PageFile), p.render)
}

// pageData is what the template shows.
type pageData struct {
	Language Language
	Policy   string
	Style    template.CSS
	Target   Target
	Host     evidence.Host
	Level    rules.Level
	Counts   Counts
	Failing  int
	Chapters []pageChapter
	Levels   []pageLevel
	Rules    []pageRule
}

type pageChapter struct {
	Name string
	Counts
}

type pageLevel struct {
	Name rules.Level
	Counts
}

// pageRule is one rule with all that was found out about it.
type pageRule struct {
	Judged
	ClaimZh, Note, NoteZh string
	Source, SourceZh      string
	Failing               bool // it fails the run
	Findings              []pageFinding
}

// pageFinding is one result, with the number of the scene that it rests on.
type pageFinding struct {
	Result
	Scene  int // -1 for none
	Marks  string
	Broken bool
	Cited  string
}

func (p Page) render(w io.Writer) error {
	conformance := p.Conformance()
	scenes := p.scenes()
	data := p.data(conformance, scenes)
	page, err := template.New("page").Funcs(template.FuncMap{
		"one": oneLine, "text": evidence.Printable, "word": verdictWord,
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("fill the page: %w", err)
	}
	if err := p.writeScenes(w, scenes); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "<script>%s</script>\n</body></html>\n", pageScript)
	return err
}

// policy lets nothing run but this package's script, and nothing load at all.
func policy() string {
	sum := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// pageScene is a scenario with the results that rest on it.
type pageScene struct {
	key     string
	results []Result
}

// scenes lists the scenarios of all results, each once.
func (p Page) scenes() []pageScene {
	var all []pageScene
	for _, r := range p.Results {
		key := sceneKey(r)
		if key == "" {
			continue
		}
		i := slices.IndexFunc(all, func(s pageScene) bool { return s.key == key })
		if i < 0 {
			i = len(all)
			all = append(all, pageScene{key: key})
		}
		all[i].results = append(all[i].results, r)
	}
	return all
}

// sceneKey tells scenarios apart.
func sceneKey(r Result) string {
	if r.Files.Run != "" {
		return r.Files.Run
	}
	return r.Scenario
}

// writeScenes writes the scenarios as compressed data, which the page unpacks when somebody looks at them.
// Some are prepared ahead while others are written.
func (p Page) writeScenes(w io.Writer, scenes []pageScene) error {
	ready := make([]chan packedScene, len(scenes))
	ahead := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	for i := range ready {
		ready[i] = make(chan packedScene, 1)
	}
	zips := &sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	go func() {
		for i := range scenes {
			ahead <- struct{}{}
			go func() { ready[i] <- p.pack(&scenes[i], zips) }()
		}
	}()
	var failed error
	for i := range scenes {
		packed := <-ready[i]
		<-ahead
		if failed != nil {
			continue
		}
		if failed = packed.err; failed == nil {
			_, failed = fmt.Fprintf(w, "<script type=\"application/gzip\" id=\"scene-%d\">%s</script>\n", i, packed.text)
		}
	}
	return failed
}

// packedScene is a scenario in base64.
type packedScene struct {
	text string
	err  error
}

// pack prepares a scenario. The compressors in the pool are used again: each takes a megabyte.
func (p Page) pack(s *pageScene, zips *sync.Pool) packedScene {
	marks := Marks{}
	for _, r := range s.results {
		marks.Frames = append(marks.Frames, r.Frames...)
		marks.Calls = append(marks.Calls, r.Calls...)
	}
	content := scene{Scenario: oneLine(s.key), Pictures: []scenePic{}, Packets: []scenePacket{}, Calls: []sceneCall{}, Ends: []sceneEnd{}}
	run, err := p.Load(s.results[0])
	switch {
	case err != nil:
		content.Notes = []string{oneLine(err.Error())}
	case run != nil:
		content = sceneOf(run, marks)
	}
	var packed bytes.Buffer
	zip := zips.Get().(*gzip.Writer)
	defer zips.Put(zip)
	zip.Reset(&packed)
	encoder := json.NewEncoder(zip)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		return packedScene{err: fmt.Errorf("encode the scenario %s: %w", oneLine(s.key), err)}
	}
	if err := zip.Close(); err != nil {
		return packedScene{err: fmt.Errorf("compress the scenario %s: %w", oneLine(s.key), err)}
	}
	return packedScene{text: base64.StdEncoding.EncodeToString(packed.Bytes())}
}

func (p Page) data(c Conformance, scenes []pageScene) pageData {
	language := p.Language
	if language == "" {
		language = English
	}
	d := pageData{
		Language: language, Policy: policy(), Style: template.CSS(pageStyle + pageColours()),
		Target: c.Target, Host: c.Host, Level: p.Level, Failing: len(c.Failing(p.Level)),
	}
	for _, level := range []rules.Level{rules.Must, rules.Should, rules.Platform} {
		d.Levels = append(d.Levels, pageLevel{level, c.Summary[level]})
	}
	counts, order := map[string]Counts{}, rules.Chapters()
	for _, r := range c.Rules {
		if !slices.Contains(order, r.Chapter) {
			order = append(order, r.Chapter)
		}
		n := counts[r.Chapter]
		n.add(r.Verdict)
		counts[r.Chapter] = n
		d.Counts.add(r.Verdict)
	}
	for _, name := range order {
		if n, ran := counts[name]; ran {
			d.Chapters = append(d.Chapters, pageChapter{name, n})
		}
	}
	for _, r := range c.Rules {
		d.Rules = append(d.Rules, p.rule(r, scenes))
	}
	slices.SortStableFunc(d.Rules, func(a, b pageRule) int { return a.rank(order) - b.rank(order) })
	return d
}

// rank puts what went wrong first, and the rest into the order of the contract.
func (r pageRule) rank(chapters []string) int {
	place := slices.Index(chapters, r.Chapter)
	switch {
	case r.Failing:
		return place - 2000
	case r.Verdict == rules.Fail || r.Verdict == rules.Error:
		return place - 1000
	}
	return place
}

func (p Page) rule(j Judged, scenes []pageScene) pageRule {
	rule, _ := rules.Lookup(j.ID)
	r := pageRule{
		Judged: j, Source: sourcesIn(rule.Sources, English), SourceZh: sourcesIn(rule.Sources, Chinese),
		Failing: Binding(j.Level, p.Level) && (j.Verdict == rules.Fail || j.Verdict == rules.Error),
	}
	r.ClaimZh, r.NoteZh = wording(rule, Chinese)
	_, r.Note = wording(rule, English)
	for _, found := range p.Results {
		if found.Rule != j.ID {
			continue
		}
		f := pageFinding{Result: found, Scene: -1, Broken: found.Verdict == rules.Fail}
		if key := sceneKey(found); key != "" {
			f.Scene = slices.IndexFunc(scenes, func(s pageScene) bool { return s.key == key })
		}
		marks, _ := json.Marshal(map[string]any{"frames": orEmpty(found.Frames), "calls": orEmpty(found.Calls)})
		f.Marks = string(marks)
		f.Cited = Failure{Result: found}.cited()
		r.Findings = append(r.Findings, f)
	}
	slices.SortStableFunc(r.Findings, func(a, b pageFinding) int { return severity(a.Verdict) - severity(b.Verdict) })
	return r
}

func orEmpty(n []int) []int {
	if n == nil {
		return []int{}
	}
	return n
}

// verdictWord is a verdict in both languages, for the template.
func verdictWord(v rules.Verdict) Text {
	switch v {
	case rules.Pass:
		return Text{"pass", "通过"}
	case rules.Fail:
		return Text{"fail", "失败"}
	case rules.Skip:
		return Text{"skip", "跳过"}
	}
	return Text{"error", "出错"}
}

// pageColours are the colours of the page and its pictures: as the system has it, unless the reader chose.
func pageColours() string {
	var b strings.Builder
	fmt.Fprintf(&b, ":root{color-scheme:light;%s}\n", lightColours)
	fmt.Fprintf(&b, "@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;%s}}\n", darkColours)
	fmt.Fprintf(&b, ":root[data-theme=dark]{color-scheme:dark;%s}\n", darkColours)
	fmt.Fprintf(&b, "@media print{:root,:root:not([data-theme=light]),:root[data-theme=dark]{color-scheme:light;%s}}\n", lightColours)
	b.WriteString(strings.ReplaceAll(pageRules(), "\n", ""))
	return b.String()
}

// pageRules are the rules of the pictures, held to pictures.
func pageRules() string {
	return ".picture text{" + strings.TrimPrefix(strings.Split(pictureRules, "}")[0], "text{") + "}" +
		".picture .m{font-family:ui-monospace,\"SF Mono\",Menlo,Consolas,\"DejaVu Sans Mono\",monospace}" +
		".picture .soft{fill:var(--soft)}.picture .bad{fill:var(--bad)}" +
		".picture .halo{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round}"
}
