package main

import (
	"fmt"
	"slices"
	"strings"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/report"
)

// chapter is a scene with its record.
type chapter struct {
	*scene
	view *view
}

// tell looks up what the page says of the scene. The error says what the record does not show.
func (s *scene) tell(run *evidence.Run) (chapter, error) {
	v, err := s.locate(run)
	if err != nil {
		return chapter{}, err
	}
	c := chapter{s, v}
	for _, text := range []string{s.says.En, s.says.Zh} {
		if _, err := c.fill(text); err != nil {
			return chapter{}, err
		}
	}
	for _, kind := range s.pictures {
		if !slices.ContainsFunc(c.drawn(report.English), func(p report.Picture) bool { return p.Name == kind }) {
			return chapter{}, fmt.Errorf("%s: the record has no picture %s", s.name, kind)
		}
	}
	return c, nil
}

// fill puts the numbers of points into a text.
func (c chapter) fill(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, more := strings.Cut(text, "{")
		b.WriteString(before)
		if !more {
			return b.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}")
		n, known := c.view.numbers[name]
		if !known {
			return "", fmt.Errorf("%s: the text names {%s}, which is no point", c.name, name)
		}
		fmt.Fprint(&b, n)
		text = after
	}
}

// filled is a text that tell has filled before.
func (c chapter) filled(text string) string {
	said, err := c.fill(text)
	if err != nil {
		return err.Error()
	}
	return said
}

// marks are the frames and calls that the page points at.
func (c chapter) marks() report.Marks {
	var m report.Marks
	for _, p := range c.points {
		if n := c.view.numbers[p.name]; p.call {
			m.Calls = append(m.Calls, n)
		} else {
			m.Frames = append(m.Frames, n)
		}
	}
	return m
}

// drawn are all pictures of the scene. What the page points at is marked in the ladder.
func (c chapter) drawn(language report.Language) []report.Picture {
	run := *c.view.run
	run.Title = c.title.In(language)
	return report.Pictures(&run, report.PictureOptions{Language: language, Marks: c.marks()})
}

// pictures are those that are kept, by the names of their files.
func (c chapter) pictures() map[string]string {
	files := map[string]string{}
	for _, language := range []report.Language{report.English, report.Chinese} {
		for _, p := range c.drawn(language) {
			if p.Name == ladder || slices.Contains(c.scene.pictures, p.Name) {
				files[c.file(p.Name, language)] = p.SVG
			}
		}
	}
	return files
}

// ladder is the kind of picture that each scene has.
const ladder = "ladder"

// file is the name of a picture's file.
func (c chapter) file(kind string, language report.Language) string {
	name := c.name
	if kind != ladder {
		name += "-" + strings.ToLower(kind)
	}
	if language == report.Chinese {
		name += ".zh"
	}
	return name + ".svg"
}
