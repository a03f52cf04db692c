package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// childEnv makes the test binary a child that plays a machine which allows less.
const childEnv = "TCPWITNESS_WIRE_TEST_CHILD"

func TestDo(t *testing.T) {
	g := NewWithT(t)
	w := newTestWire(t, Options{})
	before := links(g)
	var inside, threads []string
	for _, h := range []*Host{w.Client, w.Server} {
		g.Expect(h.Do(func() error {
			inside = append(inside, links(g))
			threads = append(threads, fmt.Sprint(unix.Gettid()))
			return nil
		})).To(Succeed())
	}
	g.Expect(inside).To(HaveEach("lo tun0"))
	g.Expect(threads).NotTo(ContainElement(fmt.Sprint(os.Getpid())), "the first thread cannot end")
	g.Expect(links(g)).To(Equal(before), "the caller stays where it was")

	boom := errors.New("boom")
	g.Expect(w.Client.Do(func() error { return boom })).To(MatchError(boom))
	g.Expect(func() { _ = w.Client.Do(func() error { panic("boom") }) }).To(PanicWith("boom"))
	g.Expect(w.Client.Do(func() error { runtime.Goexit(); return nil })).NotTo(Succeed())
}

func TestEnter(t *testing.T) {
	g := NewWithT(t)
	w := newTestWire(t, Options{})
	var seen string
	done := make(chan error)
	go func() { // its thread ends with it
		runtime.LockOSThread()
		err := w.Server.Enter()
		seen = links(g)
		done <- err
	}()
	g.Expect(<-done).To(Succeed())
	g.Expect(seen).To(Equal("lo tun0"))
}

// links are the names of the interfaces that the calling thread sees.
func links(g Gomega) string {
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, line := range strings.Split(string(text), "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return strings.Join(names, " ")
}

// TestDoOnTheFirstThread calls Do from the process's first thread, where a plain locked goroutine would stay.
func TestDoOnTheFirstThread(t *testing.T) {
	g := NewWithT(t)
	w := newTestWire(t, Options{})
	for range 200 { // any goroutine may get the first thread
		g.Expect(w.Client.Do(func() error {
			if unix.Gettid() == os.Getpid() {
				return errors.New("on the first thread")
			}
			return nil
		})).To(Succeed())
	}
}

// TestRTOMin looks at the timeout of fresh connections. Without the option it is never under 200 ms; with it
// one is, unless the machine is so busy that each handshake takes long.
func TestRTOMin(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g, ctx := NewWithT(t), bound(t)
		g.Expect(timeoutOfConnection(t, ctx, 0, v6)).To(BeNumerically(">=", 200*time.Millisecond))
		timeout := timeoutOfConnection(t, ctx, minRTO, v6)
		for timeout >= 200*time.Millisecond && ctx.Err() == nil {
			timeout = timeoutOfConnection(t, ctx, minRTO, v6)
		}
		g.Expect(timeout).To(And(BeNumerically(">=", minRTO), BeNumerically("<", 200*time.Millisecond)))
	})
}

func timeoutOfConnection(t *testing.T, ctx context.Context, least time.Duration, v6 bool) time.Duration {
	g := NewWithT(t)
	w := newTestWire(t, Options{RTOMin: least})
	client, server := pair(t, ctx, w, v6)
	_, err := cross(client, server, []byte("x"))
	g.Expect(err).NotTo(HaveOccurred())
	raw, err := client.SyscallConn()
	g.Expect(err).NotTo(HaveOccurred())
	var info *unix.TCPInfo
	g.Expect(raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})).To(Succeed())
	g.Expect(err).NotTo(HaveOccurred())
	return time.Duration(info.Rto) * time.Microsecond
}

// TestNoPacing looks at the congestion control of both ends, which decides whether segments are kept back.
func TestNoPacing(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		g := NewWithT(t)
		client, server := pair(t, bound(t), newTestWire(t, Options{}), v6)
		for _, conn := range []*net.TCPConn{client, server} {
			raw, err := conn.SyscallConn()
			g.Expect(err).NotTo(HaveOccurred())
			var name string
			g.Expect(raw.Control(func(fd uintptr) {
				name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			})).To(Succeed())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(name).To(Equal("reno"))
		}
	})
}

func TestSettings(t *testing.T) {
	g := NewWithT(t)
	w := newTestWire(t, Options{Settings: map[string]string{"net.ipv4.tcp_invalid_ratelimit": "0"}})
	for _, h := range []*Host{w.Client, w.Server} {
		g.Expect(h.Do(func() error {
			value, err := os.ReadFile("/proc/sys/net/ipv4/tcp_invalid_ratelimit")
			g.Expect(string(value)).To(Equal("0\n"))
			return err
		})).To(Succeed())
	}
	for name, message := range map[string]string{"net.ipv4.no_such": "set net.ipv4.no_such", "kernel.hostname": "not a setting of the network", "net/../kernel": "not a setting"} {
		_, err := New(t.Context(), Options{Settings: map[string]string{name: "1"}})
		g.Expect(err).To(MatchError(ContainSubstring(message)))
	}
}

// TestNothingIsLeft makes and closes wires and peers, and counts what the process holds before and after.
func TestNothingIsLeft(t *testing.T) {
	g := NewWithT(t)
	use := func() {
		w, err := New(t.Context(), Options{})
		skipUnsupported(t, err)
		g.Expect(w.Close()).To(Succeed())
		p, err := NewPeer(t.Context(), PeerOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Close()).To(Succeed())
		_, err = New(t.Context(), Options{Settings: map[string]string{"net.no_such": "1"}})
		g.Expect(err).To(HaveOccurred())
	}
	use()
	files, goroutines := descriptors(g), runtime.NumGoroutine()
	for range 20 {
		use()
	}
	g.Expect(descriptors(g)).To(Equal(files))
	g.Eventually(runtime.NumGoroutine).Should(BeNumerically("<=", goroutines))
}

func descriptors(g Gomega) int {
	list, err := os.ReadDir("/proc/self/fd")
	g.Expect(err).NotTo(HaveOccurred())
	return len(list)
}

// TestRefused runs children on whose machine something is missing. Each must get errors.ErrUnsupported and the reason.
func TestRefused(t *testing.T) {
	for child, reason := range map[string]string{
		"no namespaces": "make a network namespace",
		"no device":     "open /dev/net/tun",
		"no capability": "make a network namespace",
	} {
		t.Run(child, func(t *testing.T) {
			g := NewWithT(t)
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$", "-test.v")
			cmd.Env = append(os.Environ(), childEnv+"="+child, insideEnv+"=1")
			cmd.SysProcAttr = insideUserNamespace()
			switch child {
			case "no device":
				cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS
			case "no capability":
				cmd.SysProcAttr.UidMappings[0].ContainerID = 1000 // who has none after exec
			}
			out, err := cmd.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), "%s", out)
			g.Expect(string(out)).To(And(ContainSubstring("unsupported: set up the client's host: "+reason), ContainSubstring("PASS")))
		})
	}
}

// TestChild is the child of the test above.
func TestChild(t *testing.T) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch os.Getenv(childEnv) {
	case "no namespaces":
		must(os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0))
	case "no device":
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", "/dev", "tmpfs", 0, ""))
	case "no capability":
	default:
		t.Skip("for TestRefused")
	}
	_, err := New(t.Context(), Options{})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal("not unsupported:", err)
	}
	fmt.Println("unsupported:", strings.ReplaceAll(err.Error(), "\n", "; "))
}

func TestHostWithoutIPv6(t *testing.T) {
	g := NewWithT(t)
	h := &Host{address: netip.MustParseAddr("192.0.2.1")}
	g.Expect(h.Addresses()).To(HaveLen(1))
	p := &Peer{addresses: h.Addresses()}
	g.Expect(p.Address6().IsValid()).To(BeFalse())
}

// TestCancelledSetUp ends while a host is being set up.
func TestCancelledSetUp(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, err := New(ctx, Options{})
	if err == nil { // the address was there before anyone looked
		g.Expect(w.Close()).To(Succeed())
		return
	}
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	g.Expect(err).To(MatchError(context.Canceled))
}
