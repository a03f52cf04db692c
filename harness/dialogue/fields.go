package dialogue

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// text is the value of a field that holds one text.
func (m *mapping) text(name, otherwise string) string {
	f := m.field(name)
	if f == nil {
		return otherwise
	}
	text, ok := scalar(f.value)
	if !ok {
		m.fail(name, "a text is wanted here, not %s; quotes help", kindOf(f.value))
	}
	return text
}

// scalar is a value as it stands in the file, be it text, a number or true.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// choice is the value of a field that holds one of some words.
func (m *mapping) choice(name, otherwise string, words ...string) string {
	value := m.text(name, otherwise)
	if !slices.Contains(words, value) {
		m.fail(name, "%q is none of %s", value, strings.Join(words, ", "))
		return otherwise
	}
	return value
}

// flag is the value of a field that holds true or false.
func (m *mapping) flag(name string, otherwise bool) bool {
	f := m.field(name)
	if f == nil {
		return otherwise
	}
	value, ok := f.value.(*ast.BoolNode)
	if !ok {
		m.fail(name, "true or false is wanted here, not %s", kindOf(f.value))
		return otherwise
	}
	return value.Value
}

// number is the value of a field that holds a whole number from least to most.
func (m *mapping) number(name string, otherwise, least, most int) int {
	if !m.has(name) {
		return otherwise
	}
	n, err := strconv.Atoi(m.text(name, ""))
	if err != nil || n < least || n > most {
		m.fail(name, "a whole number from %d to %d is wanted here, not %q", least, most, m.text(name, ""))
		return otherwise
	}
	return n
}

// most is the greatest number of clients that a server may serve before it ends.
const most = 16

// count is the value of a field that holds a number of clients, or the word for no bound, which gives 0.
func (m *mapping) count(name, unbounded string, otherwise int) int {
	if !m.has(name) {
		return otherwise
	}
	if m.text(name, "") == unbounded {
		return 0
	}
	n, err := strconv.Atoi(m.text(name, ""))
	if err != nil || n < 1 || n > most {
		m.fail(name, "a number of clients from 1 to %d is wanted here, or %s for a server that stays up, not %q", most, unbounded, m.text(name, ""))
	}
	return n
}

// mapping is the value of a field that holds fields of its own; without it, an empty one.
func (m *mapping) mapping(name string, needed bool) *mapping {
	f := m.field(name)
	if f == nil {
		if needed {
			m.fail(name, "the dialogue does not say what the server does: add a field %s with serves and prints", name)
		}
		return &mapping{file: m.file, at: m.at}
	}
	return m.file.mappingOf(f.value, name)
}

// template is the value of a field that holds a text with variables.
func (m *mapping) template(name, otherwise string, names []string) template {
	f := m.field(name)
	if f == nil {
		parsed, _, _ := parseTemplate(otherwise, names)
		return parsed
	}
	return m.file.template(name, f.value, names)
}

// templates is the value of a field that holds a list of them, or one.
func (m *mapping) templates(name string, names []string) []template {
	f := m.field(name)
	if f == nil {
		return nil
	}
	list, ok := f.value.(*ast.SequenceNode)
	if !ok {
		return []template{m.file.template(name, f.value, names)}
	}
	var all []template
	for _, value := range list.Values {
		all = append(all, m.file.template(name, value, names))
	}
	return all
}

func (f *file) template(name string, node ast.Node, names []string) template {
	text, ok := scalar(node)
	if !ok {
		if node == nil {
			f.fail(nil, 0, "%s: a text is wanted here, not nothing", name)
			return nil
		}
		f.fail(node.GetToken(), 0, "%s: a text is wanted here, not %s; quotes help", name, kindOf(node))
		return nil
	}
	parsed, offset, err := parseTemplate(text, names)
	if err != nil {
		f.fail(node.GetToken(), offsetIn(node, offset), "%s: %s", name, err)
	}
	return parsed
}

// offsetIn turns an offset in a text into one in its line of the file, where that is easily told.
func offsetIn(node ast.Node, offset int) int {
	token := node.GetToken()
	if token == nil {
		return 0
	}
	written := strings.TrimSpace(token.Origin)
	if strings.ContainsAny(written, "\\\n") {
		return 0
	}
	return offset + max(0, strings.Index(written, token.Value))
}
