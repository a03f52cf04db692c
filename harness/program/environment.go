package program

import (
	"os"
	"path/filepath"
	"strings"
)

// passed are the variables that a program gets as the harness has them: where things are found, and nothing else.
var passed = []string{
	"PATH", "TZ", "USER", "LOGNAME", "SHELL", "LD_LIBRARY_PATH",
	"JAVA_HOME", "CLASSPATH", "GOROOT", "DOTNET_ROOT", "PERL5LIB", "PYTHONPATH", "NODE_PATH", "RUBYLIB",
	"PYENV_VERSION", "SDKMAN_DIR", "NVM_DIR",
}

// inHome are folders in the user's home that runtimes look for by HOME, and the variables that say where
// they are once HOME is another.
var inHome = map[string]string{
	"PYENV_ROOT":     ".pyenv",
	"PYTHONUSERBASE": ".local",
	"RBENV_ROOT":     ".rbenv",
	"NODENV_ROOT":    ".nodenv",
	"RUSTUP_HOME":    ".rustup",
	"ASDF_DATA_DIR":  ".asdf",
}

// environment is what a program starts with. get looks up the harness's own variables.
func environment(get func(string) string, folder string, more ...[]string) []string {
	values := map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
		"HOME": folder, "TMPDIR": folder, "PWD": folder,
		// Compiled modules would be written beside the user's sources.
		"PYTHONDONTWRITEBYTECODE": "1",
	}
	for _, name := range passed {
		if v := get(name); v != "" {
			values[name] = v
		}
	}
	home := get("HOME")
	for name, below := range inHome {
		if v := get(name); v != "" {
			values[name] = v
		} else if home != "" {
			at := filepath.Join(home, below)
			if info, err := os.Stat(at); err == nil && info.IsDir() {
				values[name] = at
			}
		}
	}
	for _, list := range more {
		for _, entry := range list {
			name, v, _ := strings.Cut(entry, "=")
			values[name] = v
		}
	}
	list := make([]string, 0, len(values))
	for name, v := range values {
		list = append(list, name+"="+v)
	}
	return sorted(list)
}
