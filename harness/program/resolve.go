package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Resolve finds the program that a user names, relative to the current folder, and takes the template of its
// arguments apart. The error says in one line what is wrong with either.
func Resolve(path, arguments string) (Program, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Program{}, fmt.Errorf("find the current folder: %w", err)
	}
	return ResolveIn(dir, path, arguments)
}

// ResolveIn does what Resolve does, relative to another folder. A name without a slash is looked for in that
// folder, then in PATH. After a command from PATH, such as python3, arguments that name a file in the folder
// are made absolute, because the program runs elsewhere; {dir} names the folder in any argument.
func ResolveIn(dir, path, arguments string) (Program, error) {
	if path == "" {
		return Program{}, errors.New("no program is named")
	}
	args, err := split(arguments)
	if err != nil {
		return Program{}, fmt.Errorf("arguments %q: %w", arguments, err)
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(dir, path)
	}
	if _, err := os.Stat(full); errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(path, filepath.Separator) {
		if found, err := exec.LookPath(path); err == nil {
			for i, a := range args {
				at := filepath.Join(dir, a)
				if _, err := os.Stat(at); err == nil && a != "" && !filepath.IsAbs(a) {
					args[i] = at
				}
			}
			full = found
		}
	}
	if !filepath.IsAbs(full) { // PATH can name relative folders
		full = filepath.Join(dir, full)
	}
	if problem := diagnose(full, moreFormats()); problem != "" {
		return Program{}, errors.New(problem)
	}
	return Program{Path: full, Args: args, Dir: dir}, nil
}

// split takes a template apart at blanks. Quotes hold words together as in a shell, and a backslash takes
// the next character as it is.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("the quote %c is not closed", quote)
	case escaped:
		return nil, errors.New("it ends with a backslash")
	case inWord:
		words = append(words, word.String())
	}
	return words, nil
}
