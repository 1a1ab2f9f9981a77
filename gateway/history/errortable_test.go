package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/history/historytest"
)

// answer is what the fake server says to one request.
type answer struct {
	status int
	body   string // JSON when it begins with {
	header map[string]string
}

func refuse(status int, message string) answer {
	body, _ := json.Marshal(map[string]string{"code": "some code", "message": message})
	return answer{status: status, body: string(body)}
}

var noContent = answer{status: http.StatusNoContent}

// fakeInflux answers writes as decide says and keeps the lines of those that
// it answered with success.
type fakeInflux struct {
	*httptest.Server
	mu      sync.Mutex
	decide  func(n int, lines []string, r *http.Request) answer
	stored  map[string]bool
	writes  int
	largest int
	discard bool // keep nothing: for benchmarks
}

func newFakeInflux(t testing.TB, decide func(n int, lines []string, r *http.Request) answer) *fakeInflux {
	f := &fakeInflux{decide: decide, stored: map[string]bool{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeInflux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.discard {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, _ := io.ReadAll(r.Body)
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	f.largest = max(f.largest, len(lines))
	a := f.decide(f.writes, lines, r)
	if a.status == 0 { // the connection breaks
		panic(http.ErrAbortHandler)
	}
	if a.status == http.StatusNoContent {
		for _, l := range lines {
			f.stored[l] = true
		}
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if strings.HasPrefix(a.body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// events counts the stored lines of events.
func (f *fakeInflux) events() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.stored {
		if strings.HasPrefix(l, "event,") {
			n++
		}
	}
	return n
}

func has(lines []string, part string) bool {
	for _, l := range lines {
		if strings.Contains(l, part) {
			return true
		}
	}
	return false
}

func points(n int) (list []history.Point) {
	for i := range n {
		list = append(list, historytest.Brew(i, 1, 2))
	}
	return list
}

// TestErrorTable has a row for each row of the table in docs/history.md, and
// more: what the server answers, and what becomes of 64 points.
func TestErrorTable(t *testing.T) {
	firstThen := func(k int, a answer) func(int, []string, *http.Request) answer {
		return func(n int, _ []string, _ *http.Request) answer {
			if n <= k {
				return a
			}
			return noContent
		}
	}
	bad := func(status int, message string, ids ...string) func(int, []string, *http.Request) answer {
		return func(_ int, lines []string, _ *http.Request) answer {
			for _, id := range ids {
				if has(lines, `id="`+id+`"`) {
					return refuse(status, message)
				}
			}
			return noContent
		}
	}
	const n = 64
	for _, c := range []struct {
		name   string
		decide func(n int, lines []string, r *http.Request) answer
		bad    []string // ids that become dead letters
		reason string
		writes int // at most; 0 = any number
	}{
		{name: "ok", decide: firstThen(0, noContent), writes: 2},
		{name: "the connection breaks", decide: firstThen(3, answer{})},
		{name: "500", decide: firstThen(5, refuse(500, "internal error"))},
		{name: "503", decide: firstThen(2, refuse(503, "queue is full"))},
		{name: "no JSON", decide: firstThen(2, answer{status: 502, body: "<html>bad gateway"})},
		{name: "broken JSON", decide: firstThen(2, answer{status: 502, body: "{"})},
		{name: "timeout of the server", decide: firstThen(2, refuse(408, "timeout"))},
		{name: "429", decide: firstThen(2, refuse(429, "slow down"))},
		{name: "401", decide: firstThen(3, refuse(401, "unauthorized access"))},
		{name: "403", decide: firstThen(3, refuse(403, "insufficient permissions for write"))},
		{name: "404", decide: firstThen(3, refuse(404, `bucket "history" not found`))},
		{name: "another 4xx", decide: firstThen(3, refuse(402, "payment required"))},
		{name: "413", decide: func(_ int, lines []string, _ *http.Request) answer {
			if len(lines) > 10 {
				return answer{status: 413, body: "too large"}
			}
			return noContent
		}},
		{name: "413 for one line", decide: bad(413, "too large", "brew-1-7"), bad: []string{"brew-1-7"}, reason: "too large for the history"},
		{name: "400", decide: bad(400, "unable to parse 'x'", "brew-1-0"), bad: []string{"brew-1-0"}, reason: "unable to parse 'x'"},
		{name: "422", decide: bad(422, "failure writing points to database: partial write: field type conflict dropped=1", "brew-1-63"),
			bad: []string{"brew-1-63"}, reason: "failure writing points to database: partial write: field type conflict dropped=1"},
		{name: "several bad lines", decide: bad(422, "field type conflict", "brew-1-5", "brew-1-40", "brew-1-41"),
			bad: []string{"brew-1-5", "brew-1-40", "brew-1-41"}, reason: "field type conflict", writes: 40},
		{name: "beyond retention", decide: retention(map[string]bool{"brew-1-0": true, "brew-1-1": true, "brew-1-2": true}),
			bad: []string{"brew-1-0", "brew-1-1", "brew-1-2"}, reason: "too old: beyond the retention of the history", writes: 5},
		{name: "everything beyond retention", decide: retention(nil), bad: []string{"*"}, reason: "too old: beyond the retention of the history", writes: 3},
		{name: "an outage in the midst of a search", decide: func(n int, lines []string, r *http.Request) answer {
			if n%2 == 0 {
				return refuse(503, "away")
			}
			return bad(422, "conflict", "brew-1-20")(n, lines, r)
		}, bad: []string{"brew-1-20"}, reason: "conflict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := newFakeInflux(t, c.decide)
			dead := &letters{}
			store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "history", Token: "t", DeadLetters: dead})
			if err := store.Append(testContext(t), &history.Batch{Points: points(n)}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range dead.all() {
				got = append(got, d.Point.Event.ID)
				if d.Reason != c.reason {
					t.Errorf("%s: reason %q, want %q", d.Point.Event.ID, d.Reason, c.reason)
				}
			}
			if len(c.bad) == 1 && c.bad[0] == "*" {
				if len(got) != n {
					t.Errorf("%d dead letters, want all %d", len(got), n)
				}
				return
			}
			if strings.Join(got, " ") != strings.Join(c.bad, " ") {
				t.Errorf("dead letters %v, want %v", got, c.bad)
			}
			if stored := server.events(); stored != n-len(c.bad) {
				t.Errorf("%d stored, want %d", stored, n-len(c.bad))
			}
			if c.writes > 0 && server.writes > c.writes {
				t.Errorf("%d requests, want %d at most", server.writes, c.writes)
			}
			if err := store.Health(); err != nil {
				t.Errorf("not healthy afterwards: %v", err)
			}
		})
	}
}

// retention drops the events with these ids (all when nil) and writes the rest,
// as the server does.
func retention(old map[string]bool) func(int, []string, *http.Request) answer {
	return func(_ int, lines []string, _ *http.Request) answer {
		dropped := 0
		for _, l := range lines {
			_, rest, _ := strings.Cut(l, `id="`)
			id, _, _ := strings.Cut(rest, `"`)
			if strings.HasPrefix(l, "event,") && (old == nil || old[id]) || old == nil {
				dropped++
			}
		}
		if dropped == 0 {
			return noContent
		}
		return refuse(422, fmt.Sprintf("failure writing points to database: partial write: dropped %d points outside retention policy of duration 1h0m0s - oldest point x at y dropped because it violates a Retention Policy Lower Bound at z", dropped))
	}
}

// Append keeps what it has until the caller gives up.
func TestKeepsUntilCancelled(t *testing.T) {
	server := newFakeInflux(t, func(int, []string, *http.Request) answer { return refuse(500, "broken") })
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t"})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := store.Append(ctx, &history.Batch{Points: points(3)})
	if gateway.KindOf(err) != gateway.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if gateway.KindOf(store.Health()) != gateway.Unavailable {
		t.Errorf("health: %v", store.Health())
	}
	if server.writes < 3 {
		t.Errorf("%d attempts", server.writes)
	}
}

// Retry-After is obeyed, whatever the back-off would be.
func TestRetryAfter(t *testing.T) {
	var first time.Time
	var waited time.Duration
	server := newFakeInflux(t, func(n int, _ []string, _ *http.Request) answer {
		if n == 1 {
			first = time.Now()
			a := refuse(429, "slow down")
			a.header = map[string]string{"Retry-After": "1"}
			return a
		}
		if waited == 0 {
			waited = time.Since(first)
		}
		return noContent
	})
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t"})
	if err := store.Append(testContext(t), &history.Batch{Points: points(3)}); err != nil {
		t.Fatal(err)
	}
	if waited < time.Second {
		t.Errorf("waited %v, want a second", waited)
	}
}

// The alarm says what to do, keeps everything, and a new token, by call or by
// file, lets it go on.
func TestTokenRotated(t *testing.T) {
	token := "first"
	var mu sync.Mutex
	server := newFakeInflux(t, func(_ int, _ []string, r *http.Request) answer {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Token "+token {
			return refuse(401, "unauthorized access")
		}
		return noContent
	})
	rotate := func(to string) {
		mu.Lock()
		defer mu.Unlock()
		token = to
	}
	ctx := testContext(t)
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	byFile := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", TokenFile: path})
	byCall := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "first"})
	for _, c := range []struct {
		store *history.Influx
		renew func(string)
	}{{byFile, write}, {byCall, byCall.SetToken}} {
		if err := c.store.Append(ctx, &history.Batch{Points: points(2)}); err != nil {
			t.Fatal(err)
		}
		rotate("second")
		result := make(chan error, 1)
		go func() { result <- c.store.Append(ctx, &history.Batch{Points: points(5)}) }()
		eventually(t, ctx, "the token is refused", func() bool { return c.store.Health() != nil })
		if err := c.store.Health(); gateway.KindOf(err) != gateway.Unauthenticated || !strings.Contains(err.Error(), "token") {
			t.Errorf("the alarm: %v", err)
		}
		c.renew("second")
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if err := c.store.Health(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		rotate("first")
		c.renew("first")
	}
}

// A batch is cut by lines and by bytes.
func TestBatchLimits(t *testing.T) {
	server := newFakeInflux(t, func(int, []string, *http.Request) answer { return noContent })
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t", BatchLines: 10})
	if err := store.Append(testContext(t), &history.Batch{Points: points(95)}); err != nil {
		t.Fatal(err)
	}
	if server.largest > 11 || server.events() != 95 {
		t.Errorf("%d lines in a request, %d stored", server.largest, server.events())
	}
	server.largest = 0
	small := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t", BatchBytes: 1000})
	if err := small.Append(testContext(t), &history.Batch{Points: points(95)}); err != nil {
		t.Fatal(err)
	}
	if server.largest > 8 {
		t.Errorf("%d lines in a request of 1,000 bytes", server.largest)
	}
}

func TestInfluxOptions(t *testing.T) {
	good := history.InfluxOptions{URL: "http://localhost:8086", Org: "o", Bucket: "b", Token: "t", DeadLetters: &letters{}}
	for want, change := range map[string]func(*history.InfluxOptions){
		"history.influx.url":          func(o *history.InfluxOptions) { o.URL = "localhost:8086" },
		"history.influx.org":          func(o *history.InfluxOptions) { o.Org = "" },
		"history.influx.bucket":       func(o *history.InfluxOptions) { o.Bucket = "" },
		"history.influx.token":        func(o *history.InfluxOptions) { o.Token = "" },
		"history.influx.token_file":   func(o *history.InfluxOptions) { o.Token, o.TokenFile = "", "/nowhere" },
		"both set":                    func(o *history.InfluxOptions) { o.TokenFile = "x" },
		"history.influx.measurement":  func(o *history.InfluxOptions) { o.Measurement = "a,b" },
		"history.influx.batch":        func(o *history.InfluxOptions) { o.BatchLines = -1 },
		"history.influx.retry":        func(o *history.InfluxOptions) { o.RetryMax = -1 },
		"history.influx.dead_letters": func(o *history.InfluxOptions) { o.DeadLetters = nil },
	} {
		o := good
		change(&o)
		if _, err := history.OpenInflux(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestAnswerCutOff: a connection that breaks within an answer is no wrong answer.
func TestAnswerCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/query") {
			fmt.Fprint(w, "#datatype,string,long,dateTime:RFC3339,string\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: "o", Bucket: "b", Token: "t"})
	_, err := store.Events(context.Background(), history.Query{Limit: 10})
	if gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %v: %v", gateway.KindOf(err), err)
	}
}
