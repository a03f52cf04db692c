package capture

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tcpwitness/harness/sandbox"
)

// BenchmarkWarmPool takes a sandbox with its capture from the pool, has one connection in it, stops the
// capture and lets go of both. It reports the median in µs of the take, and of the stop.
func BenchmarkWarmPool(b *testing.B) {
	isolation := best(b)
	pool := sandbox.NewPool(sandbox.Plan[*Capture]{
		Isolation: isolation,
		Depth:     8,
		Attach:    func(sb *sandbox.Sandbox) (*Capture, error) { return Open(sb, Options{}) },
		Detach:    func(c *Capture) { c.Close() },
	})
	defer pool.Close()
	ctx := b.Context()
	var takes, exchanges, stops []time.Duration
	for b.Loop() {
		began := time.Now()
		sb, c, err := pool.Take(ctx)
		if err != nil {
			b.Fatal(err)
		}
		taken := time.Now()
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.Port()))
		if err != nil {
			b.Fatal(err)
		}
		pingPong(client, server, once)
		unix.Close(server)
		unix.Close(client)
		exchanged := time.Now()
		packets, err := c.Stop(ctx)
		if err != nil {
			b.Fatal(err)
		}
		sb.Close()
		takes, exchanges, stops = append(takes, taken.Sub(began)), append(exchanges, exchanged.Sub(taken)), append(stops, time.Since(exchanged))
		if len(packets) < 9 {
			b.Fatalf("%d packets of a whole connection", len(packets))
		}
	}
	b.ReportMetric(median(takes), "µs-take")
	b.ReportMetric(median(exchanges), "µs-exchange")
	b.ReportMetric(median(stops), "µs-stop")
}

// median in µs.
func median(ds []time.Duration) float64 {
	slices.Sort(ds)
	return float64(ds[len(ds)/2]) / float64(time.Microsecond)
}

func best(tb testing.TB) sandbox.Isolation {
	ability, _ := sandbox.Probe(sandbox.Auto)
	if !ability.Capture {
		tb.Skip(ability.WhyNotCapture)
	}
	return ability.Isolation
}

// BenchmarkLoss captures a ping-pong of 128 bytes at full speed for five seconds and reports the frames
// that are missing, by sequence number, and what tcpdump loses on the same run.
func BenchmarkLoss(b *testing.B) {
	sb, err := sandbox.New(best(b))
	if err != nil {
		b.Fatal(err)
	}
	defer sb.Close()
	for b.Loop() {
		c, err := Open(sb, Options{MaxFrames: math.MaxInt, MaxBytes: math.MaxInt})
		if err != nil {
			b.Fatal(err)
		}
		dump := startTcpdump(b, sb)
		client, server, err := connected(sb, netip.AddrPortFrom(sb.Address(), sb.AnotherPort()))
		if err != nil {
			b.Fatal(err)
		}
		used := processorTime()
		rounds, err := pingPong(client, server, during(5*time.Second))
		if err != nil {
			b.Fatal(err)
		}
		packets, err := c.Stop(context.Background())
		used = processorTime() - used
		unix.Close(server)
		unix.Close(client)
		seen, theirs := dump.stop()
		if err != nil {
			b.Log(err)
		}
		b.ReportMetric(float64(len(packets)), "frames")
		b.ReportMetric(float64((2*rounds*128-seenBytes(b, packets)))/128, "frames-lost")
		b.ReportMetric(float64(rounds)/5, "rounds/s")
		b.ReportMetric(used.Seconds(), "cpu-s")
		if dump != nil {
			b.ReportMetric(float64(seen), "tcpdump-frames")
			b.ReportMetric(float64(theirs), "tcpdump-lost")
		}
		runtime.GC()
	}
}

func processorTime() time.Duration {
	var usage unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tcpdump is a running tcpdump, or nil where there is none.
type tcpdump struct {
	tb      testing.TB
	command *exec.Cmd
	said    bytes.Buffer
}

func startTcpdump(tb testing.TB, sb *sandbox.Sandbox) *tcpdump {
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		tb.Log("without tcpdump")
		return nil
	}
	d := &tcpdump{tb: tb}
	d.command = exec.Command(path, "-i", "lo", "-n", "-B", "32768", "-w", filepath.Join(tb.TempDir(), "tcpdump.pcap"), "tcp")
	stderr, err := d.command.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := sb.Do(func() error {
		if err := raiseAmbient(unix.CAP_NET_RAW, unix.CAP_NET_ADMIN); err != nil {
			return err
		}
		return d.command.Start()
	}); err != nil {
		tb.Fatal(err)
	}
	// It listens once it says so.
	buf := make([]byte, 4096)
	for !bytes.Contains(d.said.Bytes(), []byte("listening on")) {
		n, err := stderr.Read(buf)
		d.said.Write(buf[:n])
		if err != nil {
			tb.Fatalf("tcpdump: %v: %s", err, d.said.Bytes())
		}
	}
	go func() { d.said.ReadFrom(stderr) }()
	return d
}

var summary = regexp.MustCompile(`(\d+) packets captured[\s\S]*?(\d+) packets dropped by kernel`)

// stop yields the numbers of frames that tcpdump captured and dropped.
func (d *tcpdump) stop() (captured, dropped int) {
	if d == nil {
		return 0, 0
	}
	d.command.Process.Signal(unix.SIGINT)
	d.command.Wait()
	found := summary.FindStringSubmatch(d.said.String())
	if found == nil {
		d.tb.Fatalf("tcpdump said %q", d.said.String())
	}
	captured, _ = strconv.Atoi(found[1])
	dropped, _ = strconv.Atoi(found[2])
	return captured, dropped
}

// raiseAmbient lets a program that this thread executes have capabilities that the thread has.
func raiseAmbient(capabilities ...uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	for _, capability := range capabilities {
		sets[capability/32].Inheritable |= 1 << (capability % 32)
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return err
	}
	for _, capability := range capabilities {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(capability), 0, 0); err != nil {
			return fmt.Errorf("raise capability %d: %w", capability, err)
		}
	}
	return nil
}
