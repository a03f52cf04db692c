package dialogue

import (
	"fmt"
	"slices"
	"strings"
)

// template is a text with variables, such as "from client: {text}". The empty one says nothing.
type template []part

// part is literal text, or a variable where its name is set.
type part struct {
	text   string
	name   string
	filter string
}

// filters are what can be done to a variable's value, by name: {text:upper}.
func filter(name string) (apply func(string) string, known bool) {
	switch name {
	case "":
		return func(s string) string { return s }, true
	case "upper":
		return upper, true
	case "lower":
		return lower, true
	case "reverse":
		return reverse, true
	case "length":
		return func(s string) string { return fmt.Sprint(len(s)) }, true
	}
	return nil, false
}

const filterNames = "upper, lower, reverse, length"

// upper changes ASCII letters only, as toupper does in the C locale.
func upper(s string) string { return mapASCII(s, 'a', 'z', 'A') }

func lower(s string) string { return mapASCII(s, 'A', 'Z', 'a') }

func mapASCII(s string, from, to, start byte) string {
	changed := []byte(s)
	for i, c := range changed {
		if from <= c && c <= to {
			changed[i] = c - from + start
		}
	}
	return string(changed)
}

// reverse turns the bytes around, as a loop over a char array does.
func reverse(s string) string {
	turned := []byte(s)
	slices.Reverse(turned)
	return string(turned)
}

// parseTemplate reads a text with variables. Names are those that may be used. {{ and }} stand for braces.
// The error comes with the offset in bytes at which it was found.
func parseTemplate(text string, names []string) (parsed template, offset int, err error) {
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parsed = append(parsed, part{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			literal.WriteByte(text[i])
			i += 2
		case text[i] == '}':
			return nil, i, fmt.Errorf("a } without its {; write }} for a brace")
		case text[i] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, i, fmt.Errorf("a { without its }; write {{ for a brace")
			}
			name, filterName, _ := strings.Cut(text[i+1:i+end], ":")
			if !slices.Contains(names, name) {
				return nil, i, fmt.Errorf("unknown variable {%s}; here you can use %s", name, braced(names))
			}
			if _, known := filter(filterName); !known {
				return nil, i, fmt.Errorf("unknown change %q of {%s}; there are %s", filterName, name, filterNames)
			}
			flush()
			parsed = append(parsed, part{name: name, filter: filterName})
			i += end + 1
		default:
			literal.WriteByte(text[i])
			i++
		}
	}
	flush()
	return parsed, 0, nil
}

func braced(names []string) string {
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = "{" + n + "}"
	}
	return strings.Join(shown, ", ")
}

// fill puts values in the place of the variables.
func (t template) fill(values map[string]string) string {
	var out strings.Builder
	for _, p := range t {
		if p.name == "" {
			out.WriteString(p.text)
			continue
		}
		apply, _ := filter(p.filter)
		out.WriteString(apply(values[p.name]))
	}
	return out.String()
}

// uses counts the places at which one of the variables stands.
func (t template) uses(names ...string) int {
	n := 0
	for _, p := range t {
		if p.name != "" && slices.Contains(names, p.name) {
			n++
		}
	}
	return n
}

// literal is the number of bytes that are not variables.
func (t template) literal() int {
	n := 0
	for _, p := range t {
		n += len(p.text)
	}
	return n
}
