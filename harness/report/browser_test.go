package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium with one page.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// chromium is one browser for all tests, each of which has a tab. It is started when the first test asks.
var chromium struct {
	once    sync.Once
	missing string
	ctx     context.Context
	err     error
	close   []context.CancelFunc
}

func TestMain(m *testing.M) {
	status := m.Run()
	for _, end := range chromium.close {
		end()
	}
	os.Exit(status)
}

func startChromium() {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		chromium.missing = "no Chromium on this machine"
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WSURLReadTimeout(2*time.Minute))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	chromium.ctx, chromium.close = ctx, []context.CancelFunc{closeBrowser, closeAllocator}
	chromium.err = chromedp.Do(ctx)
}

// openBrowser opens a tab; the test is skipped where there is no Chromium.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.missing != "" {
		t.Skip(chromium.missing)
	}
	if chromium.err != nil {
		t.Fatalf("start Chromium: %v", chromium.err)
	}
	// A context of its own, so that what one test chose is not remembered in the next.
	tab, closeTab := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b := &browser{t: t, ctx: tab}
	if err := chromedp.Listen(tab, b.listen); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	ctx, cancel := context.WithTimeout(tab, 3*time.Minute)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// listen notes what goes wrong in the page: exceptions, errors on the console, refused loads.
func (b *browser) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = fmt.Sprintf("exception: %+v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			said = fmt.Sprintf("console %s: %v", e.Type, e.Args)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			said = e.Entry.Text
		}
	}
	if said != "" {
		b.mu.Lock()
		b.problems = append(b.problems, said)
		b.mu.Unlock()
	}
}

func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.problems...)
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v\n%s", err, strings.Join(b.complaints(), "\n"))
	}
}

// ask evaluates an expression; promises are awaited.
func ask[T any](b *browser, expression string) T {
	b.t.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("ask the page %s: %v", expression, err)
	}
	return answer
}

// open writes a page and opens it from disk.
func (b *browser) open(p Page, fragment string) string {
	b.t.Helper()
	folder := b.t.TempDir()
	if err := p.Write(folder); err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(folder, PageFile)
	b.do(chromedp.Navigate("file://"+file+fragment), chromedp.WaitReady(chromedp.CSS("#count span")))
	return file
}

// media sets a media feature, such as prefers-color-scheme.
func (b *browser) media(name, value string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: name, Value: value}},
	})
	if err != nil {
		b.t.Fatalf("emulate %s: %s: %v", name, value, err)
	}
}

// onPaper shows the page as it would be printed.
func (b *browser) onPaper() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		b.t.Fatalf("emulate paper: %v", err)
	}
}

// picture saves what is seen, where SCREENSHOTS names a folder.
func (b *browser) picture(name string) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
