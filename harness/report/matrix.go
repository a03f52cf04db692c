package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// The names of the two files of a kill matrix.
const (
	MatrixText = "killmatrix.md"
	MatrixPage = "killmatrix.html"
)

//go:embed matrix.html
var matrixTemplate string

// Kill is one fault with what came of it.
type Kill struct {
	Fault string // its name, unique in the matrix
	About string // the mistake, in one sentence
	Kind  string // what is faulty: "server", "client", "API", …
	Names []string
	May   []string // rules that it may fail as a consequence
	Fails []string // rules that it was seen to fail
	// Unseen says why no rule can catch it, where Names is empty.
	Unseen string
	// Untried says why it was not tried here: a compiler is missing, say.
	Untried string
	// Wrong says in what way it was not judged as it declares; nothing where it was.
	Wrong []string
}

func (k Kill) named(rule string) bool {
	return slices.Contains(k.Names, rule) && slices.Contains(k.Fails, rule)
}

// Companions are the rules that it failed besides those that it names.
func (k Kill) Companions() []string {
	return slices.DeleteFunc(slices.Clone(k.Fails), func(rule string) bool { return slices.Contains(k.Names, rule) })
}

// Matrix holds rules against faults: which fault each rule caught.
type Matrix struct {
	Host  evidence.Host
	Rules []rules.Rule // those that are to be reached
	Kills []Kill
}

// By lists the faults that name a rule and were seen to fail it.
func (m Matrix) By(rule string) []string {
	var faults []string
	for _, k := range m.Kills {
		if k.named(rule) {
			faults = append(faults, k.Fault)
		}
	}
	return faults
}

// Unreached are the rules that no fault was seen to fail.
func (m Matrix) Unreached() []string {
	var ids []string
	for _, r := range m.Rules {
		if len(m.By(r.ID)) == 0 {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// Amiss lists, in one line each, everything for which the matrix is not square: a rule that no fault reaches,
// a fault that was not caught by the rules that it names, or by others than it declares, or not tried.
func (m Matrix) Amiss() []string {
	var lines []string
	for _, id := range m.Unreached() {
		lines = append(lines, id+": no fault was seen to fail it")
	}
	for _, k := range m.Kills {
		for _, wrong := range k.Wrong {
			lines = append(lines, k.Fault+": "+wrong)
		}
		if k.Untried != "" {
			lines = append(lines, k.Fault+": not tried: "+k.Untried)
		}
	}
	return lines
}

// Summary is the matrix in one sentence.
func (m Matrix) Summary() string {
	caught, unseen := 0, 0
	for _, k := range m.Kills {
		switch {
		case len(k.Names) == 0:
			unseen++
		case len(k.Wrong) == 0 && k.Untried == "":
			caught++
		}
	}
	return fmt.Sprintf("%d of %d rules were seen to fail; %d of %d faults were caught by the rules they name and by no others than they declare; %d cannot be observed",
		len(m.Rules)-len(m.Unreached()), len(m.Rules), caught, len(m.Kills)-unseen, unseen)
}

// Write puts the matrix into a folder as Markdown and as a page that works offline, each whole or not at all.
func (m Matrix) Write(folder string) error {
	if err := evidence.WriteFile(filepath.Join(folder, MatrixText), m.writeText); err != nil {
		return err
	}
	return evidence.WriteFile(filepath.Join(folder, MatrixPage), m.writePage)
}

func (m Matrix) writeText(w io.Writer) error {
	p := &printer{w: w}
	p.printf("# Kill matrix\n\n%s.\n", m.Summary())
	m.writeAmiss(p)
	p.printf("\n## Rules, and the faults that each caught\n\n| rule | level | caught | as a companion of others |\n|---|---|---|---|\n")
	for _, r := range m.Rules {
		companions := 0
		for _, k := range m.Kills {
			if slices.Contains(k.Companions(), r.ID) {
				companions++
			}
		}
		p.printf("| %s | %s | %s | %d |\n", r.ID, r.Level, cell(strings.Join(m.By(r.ID), "; ")), companions)
	}
	p.printf("\n## Faults, and the rules that caught each\n\n| fault | of | mistake | caught by | companions |\n|---|---|---|---|---|\n")
	for _, k := range m.Kills {
		if len(k.Names) == 0 {
			continue
		}
		p.printf("| %s | %s | %s | %s | %s |\n", cell(k.Fault), k.Kind, cell(k.About),
			strings.Join(slices.DeleteFunc(slices.Clone(k.Names), func(rule string) bool { return !k.named(rule) }), ", "), strings.Join(k.Companions(), ", "))
	}
	p.printf("\n## Faults that no rule catches, and why\n\n| fault | of | mistake | reason |\n|---|---|---|---|\n")
	for _, k := range m.Kills {
		if len(k.Names) == 0 {
			p.printf("| %s | %s | %s | %s |\n", cell(k.Fault), k.Kind, cell(k.About), cell(k.Unseen))
		}
	}
	return p.err
}

func (m Matrix) writeAmiss(p *printer) {
	amiss := m.Amiss()
	if len(amiss) == 0 {
		return
	}
	p.printf("\n## What does not agree\n\n")
	for _, line := range amiss {
		p.printf("- %s\n", oneLine(line))
	}
}

// cell is a text in a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }

// matrixChapter is the part of the matrix with the rules of a chapter, and the faults that reach one of them.
type matrixChapter struct {
	Name  string
	Kills []Kill
	Rows  []matrixRow
}

type matrixRow struct {
	Rule   rules.Rule
	Cells  []string // "named", "companion" or "" for each fault of the chapter
	Caught int
}

func (m Matrix) chapters() []matrixChapter {
	var all []matrixChapter
	for _, name := range rules.Chapters() {
		c := matrixChapter{Name: name}
		inChapter := func(rule string) bool { return strings.HasPrefix(rule, name+".") }
		for _, k := range m.Kills {
			if slices.ContainsFunc(k.Names, inChapter) || slices.ContainsFunc(k.Fails, inChapter) {
				c.Kills = append(c.Kills, k)
			}
		}
		for _, r := range m.Rules {
			if r.Chapter == name {
				c.Rows = append(c.Rows, c.row(r))
			}
		}
		if len(c.Rows) > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (c matrixChapter) row(r rules.Rule) matrixRow {
	row := matrixRow{Rule: r}
	for _, k := range c.Kills {
		state := ""
		switch {
		case k.named(r.ID):
			state = "named"
			row.Caught++
		case slices.Contains(k.Names, r.ID):
			state = "missed"
		case slices.Contains(k.Fails, r.ID) && slices.Contains(k.May, r.ID):
			state = "companion"
		case slices.Contains(k.Fails, r.ID):
			state = "undeclared"
		}
		row.Cells = append(row.Cells, state)
	}
	return row
}

func (m Matrix) writePage(w io.Writer) error {
	page, err := template.New("matrix").Funcs(template.FuncMap{"one": oneLine}).Parse(matrixTemplate)
	if err != nil {
		return fmt.Errorf("parse the matrix: %w", err)
	}
	unseen := slices.DeleteFunc(slices.Clone(m.Kills), func(k Kill) bool { return len(k.Names) > 0 })
	err = page.Execute(w, map[string]any{
		"Style": template.CSS(pageStyle + pageColours()), "Host": m.Host, "Summary": m.Summary(), "Amiss": m.Amiss(),
		"Chapters": m.chapters(), "Unseen": unseen,
	})
	if err != nil {
		return fmt.Errorf("fill the matrix: %w", err)
	}
	return nil
}
