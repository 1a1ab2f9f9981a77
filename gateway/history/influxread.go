package history

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	ihttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"touchpoint/gateway"
)

// run runs a query and calls fn for each record.
func (x *Influx) run(ctx context.Context, text string, fn func(*query.FluxRecord) error) error {
	result, err := x.query.Query(ctx, text)
	if err != nil {
		return x.queryError(ctx, err)
	}
	defer result.Close()
	for result.Next() {
		if err := fn(result.Record()); err != nil {
			return err
		}
	}
	return x.queryError(ctx, result.Err())
}

// queryError gives the error of a query its kind. Texts of the server are left
// out of what callers see: they quote the query.
func (x *Influx) queryError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	var e *ihttp.Error
	switch errors.As(err, &e); {
	case e == nil && cutOff(err): // below
	case e == nil:
		return gateway.Errorf(gateway.Internal, "InfluxDB answers a query wrongly: %w", err)
	case e.StatusCode == http.StatusBadRequest:
		return gateway.Errorf(gateway.Internal, "InfluxDB does not understand a query: %w", err)
	case judge(e) == refused:
		return x.refusal(e)
	}
	return gateway.Errorf(gateway.Unavailable, "InfluxDB does not answer: %w", err)
}

// cutOff reports whether an answer ended before its end. Of such an error the
// client keeps the text alone.
func cutOff(err error) bool {
	return strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) || strings.Contains(err.Error(), syscall.ECONNRESET.Error())
}

// Positions implements Store: what is stored, which may lie behind what was
// appended by up to a second's worth.
func (x *Influx) Positions(ctx context.Context) ([]Position, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.loaded {
		var f flux
		f.from(x.o.Bucket, positionMeasurement, minFluxTime, maxFluxTime)
		f.line(`|> last()`)
		err := x.run(ctx, f.String(), func(r *query.FluxRecord) error {
			p, err := parsePosition(r)
			x.stored[p.Partition] = p
			return err
		})
		if err != nil {
			return nil, err
		}
		for partition, p := range x.stored {
			x.reached[partition] = p
		}
		x.loaded = true
	}
	list := make([]Position, 0, len(x.stored))
	for _, p := range x.stored {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Position) int { return a.Partition - b.Partition })
	return list, nil
}

func parsePosition(r *query.FluxRecord) (p Position, err error) {
	var open int
	if p.Partition, err = strconv.Atoi(text(r, "partition")); err != nil {
		return p, err
	}
	_, err = fmt.Sscan(text(r, "_value"), &p.StepSeq, &p.EventSeq, &p.Inputs, &p.Late, &open)
	p.Open = open != 0
	return p, err
}

func text(r *query.FluxRecord, name string) string {
	s, _ := r.ValueByKey(name).(string)
	return s
}

// subjects finds the series that a filter is about. Of a customer it is known
// which devices have events credited to him.
func (x *Influx) subjects(ctx context.Context, f *Filter) (seriesFilter, error) {
	s := seriesFilter{types: f.Types, product: f.Product, any: f.Device == 0 && f.Customer == 0}
	if f.Customer == 0 {
		if f.Device != 0 {
			s.devices = []string{f.Device.String()}
		}
		return s, nil
	}
	devices, contact, err := x.creditedTo(ctx, f.Customer)
	if err != nil {
		return s, err
	}
	switch {
	case f.Device == 0:
		s.devices = devices
		if contact {
			s.contact = f.Customer.String()
		}
	case slices.Contains(devices, f.Device.String()):
		s.devices = []string{f.Device.String()}
	}
	return s, nil
}

// creditedTo returns the devices that have events credited to a customer, and
// whether there are touchpoints of his without a device.
func (x *Influx) creditedTo(ctx context.Context, c gateway.CustomerID) (devices []string, contact bool, err error) {
	var f flux
	f.from(x.o.Bucket, creditMeasurement, minFluxTime, maxFluxTime)
	f.filter(`r.customer == ` + fluxText(c.String()))
	f.line(`|> last()`)
	err = x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		if d := text(r, tagDevice); d != "" {
			devices = append(devices, d)
		} else {
			contact = true
		}
		return nil
	})
	return devices, contact, err
}

// Events implements Store. First one field tells at which time the page ends and
// whose points are on it; then the whole points up to there are read. Reading
// whole points of every device at once would open each of their many series.
func (x *Influx) Events(ctx context.Context, q Query) (Page, error) {
	after, has, err := q.prepare()
	if err != nil {
		return Page{}, err
	}
	series, err := x.subjects(ctx, &q.Filter)
	if err != nil || series.none() {
		return Page{}, err
	}
	w := &window{q: &q, series: &series}
	w.start, w.stop = q.bounds()
	if has && q.OldestFirst { // of the same nanosecond there may be more
		w.start = max(w.start, after.time)
	} else if has {
		w.stop = min(w.stop, after.time+1)
	}
	if err := x.closeBounds(ctx, w); err != nil {
		return Page{}, err
	}
	// Points that share a nanosecond with the page token may have been returned
	// already, so now and then it takes more than the page has.
	for want := q.Limit + 2; ; want *= 4 {
		found, err := x.find(ctx, w, want)
		if err != nil || found.n == 0 {
			return Page{}, err
		}
		best := &topPoints{q: &q, limit: q.Limit + 1}
		err = x.points(ctx, found.among(&series), &q.Filter, found.first, found.last+1, func(p *Point) error {
			if !has || q.later(keyOf(p), after) {
				best.add(*p)
			}
			return nil
		})
		if err != nil {
			return Page{}, err
		}
		if page := best.page(); page.Next != "" || found.n < want {
			return page, nil
		}
	}
}

// window is where the points of a page are looked for, in nanoseconds.
type window struct {
	q           *Query
	series      *seriesFilter
	start, stop int64
}

// found are the first points of a query's order: how many up to those asked
// for, between which times, and of whom.
type found struct {
	n           int
	first, last int64
	devices     map[string]bool
	contacts    map[string]bool
}

// among narrows a filter to those whose points were found.
func (f *found) among(s *seriesFilter) *seriesFilter {
	if len(f.contacts) > 1 || len(f.devices) > 200 {
		return s
	}
	narrow := *s
	narrow.any, narrow.devices, narrow.contact = false, nil, ""
	for d := range f.devices {
		narrow.devices = append(narrow.devices, d)
	}
	for c := range f.contacts {
		narrow.contact = c
	}
	return &narrow
}

// closeBounds finds where the points begin or end when the query leaves the
// side open that the page begins at.
func (x *Influx) closeBounds(ctx context.Context, w *window) error {
	switch {
	case w.q.OldestFirst && w.start == minFluxTime:
		first, ok, err := x.end(ctx, w, "first")
		if ok {
			w.start = first
		}
		return err
	case !w.q.OldestFirst && w.stop == maxFluxTime && w.series.any:
		return x.closeNewest(ctx, w)
	case !w.q.OldestFirst && w.stop == maxFluxTime:
		last, ok, err := x.end(ctx, w, "last")
		if ok {
			w.stop = last + 1
		}
		return err
	}
	return nil
}

// closeNewest ends the window behind the newest point of all. That is asked of
// the server once: it is slow, and whatever comes later comes through here.
func (x *Influx) closeNewest(ctx context.Context, w *window) error {
	if x.newest.Load() == 0 || !x.newestKnown.Load() {
		all := window{q: &Query{}, series: &seriesFilter{any: true}, start: minFluxTime, stop: maxFluxTime}
		last, _, err := x.end(ctx, &all, "last")
		if err != nil {
			return err
		}
		x.sawTime(last)
		x.newestKnown.Store(true)
	}
	if t := x.newest.Load(); t != 0 {
		w.stop = min(w.stop, t+1)
	}
	return nil
}

// sawTime notes the time of a point.
func (x *Influx) sawTime(t int64) {
	for {
		before := x.newest.Load()
		if t <= before || x.newest.CompareAndSwap(before, t) {
			return
		}
	}
}

// end returns the time of the first or the last point of a window.
func (x *Influx) end(ctx context.Context, w *window, which string) (at int64, ok bool, err error) {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, w.start, w.stop)
	f.series(w.series)
	f.marker(&w.q.Filter)
	f.line(`|> `, which, `()`)
	f.line(`|> keep(columns: ["_time"])`)
	err = x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		t := r.Time().UnixNano()
		if !ok || which == "first" && t < at || which == "last" && t > at {
			at, ok = t, true
		}
		return nil
	})
	return at, ok, err
}

// find finds the first points of the query's order. It looks in growing
// stretches, so that the newest page of a long history is found at its end.
func (x *Influx) find(ctx context.Context, w *window, want int) (*found, error) {
	for width := int64(time.Hour); ; width *= 8 {
		from, to := w.start, w.stop
		whole := true
		if size := to - from; size > width || size < 0 { // too long to be a number
			whole = width > int64(10*365*24*time.Hour)
			switch {
			case whole:
			case w.q.OldestFirst:
				to = from + width
			default:
				from = to - width
			}
		}
		f, err := x.findIn(ctx, w, from, to, want)
		if err != nil || f.n >= want || whole {
			return f, err
		}
	}
}

func (x *Influx) findIn(ctx context.Context, w *window, start, stop int64, want int) (*found, error) {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, start, stop)
	f.series(w.series)
	f.marker(&w.q.Filter)
	f.line(`|> keep(columns: ["_time", "device", "contact"])`)
	f.line(`|> group()`)
	f.line(`|> sort(columns: ["_time"], desc: `, strconv.FormatBool(!w.q.OldestFirst), `)`)
	f.line(`|> limit(n: `, strconv.Itoa(want), `)`)
	got := &found{devices: map[string]bool{}, contacts: map[string]bool{}}
	err := x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		t := r.Time().UnixNano()
		if got.n++; got.n == 1 {
			got.first, got.last = t, t
		}
		got.first, got.last = min(got.first, t), max(got.last, t)
		if c := text(r, tagContact); c != "" {
			got.contacts[c] = true
		}
		if d := text(r, tagDevice); d != "" {
			got.devices[d] = true
		}
		return nil
	})
	return got, err
}

// marker adds the field that every point has, or the customer's own.
func (f *flux) marker(q *Filter) {
	if q.Customer != 0 {
		f.filter(`r._field == "customer" and r._value == ` + fluxText(q.Customer.String()))
	} else {
		f.filter(`r._field == "applied"`)
	}
}

// points calls fn for the whole points of a range, series by series.
func (x *Influx) points(ctx context.Context, s *seriesFilter, filter *Filter, start, stop int64, fn func(*Point) error) error {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, start, stop)
	f.series(s)
	return x.records(ctx, &f, filter, fn)
}

// records calls fn for the whole points that a query finds.
func (x *Influx) records(ctx context.Context, f *flux, filter *Filter, fn func(*Point) error) error {
	f.filter(`r._field == "record"`)
	f.line(`|> keep(columns: ["_value"])`)
	reader := blockReader{want: filter}
	var data []byte
	return x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		var err error
		if data, err = base64.RawStdEncoding.AppendDecode(data[:0], []byte(text(r, "_value"))); err != nil {
			return errBlock
		}
		if err := reader.open(data); err != nil {
			return err
		}
		var p Point
		if ok, err := reader.next(&p); err != nil || !ok {
			return err
		}
		return fn(&p)
	})
}
