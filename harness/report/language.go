package report

import "strings"

// Language is one that reports are written in.
type Language string

// The languages. The zero value means English.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// LanguageOf is the language that the environment asks for: LC_ALL before LC_MESSAGES before LANG.
func LanguageOf(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), "zh") {
				return Chinese
			}
			return English
		}
	}
	return English
}

// Text is a text in both languages.
type Text struct{ En, Zh string }

// In yields the text in a language; what has no Chinese is the same in both.
func (t Text) In(l Language) string {
	if l == Chinese && t.Zh != "" {
		return t.Zh
	}
	return t.En
}

// both is a text that is the same in both languages.
func both(text string) Text { return Text{En: text} }
