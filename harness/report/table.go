package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tcpwitness/harness/rules"
)

// tableWidth is the number of columns that the table keeps within.
const tableWidth = 80

// listed is how many rules a list in the table names before it says how many more there are.
const listed = 12

// Table is the short table at the end of a run.
type Table struct {
	Conformance
	Level rules.Level // up to which one a failure fails the run
	// Output is the folder with the evidence, as the reader would type it.
	Output string
	// Page is the HTML report, as the reader would type it; empty where there is none.
	Page  string
	Style Style
}

// WriteTo writes a line a chapter with its passes, failures, skips and errors, then the advice, then where
// the evidence is.
func (t Table) WriteTo(w io.Writer) (int64, error) {
	p := &printer{w: w, style: t.Style}
	t.chapters(p)
	t.list(p, t.text("failed the run", "使本次运行失败的规则"), red, t.Failing(t.Level))
	t.list(p, t.text("advice, does not fail the run at -level=", "建议（不影响 -level=")+string(t.Level)+t.text("", " 的结果）"), yellow, t.Advice(t.Level))
	if t.Output != "" {
		p.printf("\n%s %s\n", t.text("evidence:", "证据："), oneLine(t.Output))
	}
	if t.Page != "" {
		p.printf("%s %s\n", t.text("report:  ", "报告："), oneLine(t.Page))
	}
	return p.n, p.err
}

func (t Table) text(en, zh string) string { return Text{en, zh}.In(t.Style.Language) }

func (t Table) chapters(p *printer) {
	counts, order := map[string]Counts{}, rules.Chapters()
	var sum Counts
	for _, r := range t.Rules {
		if !slices.Contains(order, r.Chapter) {
			order = append(order, r.Chapter)
		}
		c := counts[r.Chapter]
		c.add(r.Verdict)
		counts[r.Chapter] = c
		sum.add(r.Verdict)
	}
	errors := sum.Error > 0
	heading := padRight(t.text("chapter", "章"), 10) + padLeft(t.text("pass", "通过"), 7) +
		padLeft(t.text("fail", "失败"), 7) + padLeft(t.text("skip", "跳过"), 7)
	if errors {
		heading += padLeft(t.text("error", "出错"), 7)
	}
	p.printf("%s\n", p.style.paint(bold, heading))
	for _, chapter := range order {
		if c, ran := counts[chapter]; ran {
			p.printf("%s\n", t.line(chapter, c, errors))
		}
	}
	p.printf("%s\n", p.style.paint(bold, t.line(t.text("together", "合计"), sum, errors)))
}

func (t Table) line(name string, c Counts, errors bool) string {
	line := padRight(name, 10) + t.number(c.Pass, green) + t.number(c.Fail, red) + t.number(c.Skip, yellow)
	if errors {
		line += t.number(c.Error, magenta)
	}
	return line
}

// number is right-aligned, coloured where there is something to look at, and a dot for 0.
func (t Table) number(n int, c colour) string {
	if n == 0 {
		return padLeft("·", 7)
	}
	return t.Style.paint(c, padLeft(fmt.Sprint(n), 7))
}

// list names rules with their reasons, a line each.
func (t Table) list(p *printer, heading string, c colour, judged []Judged) {
	if len(judged) == 0 {
		return
	}
	p.printf("\n%s\n", p.style.paint(c, fmt.Sprintf("%s (%d)", heading, len(judged))))
	for i, r := range judged {
		if i == listed {
			p.printf("  %s\n", fmt.Sprintf(t.text("… and %d more: see %s", "……另有 %d 条：见 %s"), len(judged)-listed, ConformanceFile))
			return
		}
		reason := oneLine(r.Reason)
		if r.Verdict == rules.Error {
			reason = t.text("the harness failed: ", "测试工具自身出错：") + reason
		}
		p.printf("%s\n", strings.TrimRight(clip(fmt.Sprintf("  %s  %s", r.ID, reason), tableWidth), " "))
	}
}
