package history

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"

	"touchpoint/gateway"
)

// InfluxOptions are the settings of a store in InfluxDB 2.x.
type InfluxOptions struct {
	// URL, Org and Bucket say where; the bucket must exist.
	URL, Org, Bucket string
	// Token authorizes; TokenFile, read again whenever the server refuses the
	// token, is the way to rotate it without a restart.
	Token, TokenFile string
	// Measurement is where events go, "event" when empty.
	Measurement string
	// BatchLines and BatchBytes bound one write: 5,000 lines and 1 MB.
	BatchLines, BatchBytes int
	// Compress sends writes gzipped, for a network that is the limit.
	Compress bool
	// Timeout is for one write, 20 s when 0. Reading takes as long as it takes: a
	// scan may well be read for an hour.
	Timeout time.Duration
	// RetryMin and RetryMax bound the wait between attempts, 200 ms and 30 s; a
	// refused token or a missing bucket is looked at again every RefusedRetry, 10 s.
	RetryMin, RetryMax, RefusedRetry time.Duration
	// DeadLetters takes what the server refuses for good.
	DeadLetters DeadLetters
	Logger      *slog.Logger
}

func (o *InfluxOptions) fill() error {
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return gateway.InvalidField("history.influx.url", "is no address of the form http://host:8086")
	case o.Org == "":
		return gateway.InvalidField("history.influx.org", "is needed")
	case o.Bucket == "":
		return gateway.InvalidField("history.influx.bucket", "is needed")
	case o.Token == "" && o.TokenFile == "":
		return gateway.InvalidField("history.influx.token", "is needed, or history.influx.token_file")
	case o.Token != "" && o.TokenFile != "":
		return gateway.InvalidField("history.influx.token", "and history.influx.token_file are both set: one of them is enough")
	case o.Measurement == creditMeasurement || o.Measurement == positionMeasurement || o.Measurement == inputMeasurement || strings.ContainsAny(o.Measurement, "\\\n\r,= %"):
		return gateway.InvalidField("history.influx.measurement", "%q: a plain name is needed, other than %q and %q",
			o.Measurement, creditMeasurement, positionMeasurement)
	case o.BatchLines < 0 || o.BatchBytes < 0:
		return gateway.InvalidField("history.influx.batch", "must not be negative")
	case o.Timeout < 0 || o.RetryMin < 0 || o.RetryMax < 0 || o.RefusedRetry < 0:
		return gateway.InvalidField("history.influx.retry", "must not be negative")
	case o.DeadLetters == nil:
		return gateway.InvalidField("history.influx.dead_letters", "is needed")
	}
	setDefault(&o.Measurement, "event")
	setDefault(&o.BatchLines, 5000)
	setDefault(&o.BatchBytes, 1<<20)
	setDefault(&o.Timeout, 20*time.Second)
	setDefault(&o.RetryMin, 200*time.Millisecond)
	setDefault(&o.RetryMax, 30*time.Second)
	setDefault(&o.RefusedRetry, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Influx is a store in InfluxDB 2.x.
//
// A batch is through when every line is written or is a dead letter; until then
// Append keeps it and tries again without limit, so that it is for the follower
// to stand still. Since a point's time is made of its event, writing it again
// overwrites it.
type Influx struct {
	o      InfluxOptions
	client influxdb2.Client
	write  api.WriteAPIBlocking
	query  api.QueryAPI
	delete api.DeleteAPI
	http   *http.Client
	token  atomic.Pointer[string]
	kick   chan struct{} // a new token: try at once

	mu       sync.Mutex // of what follows: one Append, Delete or save at a time
	enc      lineEncoder
	lines    []line
	credited map[pair]int64 // day of the last line that says so
	reached  map[int]Position
	stored   map[int]Position
	savedAt  time.Time
	loaded   bool

	health      atomic.Pointer[gateway.Error]
	newest      atomic.Int64 // time of the newest point that is known of
	newestKnown atomic.Bool  // the server was asked for it
}

// OpenInflux prepares the store. The server need not be there yet.
func OpenInflux(o InfluxOptions) (*Influx, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	x := &Influx{
		o: o, kick: make(chan struct{}, 1), credited: map[pair]int64{},
		reached: map[int]Position{}, stored: map[int]Position{},
	}
	x.enc.measurement = o.Measurement
	x.token.Store(&o.Token)
	if o.TokenFile != "" {
		if err := x.readToken(); err != nil {
			return nil, gateway.InvalidField("history.influx.token_file", "cannot be read: %v", err)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	x.http = &http.Client{Transport: &authorize{token: &x.token, next: transport}}
	options := influxdb2.DefaultOptions().SetHTTPClient(x.http).SetUseGZip(o.Compress)
	x.client = influxdb2.NewClientWithOptions(o.URL, "", options)
	x.write = x.client.WriteAPIBlocking(o.Org, o.Bucket)
	x.query = x.client.QueryAPI(o.Org)
	x.delete = x.client.DeleteAPI()
	return x, nil
}

// SetToken replaces the token; a batch that waits for it is tried at once.
func (x *Influx) SetToken(token string) {
	x.token.Store(&token)
	select {
	case x.kick <- struct{}{}:
	default:
	}
}

// readToken takes the token from its file.
func (x *Influx) readToken() error {
	text, err := os.ReadFile(x.o.TokenFile)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(text))
	x.token.Store(&token)
	return nil
}

// authorize adds the token to requests. The library's own way to change the
// token is no good while requests are under way.
type authorize struct {
	token *atomic.Pointer[string]
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *authorize) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Token "+*a.token.Load())
	return a.next.RoundTrip(r)
}

// Health implements Store.
func (x *Influx) Health() error {
	if err := x.health.Load(); err != nil {
		return err
	}
	return nil
}

// setHealth notes why nothing is written, and logs it when that is news.
func (x *Influx) setHealth(err *gateway.Error) {
	before := x.health.Swap(err)
	switch {
	case err == nil && before != nil:
		x.o.Logger.Info("history: InfluxDB takes points again")
	case err != nil && (before == nil || before.Text != err.Text):
		x.o.Logger.Error("history: InfluxDB takes no points, they are kept", "error", err)
	}
}

// Append implements Store.
func (x *Influx) Append(ctx context.Context, b *Batch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	rejected := false
	for rest := b.Points; len(rest) > 0; {
		rest = rest[x.encode(rest):]
		bad, err := x.send(ctx, x.lines)
		if err != nil {
			clear(x.credited) // some of what it says may not be written
			return err
		}
		rejected = rejected || bad
	}
	for i := range b.Points {
		if b.Points[i].Kind == KindEvent {
			x.sawTime(TimeOf(&b.Points[i].Event))
		}
	}
	for _, p := range b.Positions {
		x.reached[p.Partition] = p
	}
	// What comes again after a crash overwrites itself, so a position need not be
	// stored with every batch; but a dead letter would come twice.
	if rejected || time.Since(x.savedAt) >= time.Second {
		return x.save(ctx)
	}
	return nil
}

// line is where a line lies in the encoder's memory and what it is of.
type line struct {
	from, to int
	point    *Point // nil for a line of our own
}

// encode encodes points until a write is full and returns how many.
func (x *Influx) encode(points []Point) int {
	x.enc.buf, x.lines = x.enc.buf[:0], x.lines[:0]
	for i := range points {
		if len(x.lines) >= x.o.BatchLines || len(x.enc.buf) >= x.o.BatchBytes {
			return i
		}
		p := &points[i]
		if x.newCredit(p) {
			from := len(x.enc.buf)
			x.enc.credit(p)
			x.lines = append(x.lines, line{from, len(x.enc.buf), nil})
		}
		from := len(x.enc.buf)
		if p.Kind == KindEvent {
			x.enc.event(p)
		} else {
			x.enc.input(p)
		}
		x.lines = append(x.lines, line{from, len(x.enc.buf), p})
	}
	return len(points)
}

// newCredit reports whether the point needs a line that says who was credited.
// There is one per day, so that it lives as long as the events do.
func (x *Influx) newCredit(p *Point) bool {
	if p.Customer == 0 || p.Kind != KindEvent {
		return false
	}
	c := pair{p.Customer, subjectOf(p)}
	day := int64(p.Event.OccurredAt) / (24 * time.Hour).Milliseconds()
	if known, ok := x.credited[c]; ok && known == day {
		return false
	}
	if len(x.credited) >= maxCredited {
		clear(x.credited)
	}
	x.credited[c] = day
	return true
}

// save stores the positions that were reached.
func (x *Influx) save(ctx context.Context) error {
	x.enc.buf, x.lines = x.enc.buf[:0], x.lines[:0]
	// Ten minutes share a point, since the positions of a year need not be kept.
	at := time.Now().Truncate(10 * time.Minute).UnixNano()
	for partition, p := range x.reached {
		if x.stored[partition] == p {
			continue
		}
		from := len(x.enc.buf)
		x.enc.position(&p, at)
		x.lines = append(x.lines, line{from, len(x.enc.buf), nil})
	}
	if len(x.lines) > 0 {
		if _, err := x.send(ctx, x.lines); err != nil {
			return err
		}
	}
	for partition, p := range x.reached {
		x.stored[partition] = p
	}
	x.savedAt = time.Now()
	return nil
}

// Close implements Store.
func (x *Influx) Close(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := x.save(ctx)
	x.client.Close()
	x.http.CloseIdleConnections()
	return err
}
