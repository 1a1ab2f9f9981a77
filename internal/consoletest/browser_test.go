package consoletest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium with a profile of its own.
type browser struct {
	t   *testing.T
	ctx context.Context
	dir string

	mu      sync.Mutex
	errors  []string
	ignored []string
}

// open starts the browser and notes everything that it complains about.
func open(t *testing.T, ctx context.Context) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("chromium: %v; run: make servers", err)
	}
	alloc, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))...)
	tab, closeTab := chromedp.NewContext(alloc)
	b := &browser{t: t, ctx: tab, dir: pictures(t)}
	said := chromedp.Console(tab)
	var heard sync.WaitGroup
	heard.Go(func() {
		for m, err := range said {
			if err != nil {
				return
			}
			b.hear(m)
		}
	})
	t.Cleanup(func() {
		stopping, stop := context.WithTimeout(tab, 10*time.Second)
		defer stop()
		_ = chromedp.Cancel(stopping) // waits until the browser has left its profile
		closeTab()
		cancel()
		heard.Wait()
	})
	return b
}

// pictures is where screenshots go: a directory of the test, or one that
// someone who wants to look names.
func pictures(t *testing.T) string {
	if dir := os.Getenv("TOUCHPOINT_TEST_PICTURES"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	return t.TempDir()
}

func (b *browser) hear(m chromedp.ConsoleMessage) {
	switch m.Type {
	case chromedp.ConsoleError, chromedp.ConsoleWarning, chromedp.ConsoleException:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errors = append(b.errors, m.String()+" "+m.URL)
	}
}

// ignore names a complaint that the test provokes.
func (b *browser) ignore(part string) { b.ignored = append(b.ignored, part) }

// noErrors fails the test with what the browser complained about.
func (b *browser) noErrors() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
complaints:
	for _, e := range b.errors {
		for _, part := range b.ignored {
			if strings.Contains(e, part) {
				continue complaints
			}
		}
		b.t.Errorf("the browser complains: %s", e)
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v\nthe page shows:\n%s", err, b.text())
	}
}

func (b *browser) text() string {
	seen, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		return err.Error()
	}
	return seen
}

// evaluate returns the value of an expression.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// command sends a command of the browser's protocol.
func command(method string, params any) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return t.Call(ctx, method, params, nil)
	})
}

// pause stops the lanes, so that a picture is one moment.
func (b *browser) pause() {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS("#pause")),
		see("the lanes stand still", `document.getElementById('pause').getAttribute('aria-pressed') === 'true'`))
}

// shoot takes a picture of the whole page and checks that nothing is wider
// than the screen.
func (b *browser) shoot(name string, width int64, scheme string, scale float64) {
	b.t.Helper()
	type feature struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	b.run(
		chromedp.EmulateViewport(width, 900, chromedp.EmulateScale(scale)),
		command("Emulation.setEmulatedMedia", map[string]any{"features": []feature{
			{"prefers-color-scheme", scheme}, {"prefers-reduced-motion", "reduce"},
		}}),
	)
	if over := evaluate[float64](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		b.t.Errorf("%s: the page is %v px wider than the screen", name, over)
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
