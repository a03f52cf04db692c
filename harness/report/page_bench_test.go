package report

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/rules"
)

// largePage has so many scenarios of so many segments each.
func largePage(scenarios, segments int) Page {
	run := bulkRun(segments)
	catalogue := rules.Catalogue()
	var results []Result
	for i := range scenarios {
		results = append(results, Result{
			Finding: rules.Finding{Rule: catalogue[i%len(catalogue)].ID, Verdict: rules.Pass, Scenario: fmt.Sprintf("scenario %d", i), Frames: []int{1, 2, 3}},
			Variant: fmt.Sprintf("variant %d", i/len(catalogue)),
		})
	}
	return Page{Outcome: Outcome{Results: results}, Load: func(Result) (*evidence.Run, error) { return run, nil }}
}

func BenchmarkPageOfAReferenceRun(b *testing.B) {
	run := referenceRun()
	page := largePage(160, 1)
	page.Load = func(Result) (*evidence.Run, error) { return run, nil }
	for b.Loop() {
		if err := page.render(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSceneOfAThousandPackets(b *testing.B) {
	page := largePage(1, 667)
	for b.Loop() {
		if err := page.render(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFailureText(b *testing.B) {
	f := Failure{Result: Result{Finding: rules.Finding{Rule: "server.closes-accepted", Verdict: rules.Fail, Calls: []int{11}}}, Run: wrongCloseRun()}
	for b.Loop() {
		_ = f.String()
	}
}

// processorTime is what the page's main thread has used of a processor, in ms.
func (b *browser) processorTime() float64 {
	b.t.Helper()
	answer, err := chromedp.Call(b.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range answer.Metrics {
		if m.Name == "TaskDuration" {
			return m.Value * 1000
		}
	}
	return 0
}

// BenchmarkOpenPage measures how long Chromium takes from the request to the page's load event, the
// processor time of that, and how large the file is. Needs Chromium.
func BenchmarkOpenPage(b *testing.B) {
	reference := referenceRun()
	small := largePage(160, 1)
	small.Load = func(Result) (*evidence.Run, error) { return reference, nil }
	for name, page := range map[string]Page{"160 exchanges": small, "200 scenarios of 1000 packets": largePage(200, 667)} {
		b.Run(name, func(b *testing.B) {
			folder := b.TempDir()
			if err := page.Write(folder); err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(folder, PageFile)
			browser := openBrowser(b)
			if _, err := chromedp.Call(browser.ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(file)
			if err != nil {
				b.Fatal(err)
			}
			took, busy := 0.0, 0.0
			for b.Loop() {
				browser.do(chromedp.Navigate("about:blank"))
				before := browser.processorTime()
				browser.do(chromedp.Navigate("file://" + file))
				took += ask[float64](browser, "performance.getEntriesByType('navigation')[0].loadEventEnd")
				busy += browser.processorTime() - before
			}
			b.ReportMetric(took/float64(b.N), "ms/load")
			b.ReportMetric(busy/float64(b.N), "cpu-ms/load")
			b.ReportMetric(float64(info.Size())/1e6, "MB")
			rule := ask[string](browser, "document.querySelector('.rule').id")
			browser.expand(rule)
			b.ReportMetric(ask[float64](browser, `(async () => {
				const began = performance.now();
				for (const part of document.querySelectorAll('[id="`+rule+`"] .part')) part.fillNow();
				await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
				return performance.now() - began;
			})()`), "ms/everything-of-a-rule")
		})
	}
}

// hugeRun is a server with many clients one after another.
func hugeRun(clients int) *evidence.Run {
	r := newRecord("server/many-clients", "Many clients one after another.")
	r.listening(3, 10)
	for i := range clients {
		a := r.accepting(3)
		r.socket(client, 5)
		r.ClientISN, r.ServerISN = uint32(1000*i+7), uint32(3000*i+9)
		r.ClientAddress = netip.AddrPortFrom(r.ClientAddress.Addr(), uint16(1024+i%60000))
		r.Reset()
		r.connect(5)
		r.accepted(a, 4)
		r.send(client, 5, "hello\n")
		r.recv(server, 4, "hello\n")
		r.close(server, 4)
		r.Send(server, fin|ack, "")
		r.close(client, 5)
		r.Send(client, fin|ack, "")
		r.Send(server, ack, "")
		r.open = map[string][]int{client: {0, 1, 2}, server: {0, 1, 2, 3}}
	}
	return r.done()
}

func BenchmarkRunOfTwoThousandClients(b *testing.B) {
	run := hugeRun(2000)
	for b.Loop() {
		_ = sceneOf(run, Marks{})
	}
}
