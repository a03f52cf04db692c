package dialogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// file is one file that is being read; it keeps the first mistake.
type file struct {
	name string
	err  error
}

func (f *file) fail(at *token.Token, column int, format string, args ...any) {
	if f.err != nil {
		return
	}
	line := 1
	if at != nil && at.Position != nil {
		line = at.Position.Line
		column += at.Position.Column
	}
	f.err = fmt.Errorf("dialogue %s:%d:%d: %s", f.name, line, max(column, 1), fmt.Sprintf(format, args...))
}

// mapping is a YAML mapping of which fields are taken by name. A nil mapping has no fields.
type mapping struct {
	file   *file
	at     *token.Token // where it begins
	fields []field
}

type field struct {
	name  string
	key   *token.Token
	value ast.Node
}

// readYAML reads the one document of a file, which must be a mapping.
func readYAML(name string, data []byte) (*mapping, error) {
	f := &file{name: name}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, f.syntax(err)
	}
	var bodies []ast.Node
	for _, document := range parsed.Docs {
		if document != nil && document.Body != nil && document.Body.Type() != ast.CommentType {
			bodies = append(bodies, document.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, fmt.Errorf("dialogue %s: the file is empty; it needs at least frame, reply and server", name)
	case 1:
	default:
		f.fail(bodies[1].GetToken(), 0, "a second document begins here; a file holds one dialogue")
		return nil, f.err
	}
	top := f.mappingOf(bodies[0], "a dialogue")
	return top, f.err
}

// syntax turns an error of the YAML library into one line with its place.
func (f *file) syntax(err error) error {
	var placed yaml.Error
	if errors.As(err, &placed) && placed.GetToken() != nil {
		f.fail(placed.GetToken(), 0, "%s", strings.ReplaceAll(placed.GetMessage(), "\n", " "))
		return f.err
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("dialogue %s: %s", f.name, first)
}

func (f *file) mappingOf(node ast.Node, what string) *mapping {
	m := &mapping{file: f, at: node.GetToken()}
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		f.fail(node.GetToken(), 0, "%s is a list of `field: value` lines, not %s", what, kindOf(node))
		return m
	}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			f.fail(v.Key.GetToken(), 0, "a field's name is a plain word, not %s", kindOf(v.Key))
			continue
		}
		m.fields = append(m.fields, field{name: key.Value, key: key.GetToken(), value: v.Value})
	}
	if len(m.fields) > 0 {
		m.at = m.fields[0].key
	}
	return m
}

// allow reports the first field that has none of the names, or is there twice.
func (m *mapping) allow(names ...string) {
	for i, f := range m.fields {
		if !slices.Contains(names, f.name) {
			m.file.fail(f.key, 0, "unknown field %q; here you can use %s", f.name, strings.Join(names, ", "))
		}
		if slices.ContainsFunc(m.fields[:i], func(before field) bool { return before.name == f.name }) {
			m.file.fail(f.key, 0, "field %q is there twice", f.name)
		}
	}
}

func (m *mapping) names() []string {
	var names []string
	for _, f := range m.fields {
		names = append(names, f.name)
	}
	return names
}

func (m *mapping) field(name string) *field {
	for i := range m.fields {
		if m.fields[i].name == name {
			return &m.fields[i]
		}
	}
	return nil
}

func (m *mapping) has(name string) bool { return m.field(name) != nil }

// fail reports a mistake in a field, or in the mapping where it has no such field.
func (m *mapping) fail(name, format string, args ...any) {
	at := m.at
	message := fmt.Sprintf(format, args...)
	if f := m.field(name); f != nil {
		at = f.key
		if f.value != nil && f.value.GetToken() != nil {
			at = f.value.GetToken()
		}
	}
	m.file.fail(at, 0, "%s: %s", name, message)
}

func kindOf(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which dialogues do not use"
	case *ast.TagNode:
		return "a tag, which dialogues do not use"
	}
	return "something else"
}
