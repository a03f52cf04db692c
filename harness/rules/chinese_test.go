package rules

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestEveryRuleIsThereInChinese(t *testing.T) {
	for _, r := range Catalogue() {
		for _, fault := range chineseFaults(r, chinese) {
			t.Errorf("%s: %s", r.ID, fault)
		}
	}
	for id := range chinese {
		if _, ok := Lookup(id); !ok {
			t.Errorf("%s is translated and is no rule", id)
		}
	}
}

func TestAMissingTranslationIsNoticed(t *testing.T) {
	rule, _ := Lookup("bind.returns-zero")
	for what, table := range map[string]map[string]wording{
		"no translation":                {},
		"an English claim":              {rule.ID: {rule.Claim, chinese[rule.ID].note}},
		"no note":                       {rule.ID: {chinese[rule.ID].claim, ""}},
		"a note that lacks an errno":    {rule.ID: {chinese[rule.ID].claim + "EBADF。", chinese[rule.ID].note}},
		"a claim without its full stop": {rule.ID: {"bind() 成功时返回 0", chinese[rule.ID].note}},
	} {
		if len(chineseFaults(rule, table)) == 0 {
			t.Errorf("%s passes", what)
		}
	}
}

// chineseFaults says what is wrong with a rule's translation. The names of calls, flags and errors are the
// same in both languages, so none may be lost or added.
func chineseFaults(r Rule, table map[string]wording) []string {
	w, ok := table[r.ID]
	if !ok {
		return []string{"has no Chinese"}
	}
	var faults []string
	for _, pair := range [][2]string{{r.Claim, w.claim}, {r.Note, w.note}} {
		english, translated := pair[0], pair[1]
		if !strings.ContainsFunc(translated, func(c rune) bool { return unicode.Is(unicode.Han, c) }) {
			faults = append(faults, "is not Chinese: "+translated)
		}
		if !strings.HasSuffix(translated, "。") {
			faults = append(faults, "has no full stop: "+translated)
		}
		if missing, extra := difference(names(english), names(translated)); len(missing)+len(extra) > 0 {
			faults = append(faults, "lacks "+strings.Join(missing, " ")+", has too many "+strings.Join(extra, " ")+": "+translated)
		}
	}
	return faults
}

// names are the words of a text that are names in C or in TCP: errno values, constants, calls.
func names(text string) []string {
	var found []string
	for _, word := range strings.FieldsFunc(text, func(c rune) bool {
		return !(c < 128 && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_'))
	}) {
		constant := strings.ToUpper(word) == word && strings.ContainsFunc(word, unicode.IsLetter) && (strings.Contains(word, "_") || word[0] == 'E' && len(word) > 3)
		if constant && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}

func difference(a, b []string) (missing, extra []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			missing = append(missing, x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			extra = append(extra, x)
		}
	}
	return missing, extra
}
