package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
)

// parts is a gateway of fixed answers.
type parts struct {
	mu        sync.Mutex
	notReady  []string
	counts    map[string]int64
	journeys  []Journey
	messages  []gateway.Message
	decisions []gateway.Decision
	reasons   []ReasonCount
	letters   []DeadLetter
	events    []Event
	broken    error // of the history

	changes  chan Change
	watching chan struct{} // a value for each watch that began
	ended    chan struct{} // and for each that ended
}

func newParts() *parts {
	return &parts{
		counts: map[string]int64{}, changes: make(chan Change, 8192),
		watching: make(chan struct{}, 16), ended: make(chan struct{}, 16),
	}
}

var start = gateway.InstantOf(time.Date(2026, 3, 3, 13, 5, 9, 0, time.UTC))

func (p *parts) Now() gateway.Instant { return start }
func (p *parts) Virtual() bool        { return true }
func (p *parts) NotReady() []string   { return p.notReady }
func (p *parts) Guarantees() []string {
	return []string{"log: embedded, on disk before it is acknowledged"}
}
func (p *parts) Totals() Totals { return Totals{Accepted: 12345, Duplicate: 2} }

func (p *parts) Partitions(context.Context) ([]Partition, error) {
	return []Partition{{Number: 0, Last: 10, Applied: 10, Live: true}, {Number: 1, Last: 10, Applied: 4, Live: true}}, nil
}

func (p *parts) Journeys(context.Context) ([]Journey, error) { return p.journeys, nil }

func (p *parts) MessageCounts(context.Context) (map[string]int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int64{}
	for k, v := range p.counts {
		out[k] = v
	}
	return out, nil
}

func (p *parts) setCount(state string, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[state] = n
}

func (p *parts) LatestMessages(context.Context, int) ([]gateway.Message, error) {
	return p.messages, nil
}
func (p *parts) LatestDecisions(context.Context, int) ([]gateway.Decision, error) {
	return p.decisions, nil
}
func (p *parts) Reasons(context.Context) ([]ReasonCount, error) { return p.reasons, nil }

func (p *parts) LatestEvents(context.Context, int) ([]Event, error) { return p.events, p.broken }

func (p *parts) DeadLetters(context.Context) ([]DeadLetter, bool, error) {
	return p.letters, false, nil
}

func (p *parts) Watch(ctx context.Context, fn func(Change)) error {
	fn(Change{Lost: true})
	p.watching <- struct{}{}
	defer func() { p.ended <- struct{}{} }()
	for {
		select {
		case c := <-p.changes:
			fn(c)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func options(p *parts) Options {
	return Options{
		Name: "coffee house", Clock: p, Status: p, Engine: p, Journeys: p, Messages: p, Decisions: p, Events: p,
		DeadLetters: p, Feed: p, Details: &things{}, Interval: 10 * time.Millisecond,
	}
}

// serve starts a server of the console; its requests end with the test.
func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// within is a context that ends the test when it takes too long.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// body gets a page.
func body(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v", url, resp.Status, err)
	}
	return b.String()
}

// liveStream reads an event stream.
type liveStream struct {
	t    *testing.T
	resp *http.Response
	text *bufio.Reader
	stop context.CancelFunc
}

func openStream(t *testing.T, s *httptest.Server) *liveStream {
	t.Helper()
	ctx, stop := context.WithCancel(within(t))
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); resp.Body.Close() })
	return &liveStream{t, resp, bufio.NewReader(resp.Body), stop}
}

// block reads up to the next empty line.
func (l *liveStream) block() ([]string, error) {
	var lines []string
	for {
		line, err := l.text.ReadString('\n')
		if err != nil {
			return lines, err
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// update reads the next event's panels.
func (l *liveStream) update() map[string]string {
	l.t.Helper()
	for {
		lines, err := l.block()
		if err != nil {
			l.t.Fatalf("the stream ended: %v", err)
		}
		if len(lines) != 3 || lines[0] != "event: panels" {
			continue
		}
		data, ok := strings.CutPrefix(lines[2], "data: ")
		panels := map[string]string{}
		if err := json.Unmarshal([]byte(data), &panels); err != nil || !ok {
			l.t.Fatalf("event %q: %v", lines, err)
		}
		return panels
	}
}

// until reads updates until a panel's text satisfies ok.
func (l *liveStream) until(panel string, ok func(string) bool) string {
	l.t.Helper()
	for {
		if text, has := l.update()[panel]; has && ok(text) {
			return text
		}
	}
}

func contains(part string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, part) }
}

var errAway = errors.New("the server is away")
