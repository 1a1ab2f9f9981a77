package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/deliver/webhook"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	start     = gateway.Instant(1_780_000_000_000)
)

type names struct{}

func (names) CustomerName(context.Context, gateway.CustomerID) (gateway.Personal, error) {
	return "K-100042", nil
}

func (names) DeviceName(context.Context, gateway.DeviceID) (string, string, error) {
	return "cm1", "SN-1", nil
}

func outgoing() *deliver.Outgoing {
	return &deliver.Outgoing{
		Message: &gateway.Message{
			ID: gateway.MessageID{1}, Journey: "welcome", Version: 2, Step: "hello", Customer: 7, Device: 9, Purpose: gateway.PurposeService,
			DecidedAt: start, ExpiresAt: start.Add(time.Hour), Cause: "brew-1",
			Values: gateway.Properties{{Key: "event.water_ml", Value: gateway.Int(120)}, {Key: "event.note", Value: gateway.Sealed("xxx")}},
		},
		Content: render.Content{Title: "Willkommen", Body: "Grüß Gott", Locale: "de", Actions: []render.Action{{ID: "order", Label: "Bestellen"}}},
		Channel: "webhook", Attempt: 1, Now: start,
	}
}

// receiver is a real server that answers as told and keeps what it got.
type receiver struct {
	*httptest.Server
	answer func(w http.ResponseWriter)
	header http.Header
	body   []byte
	n      int
}

func serve(t *testing.T, answer func(w http.ResponseWriter)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.n++
		r.header = req.Header.Clone()
		r.body, _ = io.ReadAll(req.Body)
		if r.answer != nil {
			r.answer(w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func channel(t *testing.T, url string, change ...func(*webhook.Options)) *webhook.Channel {
	t.Helper()
	o := webhook.Options{URL: url, Secrets: []gateway.Personal{newSecret, oldSecret}, Source: "test", Names: names{}}
	for _, c := range change {
		c(&o)
	}
	ch, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestBodyAndSignature(t *testing.T) {
	r := serve(t, nil)
	ch := channel(t, r.URL)
	if err := ch.HandOver(context.Background(), outgoing()); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{oldSecret, newSecret} {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(r.body, r.header); err != nil {
			t.Errorf("verify: %v", err)
		}
		if err := wh.Verify(append([]byte(" "), r.body...), r.header); err == nil {
			t.Error("a changed body is accepted")
		}
	}
	var e struct {
		SpecVersion, ID, Source, Type, Subject, Time, DataContentType string
		Data                                                          map[string]any
	}
	if err := json.Unmarshal(r.body, &e); err != nil {
		t.Fatal(err)
	}
	id := outgoing().Message.ID.String()
	if e.SpecVersion != "1.0" || e.Type != webhook.TypeMessage || e.ID != id || e.Source != "test" || e.Subject != gateway.CustomerID(7).String() {
		t.Errorf("event %+v", e)
	}
	if r.header.Get("webhook-id") != id || !strings.HasPrefix(r.header.Get("Content-Type"), "application/cloudevents+json") {
		t.Errorf("headers %v", r.header)
	}
	for k, v := range map[string]string{"title": "Willkommen", "body": "Grüß Gott", "customer": "K-100042", "device": "SN-1", "product": "cm1", "journey": "welcome"} {
		if e.Data[k] != v {
			t.Errorf("data.%s = %v, want %q", k, e.Data[k], v)
		}
	}
	if v := e.Data["values"].(map[string]any); v["event.water_ml"] != float64(120) || len(v) != 1 {
		t.Errorf("values %v: sealed ones have no place there", v)
	}
}

func TestAnswers(t *testing.T) {
	type want struct {
		kind  gateway.ErrorKind
		final bool
		wait  bool // asked to come later
	}
	ok := want{kind: 255}
	again := want{kind: gateway.Unavailable}
	refused := want{kind: gateway.Invalid, final: true}
	for status, c := range map[int]want{
		200: ok, 201: ok, 202: ok, 204: ok, 299: ok,
		301: refused, 302: refused, 307: refused, 308: refused,
		400: refused, 413: refused, 415: refused, 422: refused,
		401: again, 403: again, 404: again, 408: again, 409: again, 425: again,
		410: {kind: gateway.PermissionDenied, final: true},
		429: {kind: gateway.Exhausted, wait: true}, 500: again, 502: again, 503: {kind: gateway.Unavailable, wait: true}, 504: again,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			r := serve(t, func(w http.ResponseWriter) {
				w.Header().Set("Retry-After", "120")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			})
			ch := channel(t, r.URL+"/path?token=planted")
			err := ch.HandOver(context.Background(), outgoing())
			if c == ok {
				if err != nil {
					t.Fatalf("%d: %v", status, err)
				}
				return
			}
			if err == nil || gateway.KindOf(err) != c.kind {
				t.Fatalf("%d: %v is %v, want %v", status, err, gateway.KindOf(err), c.kind)
			}
			if strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "Grüß") {
				t.Errorf("the error tells too much: %v", err)
			}
			if r.n != 1 {
				t.Errorf("%d requests: redirects are not followed", r.n)
			}
			if waits := again != c && c.wait; waits != (retryAfterOf(t, err) == 2*time.Minute) {
				t.Errorf("%d: asked to wait: %v", status, waits)
			}
		})
	}
}

// retryAfterOf looks at what delivery makes of the error: the time of the
// second attempt.
func retryAfterOf(t *testing.T, err error) time.Duration {
	t.Helper()
	c := clock.NewVirtual(start)
	ch := &onceChannel{err: err}
	d, derr := deliver.New(deliver.Options{Clock: c, Submit: discard{}, Renderer: empty{}, Backoff: time.Second,
		Routes: []deliver.Route{{Name: "webhook", Channel: ch}}})
	if derr != nil {
		t.Fatal(derr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer d.Drain(ctx)
	m := *outgoing().Message
	m.Channel = "webhook"
	d.Committed(0, &gateway.Step{Messages: []gateway.Message{m}})
	for _, at := range []time.Duration{0, 2 * time.Second, 2*time.Minute - 1, 2 * time.Minute} {
		_ = c.Advance(max(c.Now(), start.Add(at)))
		if err := d.Idle(ctx); err != nil {
			t.Fatal(err)
		}
		if ch.n == 2 {
			return at
		}
	}
	return -1
}

type onceChannel struct {
	err error
	n   int
}

func (c *onceChannel) HandOver(context.Context, *deliver.Outgoing) error {
	if c.n++; c.n == 1 {
		return c.err
	}
	return nil
}

type discard struct{}

func (discard) Submit(context.Context, int, gateway.Input) (gateway.Position, error) {
	return gateway.Position{}, nil
}

type empty struct{}

func (empty) Render(context.Context, *gateway.Message) (render.Content, error) {
	return render.Content{}, nil
}

func TestClosedEndpoint(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter) { w.WriteHeader(http.StatusGone) })
	ch := channel(t, r.URL)
	for range 3 {
		if err := ch.HandOver(context.Background(), outgoing()); gateway.KindOf(err) != gateway.PermissionDenied {
			t.Fatalf("got %v", err)
		}
	}
	if r.n != 1 || !ch.Closed() {
		t.Errorf("%d requests after 410, want none", r.n-1)
	}
	ch.Reopen()
	r.answer = nil
	if err := ch.HandOver(context.Background(), outgoing()); err != nil {
		t.Error(err)
	}
}

func TestWithdrawal(t *testing.T) {
	r := serve(t, nil)
	ch := channel(t, r.URL)
	m := outgoing().Message
	if err := ch.Withdraw(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if r.header.Get("webhook-id") != m.ID.String()+".withdrawn" || !strings.Contains(string(r.body), webhook.TypeWithdrawn) {
		t.Errorf("%v %s", r.header, r.body)
	}
}

func TestTransportTroubles(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		r := serve(t, nil)
		r.Close()
		err := channel(t, r.URL+"/?token=planted").HandOver(context.Background(), outgoing())
		if gateway.KindOf(err) != gateway.Unavailable || strings.Contains(err.Error(), "planted") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		release := make(chan struct{})
		r := serve(t, func(http.ResponseWriter) { <-release })
		defer close(release)
		err := channel(t, r.URL+"/?token=planted", func(o *webhook.Options) { o.Timeout = 20 * time.Millisecond }).HandOver(context.Background(), outgoing())
		if gateway.KindOf(err) != gateway.OutcomeUnknown || strings.Contains(err.Error(), "planted") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("endless answer", func(t *testing.T) {
		r := serve(t, func(w http.ResponseWriter) {
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		})
		if err := channel(t, r.URL).HandOver(context.Background(), outgoing()); err != nil {
			t.Error(err)
		}
	})
	t.Run("private address", func(t *testing.T) {
		r := serve(t, nil)
		err := channel(t, r.URL, func(o *webhook.Options) { o.DenyPrivate = true }).HandOver(context.Background(), outgoing())
		if err == nil || r.n != 0 {
			t.Errorf("got %v after %d requests", err, r.n)
		}
	})
}

func TestOptions(t *testing.T) {
	good := func() webhook.Options {
		return webhook.Options{URL: "https://hooks.example.com/in", Secrets: []gateway.Personal{oldSecret}}
	}
	if o := good(); o.Validate() != nil {
		t.Fatal(o.Validate())
	}
	for name, change := range map[string]func(*webhook.Options){
		"webhook.url: is no absolute URL":       func(o *webhook.Options) { o.URL = "hooks" },
		"webhook.url: must begin with https://": func(o *webhook.Options) { o.URL = "ftp://example.com" },
		"since messages are personal":           func(o *webhook.Options) { o.URL = "http://hooks.example.com" },
		"must not hold a user":                  func(o *webhook.Options) { o.URL = "https://a:b@example.com" },
		"not among the allowed":                 func(o *webhook.Options) { o.AllowedHosts = []string{"other.example.com"} },
		"webhook.secret: is required":           func(o *webhook.Options) { o.Secrets = nil },
		"is no Standard Webhooks secret":        func(o *webhook.Options) { o.Secrets = []gateway.Personal{"whsec_abc"} },
		"webhook.timeout":                       func(o *webhook.Options) { o.Timeout = -1 },
	} {
		o := good()
		change(&o)
		err := o.Validate()
		var e *gateway.Error
		if !errors.As(err, &e) || e.Kind != gateway.Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "whsec_abc") || strings.Contains(err.Error(), "a:b")) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}
