package rules

import "maps"

// wording is a rule's claim and lecture note in another language than English.
type wording struct{ claim, note string }

// chinese holds the wording of every rule in Chinese, in the terms of Chinese networking textbooks. Each
// group of chapters has a file of its own.
var chinese = merged(
	chineseSocket, chineseData, chinesePassive, chineseClose,
	chineseTCP, chineseSegments, chineseUDP,
	chineseServer, chineseClient,
)

func merged(groups ...map[string]wording) map[string]wording {
	all := map[string]wording{}
	for _, group := range groups {
		maps.Copy(all, group)
	}
	return all
}

// In yields the rule's claim and lecture note in a language: "zh" is Chinese, everything else English.
func (r Rule) In(language string) (claim, note string) {
	if language == "zh" {
		if w, ok := chinese[r.ID]; ok {
			return w.claim, w.note
		}
	}
	return r.Claim, r.Note
}
