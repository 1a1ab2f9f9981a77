// Package console is the page that shows a running gateway to marketers and
// operators: what comes in, what is decided and why, and what reaches people.
//
// The page is rendered here and complete without a script. With one, an event
// stream replaces panels that changed, at most a few times per second. It
// shows internal ids alone; nothing on it names a person.
package console

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"touchpoint/gateway"
)

//go:embed assets
var embedded embed.FS

// Clock is the gateway's time, virtual or real.
type Clock interface {
	Now() gateway.Instant
	Virtual() bool
}

// Status says whether the gateway works and what it promises.
type Status interface {
	// NotReady lists why the gateway is not ready; empty when it is.
	NotReady() []string
	Guarantees() []string
}

// Engine shows how far the partitions are.
type Engine interface {
	Partitions(ctx context.Context) ([]Partition, error)
	Totals() Totals
}

// Journeys lists the journeys with their counts.
type Journeys interface {
	Journeys(ctx context.Context) ([]Journey, error)
}

// Messages reads messages.
type Messages interface {
	// MessageCounts returns how many messages are in each state.
	MessageCounts(ctx context.Context) (map[string]int64, error)
	// LatestMessages returns the n latest decided, the latest first.
	LatestMessages(ctx context.Context, n int) ([]gateway.Message, error)
}

// Decisions reads decision records.
type Decisions interface {
	// Reasons counts the latest decisions by reason, as many as it looks at.
	Reasons(ctx context.Context) ([]ReasonCount, error)
	// LatestDecisions returns the n latest, the latest first.
	LatestDecisions(ctx context.Context, n int) ([]gateway.Decision, error)
}

// Events reads accepted events.
type Events interface {
	// LatestEvents returns the n latest, the latest first.
	LatestEvents(ctx context.Context, n int) ([]Event, error)
}

// DeadLetters lists what could not be taken in.
type DeadLetters interface {
	// DeadLetters returns the latest that wait, the latest first; more says that
	// there are others behind them.
	DeadLetters(ctx context.Context) (list []DeadLetter, more bool, err error)
}

// Feed tells what became visible.
type Feed interface {
	// Watch calls fn for each change, in order, until ctx ends.
	Watch(ctx context.Context, fn func(Change)) error
}

// Options are the settings of the console. All interfaces are needed.
type Options struct {
	// Name of the installation.
	Name    string
	Version string
	// Zone is the zone in which times are shown; UTC when nil.
	Zone *time.Location

	Clock       Clock
	Status      Status
	Engine      Engine
	Journeys    Journeys
	Messages    Messages
	Decisions   Decisions
	Events      Events
	DeadLetters DeadLetters
	Feed        Feed
	Details     Details

	// RequireToken closes the console to everyone without one of Tokens. Without
	// it, only a browser that names this machine as loopback is answered.
	RequireToken bool
	Tokens       []Token
	// SessionLife is how long a login lasts, 12 h when 0.
	SessionLife time.Duration

	// MaxStreams bounds the event streams open at a time, 64 when 0.
	MaxStreams int
	// Interval is the shortest time between two updates of a stream, 250 ms when 0.
	Interval time.Duration
	Logger   *slog.Logger
}

func (o *Options) fill() error {
	for _, part := range []struct {
		name string
		has  bool
	}{
		{"clock", o.Clock != nil}, {"status", o.Status != nil}, {"engine", o.Engine != nil},
		{"journeys", o.Journeys != nil}, {"messages", o.Messages != nil}, {"decisions", o.Decisions != nil},
		{"events", o.Events != nil}, {"dead_letters", o.DeadLetters != nil}, {"feed", o.Feed != nil},
		{"details", o.Details != nil},
	} {
		if !part.has {
			return gateway.InvalidField("console."+part.name, "is needed")
		}
	}
	switch {
	case o.MaxStreams < 0:
		return gateway.InvalidField("console.max_streams", "must not be negative")
	case o.Interval < 0:
		return gateway.InvalidField("console.interval", "must not be negative")
	case o.SessionLife < 0:
		return gateway.InvalidField("console.session_life", "must not be negative")
	}
	o.Zone = orDefault(o.Zone, time.UTC)
	o.SessionLife = orDefault(o.SessionLife, 12*time.Hour)
	o.MaxStreams = orDefault(o.MaxStreams, 64)
	o.Interval = orDefault(o.Interval, 250*time.Millisecond)
	o.Logger = orDefault(o.Logger, slog.New(slog.DiscardHandler))
	return nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// console is the handler's state.
type console struct {
	Options
	pages *template.Template
	gate  *gate
	live  *live
	hub   *hub
}

// New returns the console as a handler for "/".
func New(o Options) (http.Handler, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	pages, err := template.New("").Funcs(o.templateFuncs()).ParseFS(embedded, "assets/*.html")
	if err != nil {
		return nil, gateway.Errorf(gateway.Internal, "console: %w", err)
	}
	files, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, gateway.Errorf(gateway.Internal, "console: %w", err)
	}
	c := &console{Options: o, pages: pages, gate: newGate(&o), live: newLive()}
	c.hub = newHub(c)

	mux := http.NewServeMux()
	for _, name := range []string{"style.css", "console.js", "icon.svg"} {
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, files, name)
		})
	}
	mux.HandleFunc("GET /login", c.serveLogin)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /logout", c.logout)
	mux.Handle("GET /{$}", c.guard(http.HandlerFunc(c.servePage), true))
	c.routes(mux)
	mux.Handle("GET /live", c.guard(http.HandlerFunc(c.serveLive), false))
	return secure(c.knownHost(mux)), nil
}

// secure sets the headers that every answer has: only what this gateway
// serves may run, nobody may frame it, and it tells no other site of itself.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses foreign names while there are no tokens: else a site could
// point its own name at this machine and read the console in a visitor's
// browser.
func (c *console) knownHost(next http.Handler) http.Handler {
	if c.RequireToken {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(trimBrackets(host)); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "Without tokens the console answers to localhost alone: open it by that name, or set auth.tokens.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// page is what the frame of the page shows around the panels.
type page struct {
	Name, Version string
	Panels        map[string]template.HTML
	Login         bool
}

func (c *console) servePage(w http.ResponseWriter, r *http.Request) {
	c.render(w, http.StatusOK, "page", page{
		Name: c.Name, Version: c.Version, Panels: c.hub.snapshot(r.Context()), Login: c.RequireToken,
	})
}
