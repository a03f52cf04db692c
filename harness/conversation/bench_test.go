package conversation_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tcpwitness/harness/conversation"
	"tcpwitness/harness/conversation/conversationtest"
)

// hostile are captures of 100,000 packets that are made to be slow to analyse.
func hostile(n int) map[string]*conversationtest.Script {
	made := map[string]*conversationtest.Script{}
	script := func(name string) *conversationtest.Script {
		s := conversationtest.New()
		s.Open()
		made[name] = s
		return s
	}
	s := script("backwards")
	for i := range n {
		s.Send(client, push, "xx", seq(uint32(4*(n-i))))
	}
	s = script("every other")
	for i := range n {
		s.Send(client, push, "x", seq(uint32(2*(i*7919%n))))
	}
	s = script("FINs without an answer")
	for range n {
		s.Send(client, finAck, "", seq(1))
	}
	s = script("SYNs that do not belong")
	for i := range n {
		s.Send(client, syn, "", seq(uint32(1000+i)))
	}
	s = script("the same SYN that does not belong")
	for range n {
		s.Send(client, syn, "", seq(1000))
	}
	s = script("closed window")
	for range n {
		s.Send(client, ack, "", seq(0))
	}
	s = script("new connections")
	for i := range n {
		s.ClientISN += 1000
		s.Reset()
		s.Send(client, syn, "")
		if i%2 == 0 {
			s.Send(server, rstAck, "", seq(0))
		}
	}
	return made
}

// TestHostileCapturesTakeNoTime compares the processor time for four times as many packets: in proportion
// it is four times as much, and sixteen times where the work grows with the square. The least of several
// measurements counts.
func TestHostileCapturesTakeNoTime(t *testing.T) {
	const n = 3000
	small, big := hostile(n), hostile(4*n)
	for name := range small {
		least := 1e9
		for range 5 {
			least = min(least, float64(analysed(big[name]))/float64(analysed(small[name])))
			if least < 6 {
				break
			}
		}
		say := t.Logf
		if least > 10 {
			say = t.Errorf
		}
		say("%s: four times the packets take %.1f times as long", name, least)
	}
}

// analysed is the processor time that an analysis takes.
func analysed(s *conversationtest.Script) time.Duration {
	run := s.Run()
	runtime.GC()
	began := processorTime()
	a := conversation.Analyse(run)
	a.Annotate(run)
	for _, c := range a.TCP {
		c.Stream(client)
		c.Close()
	}
	return max(processorTime()-began, 1)
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkAnalysePlainExchange(b *testing.B) {
	run := conversationtest.New().Open().Say(client, strings.Repeat("x", 128)).Say(server, strings.Repeat("y", 128)).Finish(client).Run()
	b.ReportAllocs()
	for b.Loop() {
		conversation.Analyse(run)
	}
}

func BenchmarkAnalysePerFrame(b *testing.B) {
	s := conversationtest.New().Open()
	for range 5000 {
		s.Say(client, strings.Repeat("x", 128))
	}
	run := s.Run()
	b.ReportAllocs()
	for b.Loop() {
		conversation.Analyse(run)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(run.Packets)), "ns/frame")
}

func BenchmarkAnnotatePerFrame(b *testing.B) {
	s := conversationtest.New().Open()
	for range 5000 {
		s.Say(client, strings.Repeat("x", 128))
	}
	run := s.Run()
	a := conversation.Analyse(run)
	for b.Loop() {
		for i := range run.Packets {
			run.Packets[i].Comment = ""
		}
		a.Annotate(run)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(run.Packets)), "ns/frame")
}
