package console

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"touchpoint/gateway"
)

func TestStreamSendsAllThenWhatChanged(t *testing.T) {
	p := newParts()
	l := openStream(t, serve(t, options(p)))
	if got := l.resp.Header.Get("Content-Type"); got != "text/event-stream" || l.resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", l.resp.Header)
	}
	lines, err := l.block()
	if err != nil || len(lines) != 1 || lines[0] != "retry: 2000" {
		t.Fatalf("the stream begins with %q, %v", lines, err)
	}
	l.until("guarantees", contains("on disk"))
	p.setCount("displayed", 4321)
	l.until("messages", contains("4,321"))

	id := gateway.MessageID{9}
	p.changes <- Change{Message: &gateway.Message{ID: id, Journey: "welcome", Step: "hello", Device: 5, Customer: 8, DecidedAt: start}}
	l.until("live", contains("decided"))
	p.changes <- Change{Update: &gateway.MessageUpdate{Message: id, Device: 5, Customer: 8, State: gateway.MessageDisplayed, At: start}}
	text := l.until("live", contains("displayed"))
	if strings.Count(text, id.String()) != 1 || !strings.Contains(text, "welcome") || !strings.Contains(text, "hello") {
		t.Errorf("a message is one line that keeps its journey and step:\n%s", text)
	}
	p.changes <- Change{Erased: 8}
	l.until("live", func(s string) bool { return !strings.Contains(s, id.String()) })
}

func TestAFloodIsBoundedAndSlow(t *testing.T) {
	p := newParts()
	o := options(p)
	o.Interval = 50 * time.Millisecond
	l := openStream(t, serve(t, o))
	l.until("live", contains("No message yet"))
	begun := time.Now()
	go func() {
		for i := range 5000 {
			p.changes <- Change{Decision: &gateway.Decision{Reason: gateway.ReasonCapped, Journey: "j" + number(i), At: start}}
		}
	}()
	updates := 0
	text := l.until("live", func(s string) bool { updates++; return strings.Contains(s, "j4,999<") })
	if n := strings.Count(text, "data-key="); n != laneLength {
		t.Errorf("%d lines, want %d", n, laneLength)
	}
	if most := int(time.Since(begun)/o.Interval) + 2; updates > most {
		t.Errorf("%d updates in %v, want at most %d", updates, time.Since(begun), most)
	}
}

func TestStreamsAreLimitedAndFreeTheirPlace(t *testing.T) {
	p := newParts()
	o := options(p)
	o.MaxStreams = 2
	s := serve(t, o)
	a, _ := openStream(t, s), openStream(t, s)
	refused := openStream(t, s)
	if refused.resp.StatusCode != http.StatusServiceUnavailable || refused.resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third stream: %s", refused.resp.Status)
	}
	a.stop()
	for ctx := within(t); ; { // the place is free when the server has seen it
		again := openStream(t, s)
		if again.resp.StatusCode == http.StatusOK {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the place was not freed")
		}
	}
}

func TestNobodyLooksNothingRuns(t *testing.T) {
	p := newParts()
	s := serve(t, options(p))
	ctx := within(t)
	for range 2 {
		l := openStream(t, s)
		await(t, ctx, p.watching, "the watch of the feed")
		l.update()
		l.stop()
		await(t, ctx, p.ended, "the end of the watch")
	}
	if len(p.watching) > 0 {
		t.Error("one stream began several watches")
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	h, err := New(options(newParts()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t))
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer write.Close()
		r := httptest.NewRequestWithContext(ctx, "GET", "/live", nil)
		r.Host = "localhost"
		h.ServeHTTP(&pipeWriter{write, http.Header{}}, r)
	}()
	go func() { _, _ = io.Copy(io.Discard, read) }()
	cancel()
	await(t, within(t), done, "the handler's end")
}

type pipeWriter struct {
	io.Writer
	header http.Header
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) WriteHeader(int)     {}
func (w *pipeWriter) Flush()              {}

func await(t *testing.T, ctx context.Context, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-ctx.Done():
		t.Fatalf("%s did not come", what)
	}
}

func TestChangesDuringASeedAreNotLost(t *testing.T) {
	l := newLive()
	l.seeding = true
	id := gateway.MessageID{3}
	l.apply(Change{Update: &gateway.MessageUpdate{Message: id, Journey: "welcome", State: gateway.MessageDisplayed, At: start}})
	c := &console{live: l, Options: options(newParts())}
	if err := c.seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := l.lanes().Messages; len(got) != 1 || got[0].Word != "displayed" {
		t.Errorf("lanes: %+v", got)
	}
	l.seeding = true
	again := false
	for range maxWaiting + 1 {
		again = l.apply(Change{Erased: 1})
	}
	if !again {
		t.Error("what does not fit must be read anew")
	}
}

func TestPublishingIsOneLine(t *testing.T) {
	l := newLive()
	for range 16 { // partitions
		l.apply(Change{Decision: &gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonPublished, Journey: "welcome", Version: 2}})
	}
	if got := l.lanes().Decisions; len(got) != 1 {
		t.Errorf("lanes: %+v", got)
	}
}
