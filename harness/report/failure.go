package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// ladderLines is the most that a failure shows of its ladder.
const ladderLines = 30

// Failure is what is told of one finding that is no pass.
type Failure struct {
	Result
	Run *evidence.Run // what was recorded; nil where there is nothing
	// Output is the folder that the files lie in, as the reader would type it.
	Output string
	// Again is the command line that runs just this once more; empty where there is none.
	Again string
	Style Style
}

// WriteTo tells a student, in this order: the rule and its claim, what was expected, what was seen, the
// ladder cut to what matters, what usually causes it, the source, the files, and how to run just this again.
func (f Failure) WriteTo(w io.Writer) (int64, error) {
	p := &printer{w: w, style: f.Style}
	p.printf("%s", f.String())
	return p.n, p.err
}

// String is the text of the failure. No line of it is a command to a CI system, whatever a program printed.
func (f Failure) String() string {
	rule, known := rules.Lookup(f.Rule)
	if !known {
		rule = rules.Rule{ID: f.Rule}
	}
	claim, note := wording(rule, f.Style.Language)
	var b strings.Builder
	f.headline(&b, rule)
	f.paragraph(&b, Text{"claim", "规则"}, claim)
	if f.Verdict == rules.Error || f.Verdict == rules.Skip {
		f.paragraph(&b, Text{"because", "原因"}, f.Reason)
	} else {
		if f.Expected != "" {
			f.paragraph(&b, Text{"expected", "预期"}, f.Expected)
		}
		f.paragraph(&b, Text{"seen", "实际"}, f.seen())
	}
	f.ladder(&b)
	if f.Verdict == rules.Fail {
		f.paragraph(&b, Text{"usual cause", "常见原因"}, note)
	}
	f.paragraph(&b, Text{"source", "依据"}, sourcesIn(rule.Sources, f.Style.Language))
	f.files(&b)
	if f.Again != "" {
		f.paragraph(&b, Text{"run it again", "单独重跑"}, "")
		fmt.Fprintf(&b, "    %s\n", oneLine(f.Again))
	}
	return harmless(b.String())
}

// seen is what was seen, led by the reason where that adds something.
func (f Failure) seen() string {
	switch {
	case f.Seen == "":
		return f.Reason
	case f.Reason == "" || strings.Contains(f.Seen, f.Reason):
		return f.Seen
	}
	return f.Reason + "\n" + f.Seen
}

func (f Failure) headline(b *strings.Builder, rule rules.Rule) {
	word, c := Text{"FAIL", "失败"}, red
	switch f.Verdict {
	case rules.Pass:
		word, c = Text{"PASS", "通过"}, green
	case rules.Skip:
		word, c = Text{"SKIP", "跳过"}, yellow
	case rules.Error:
		word, c = Text{"ERROR of the harness", "测试工具自身出错"}, magenta
	}
	line := rule.ID
	if rule.Level != "" {
		line += "  (" + string(rule.Level) + ")"
	}
	if f.Variant != "" {
		line += "  " + oneLine(f.Variant)
	}
	fmt.Fprintf(b, "%s %s\n", f.Style.paint(c, word.In(f.Style.Language)), f.Style.paint(bold, line))
}

// labelWidth is the room for what a paragraph is about.
const labelWidth = 14

// paragraph writes a label and text wrapped beside it, made printable.
func (f Failure) paragraph(b *strings.Builder, label Text, text string) {
	lines := wrap(strings.TrimRight(evidence.Printable(strings.ReplaceAll(text, "\t", "    ")), "\n"), f.Style.columns()-labelWidth-2)
	head := padRight(label.In(f.Style.Language)+":", labelWidth)
	for _, line := range lines {
		fmt.Fprintln(b, strings.TrimRight("  "+f.Style.paint(dim, head)+line, " "))
		head = strings.Repeat(" ", labelWidth)
	}
}

func (f Failure) ladder(b *strings.Builder) {
	if f.Run == nil {
		return
	}
	marks := f.Marks()
	l := Draw(f.Run, DrawOptions{Marks: marks, Rows: ladderLines - 3})
	if l.Empty() {
		return
	}
	b.WriteByte('\n')
	lines := strings.SplitAfter(strings.TrimRight(l.Text(f.Style, marks), "\n"), "\n")
	if len(lines) > ladderLines {
		lines = lines[:ladderLines]
	}
	b.WriteString(strings.Join(lines, ""))
	b.WriteString("\n\n")
}

// Marks are the frames and calls that the finding cites.
func (r Result) Marks() Marks {
	return Marks{Frames: r.Frames, Calls: r.Calls, Broken: r.Verdict == rules.Fail}
}

func (f Failure) files(b *strings.Builder) {
	label := Text{"evidence", "证据"}.In(f.Style.Language) + ":"
	for _, name := range []string{f.Files.Pcap, f.Files.Run} {
		if name == "" {
			continue
		}
		path := name
		if f.Output != "" {
			path = strings.TrimRight(f.Output, "/") + "/" + name
		}
		// A path is never broken over lines, so that it can be copied.
		fmt.Fprintf(b, "  %s%s\n", f.Style.paint(dim, padRight(label, labelWidth)), oneLine(path))
		label = ""
	}
	if len(f.Frames)+len(f.Calls) > 0 {
		fmt.Fprintf(b, "  %s%s\n", strings.Repeat(" ", labelWidth), f.cited())
	}
}

// cited names the frames and calls: "frames 1–3, calls 4, 7".
func (f Failure) cited() string {
	var said []string
	if len(f.Frames) > 0 {
		said = append(said, Text{"frames ", "帧 "}.In(f.Style.Language)+ranges(f.Frames))
	}
	if len(f.Calls) > 0 {
		said = append(said, Text{"calls ", "调用 "}.In(f.Style.Language)+ranges(f.Calls))
	}
	return strings.Join(said, "; ")
}

// ranges lists numbers with runs drawn together: "1–3, 7".
func ranges(numbers []int) string {
	var said []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		switch {
		case j == i:
			said = append(said, fmt.Sprint(numbers[i]))
		case j == i+1:
			said = append(said, fmt.Sprint(numbers[i]), fmt.Sprint(numbers[j]))
		default:
			said = append(said, fmt.Sprintf("%d–%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(said, ", ")
}

// wording is the claim and the lecture note in a language.
func wording(rule rules.Rule, l Language) (claim, note string) {
	return rule.In(string(l))
}

// sourcesIn lists sources; the notes have a name in each language.
func sourcesIn(sources []string, l Language) string {
	said := strings.Join(sources, ", ")
	if l == Chinese {
		said = strings.NewReplacer("notes, the programs", "讲义中的程序", "notes ", "讲义 ", "experience", "经验").Replace(said)
	}
	return said
}

// workflowCommand is a line that GitHub's runner would take for a command; blanks before it do not stop it.
var workflowCommand = regexp.MustCompile(`(?m)^(\s*):(:.*::)`)

// harmless breaks up what a CI system would take for a command: "::error::…" at the beginning of a line,
// "##[…]" anywhere.
func harmless(text string) string {
	return strings.ReplaceAll(workflowCommand.ReplaceAllString(text, "$1: $2"), "##[", "# #[")
}

// Annotation is the line that makes GitHub Actions show the failure beside the run; empty unless the
// environment is one of its jobs and the finding is a failure or an error.
func (f Failure) Annotation(getenv func(string) string) string {
	if getenv("GITHUB_ACTIONS") != "true" || f.Verdict != rules.Fail && f.Verdict != rules.Error {
		return ""
	}
	rule, _ := rules.Lookup(f.Rule)
	claim, _ := wording(rule, f.Style.Language)
	var message []string
	for _, part := range []string{claim, f.seen()} {
		if part = strings.TrimSpace(evidence.Printable(part)); part != "" {
			message = append(message, part)
		}
	}
	return fmt.Sprintf("::error title=%s::%s\n", propertyText(f.Rule), messageText(clipLines(strings.Join(message, "\n"), 12)))
}

// clipLines keeps the first lines of a text.
func clipLines(text string, most int) string {
	lines := strings.Split(text, "\n")
	if len(lines) <= most {
		return text
	}
	return strings.Join(append(lines[:most], "…"), "\n")
}

// messageText escapes a message as GitHub's workflow commands want it.
func messageText(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// propertyText escapes a property of a workflow command.
func propertyText(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}
