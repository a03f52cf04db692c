package program

import (
	"strings"
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		cpu := func(s *Start) { s.Limits.CPU = time.Second }
		o := g.run(inC(t, `int main() { for (;;); }`), cpu)
		if o.Signal != "SIGXCPU" || len(o.Limits) != 1 || o.Limits[0] != "processor time: 1 s" || o.CPU < 500*time.Millisecond {
			t.Errorf("%+v", o)
		}
		o = g.run(inC(t, `int main() { signal(SIGXCPU, SIG_IGN); for (;;); }`), cpu)
		if o.Signal != "SIGKILL" || len(o.Limits) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

func TestFileSize(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		size := func(s *Start) { s.Limits.FileSize = 10 * mib }
		o := g.run(shell(t, "exec cat /dev/zero > file"), size)
		if o.Signal != "SIGXFSZ" || len(o.Limits) != 1 || o.Limits[0] != "file size: 10 MiB" {
			t.Errorf("%+v", o)
		}
	})
}

func TestMemory(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(inC(t, `int main() { for (int i = 0; ; i++) { char *p = malloc(1 << 20); if (!p) { printf("%d", i); return 3; } memset(p, 1, 1 << 20); } }`),
			func(s *Start) { s.Limits.Memory = 64 * mib })
		if o.ExitCode != 3 || len(o.Stdout) != 2 {
			t.Errorf("%+v", o)
		}
	})
}

func TestDescriptors(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(inC(t, `int main() {
			struct rlimit l = {1 << 20, 1 << 20}; setrlimit(RLIMIT_NOFILE, &l);
			getrlimit(RLIMIT_NOFILE, &l); l.rlim_cur = l.rlim_max; setrlimit(RLIMIT_NOFILE, &l);
			int n = 0; while (dup(0) >= 0) n++; printf("%d %s", n, strerror(errno)); }`))
		if string(o.Stdout) != "4093 Too many open files" {
			t.Errorf("%s", o.Stdout)
		}
	})
}

func TestNoCore(t *testing.T) {
	eachWay(t, func(t *testing.T, g *ground) {
		o := g.run(shell(t, "ulimit -c unlimited 2>/dev/null; ulimit -c; kill -SEGV $$"))
		if o.CoreDumped || o.Signal != "SIGSEGV" || strings.TrimSpace(string(o.Stdout)) != "0" {
			t.Errorf("%+v", o)
		}
	})
}
