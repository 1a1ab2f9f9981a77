package history

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
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
	case e == nil:
		return gateway.Errorf(gateway.Internal, "InfluxDB answers a query wrongly: %w", err)
	case e.StatusCode == http.StatusBadRequest:
		return gateway.Errorf(gateway.Internal, "InfluxDB does not understand a query: %w", err)
	case judge(e) == refused:
		return x.refusal(e)
	}
	return gateway.Errorf(gateway.Unavailable, "InfluxDB does not answer: %w", err)
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

// Events implements Store. First one field tells at which time the page ends,
// then the whole points up to there are read: rows of different types cannot be
// sorted together on the server.
func (x *Influx) Events(ctx context.Context, q Query) (Page, error) {
	after, has, err := q.prepare()
	if err != nil {
		return Page{}, err
	}
	series, err := x.subjects(ctx, &q.Filter)
	if err != nil || series.none() {
		return Page{}, err
	}
	start, stop := q.bounds()
	if has && q.OldestFirst { // of the same nanosecond there may be more
		start = max(start, after.time)
	} else if has {
		stop = min(stop, after.time+1)
	}
	first, last, found, err := x.edges(ctx, &q, &series, start, stop)
	if err != nil || !found {
		return Page{}, err
	}
	best := &topPoints{q: &q, limit: q.Limit + 1}
	err = x.points(ctx, &series, &q.Filter, first, last+1, func(p *Point) error {
		if !has || q.later(keyOf(p), after) {
			best.add(*p)
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return best.page(), nil
}

// edges returns the times between which the page lies. It looks in growing
// stretches, so that the newest page of a long history is found at its end.
func (x *Influx) edges(ctx context.Context, q *Query, s *seriesFilter, start, stop int64) (first, last int64, found bool, err error) {
	first, last, found, err = x.extent(ctx, q, s, start, stop)
	if err != nil || !found {
		return 0, 0, false, err
	}
	want := q.Limit + 2 // one more tells of a next page, one may be the page token's own
	for width := time.Hour; ; width *= 8 {
		from, to := max(first, last-int64(width)), last+1
		if q.OldestFirst {
			from, to = first, min(last+1, first+int64(width))
		}
		whole := q.OldestFirst && to == last+1 || !q.OldestFirst && from == first
		edge, n, err := x.edge(ctx, q, s, from, to, want)
		if err != nil {
			return 0, 0, false, err
		}
		switch {
		case n < want && !whole && width < 200*365*24*time.Hour/8:
			continue
		case n < want:
			return first, last, true, nil
		case q.OldestFirst:
			return first, edge, true, nil
		}
		return edge, last, true, nil
	}
}

// marker adds the field that every point has, or the customer's own.
func (f *flux) marker(q *Filter) {
	if q.Customer != 0 {
		f.filter(`r._field == "customer" and r._value == ` + fluxText(q.Customer.String()))
	} else {
		f.filter(`r._field == "applied"`)
	}
}

// extent returns the times of the first and the last point.
func (x *Influx) extent(ctx context.Context, q *Query, s *seriesFilter, start, stop int64) (first, last int64, found bool, err error) {
	for _, end := range []string{"first", "last"} {
		var f flux
		f.from(x.o.Bucket, x.o.Measurement, start, stop)
		f.series(s)
		f.marker(&q.Filter)
		f.line(`|> `, end, `()`)
		f.line(`|> keep(columns: ["_time"])`)
		err := x.run(ctx, f.String(), func(r *query.FluxRecord) error {
			t := r.Time().UnixNano()
			switch {
			case !found && end == "first":
				first, last, found = t, t, true
			case end == "first":
				first = min(first, t)
			}
			last = max(last, t)
			return nil
		})
		if err != nil || !found {
			return 0, 0, false, err
		}
	}
	return first, last, found, nil
}

// edge returns the time of the n-th point of the query's order and how many
// there are up to n.
func (x *Influx) edge(ctx context.Context, q *Query, s *seriesFilter, start, stop int64, n int) (edge int64, found int, err error) {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, start, stop)
	f.series(s)
	f.marker(&q.Filter)
	f.line(`|> keep(columns: ["_time"])`)
	f.line(`|> group()`)
	f.line(`|> sort(columns: ["_time"], desc: `, strconv.FormatBool(!q.OldestFirst), `)`)
	f.line(`|> limit(n: `, strconv.Itoa(n), `)`)
	err = x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		edge = r.Time().UnixNano()
		found++
		return nil
	})
	return edge, found, err
}

// points calls fn for the whole points of a range, series by series.
func (x *Influx) points(ctx context.Context, s *seriesFilter, filter *Filter, start, stop int64, fn func(*Point) error) error {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, start, stop)
	f.series(s)
	f.line(`|> drop(columns: ["_start", "_stop", "_measurement"])`)
	f.line(`|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`)
	return x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		var p Point
		if err := readPoint(r, &p); err != nil {
			return err
		}
		if filter.matches(&p) {
			return fn(&p)
		}
		return nil
	})
}

// readPoint reads a row that has a column per field.
func readPoint(r *query.FluxRecord, p *Point) error {
	values := r.Values()
	e := &p.Event
	e.OccurredAt = gateway.Instant(floorMillis(r.Time().UnixNano()))
	e.Type, e.Product = parseName(text(r, tagType)), parseName(text(r, tagProduct))
	e.ID = parseName(text(r, fieldID))
	if applied, ok := values[fieldApplied].(int64); ok {
		p.AppliedAt = gateway.Instant(applied)
	}
	var err error
	if d := text(r, tagDevice); d != "" {
		if e.Device, err = gateway.ParseDeviceID(d); err != nil {
			return gateway.Errorf(gateway.Internal, "a point in InfluxDB is not ours: %w", err)
		}
	}
	if c := text(r, fieldCustomer); c != "" {
		if p.Customer, err = gateway.ParseCustomerID(c); err != nil {
			return gateway.Errorf(gateway.Internal, "a point in InfluxDB is not ours: %w", err)
		}
	}
	for name, v := range values {
		if property, ok := parseField(name, v); ok {
			e.Properties = append(e.Properties, property)
		}
	}
	sort.Slice(e.Properties, func(a, b int) bool { return e.Properties[a].Key < e.Properties[b].Key })
	if !parseOrigin(text(r, fieldOrigin), p) {
		return gateway.Errorf(gateway.Internal, "the origin of a point in InfluxDB is damaged")
	}
	return nil
}

// Aggregate implements Store. The server aggregates; only where customers come
// in, which are a field, the points themselves are read and added up here.
func (x *Influx) Aggregate(ctx context.Context, a Aggregation) ([]Row, error) {
	if err := a.prepare(); err != nil {
		return nil, err
	}
	series, err := x.subjects(ctx, &a.Filter)
	if err != nil || series.none() {
		return []Row{}, err
	}
	start, stop := a.bounds()
	if a.Customer != 0 || slices.Contains(a.Groups, ByCustomer) {
		sums := newSums(&a)
		err := x.points(ctx, &series, &a.Filter, start, stop, func(p *Point) error {
			sums.add(p)
			return nil
		})
		if err != nil {
			return nil, err
		}
		return sums.rows(), nil
	}
	rows := map[Row]*Row{}
	if err := x.aggregate(ctx, &a, &series, "count", start, stop, rows); err != nil {
		return nil, err
	}
	if fn := a.Function; fn != Count && len(rows) > 0 {
		if fn == Mean {
			fn = Sum
		}
		err := x.aggregate(ctx, &a, &series, string(fn), start, stop, rows)
		if err != nil && !strings.Contains(err.Error(), "unsupported") {
			return nil, err
		}
		if err != nil { // the field holds no numbers
			return []Row{}, nil
		}
	}
	list := make([]Row, 0, len(rows))
	for _, r := range rows {
		if a.Function == Mean {
			r.Value /= float64(r.Points)
		}
		list = append(list, *r)
	}
	sortRows(list)
	return list, nil
}

// aggregate lets the server compute one function and puts the result into rows.
func (x *Influx) aggregate(ctx context.Context, a *Aggregation, s *seriesFilter, fn string, start, stop int64, rows map[Row]*Row) error {
	field := `r._field == "applied"`
	if a.Field != "" {
		field = `r._field == ` + fluxText(storedField(a.Field))
	}
	if a.Field != "" && a.Function == Count { // texts and sealed values count, too
		name := storedName(a.Field)
		field += ` or r._field == ` + fluxText(escapedPrefix+name) + ` or r._field == ` + fluxText(sealedPrefix+name)
	}
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, start, stop)
	f.series(s)
	f.filter(field)
	if a.Window > 0 {
		f.line(`|> window(every: `, strconv.FormatInt(a.Window.Milliseconds(), 10), `ms)`)
	}
	f.line(`|> `, fn, `()`)
	columns := []string{`"_start"`}
	for _, g := range a.Groups {
		columns = append(columns, strconv.Quote(string(g)))
	}
	merge := fn
	if fn == "count" {
		merge = "sum"
	}
	f.line(`|> group(columns: [`, strings.Join(columns, ", "), `])`)
	if fn == "last" {
		f.line(`|> sort(columns: ["_time"])`)
	}
	f.line(`|> `, merge, `()`)
	f.line(`|> keep(columns: [`, strings.Join(append(columns, `"_value"`), ", "), `])`)
	return x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		key := Row{Type: parseName(text(r, tagType)), Product: parseName(text(r, tagProduct))}
		if a.Window > 0 {
			key.Start = a.start(gateway.Instant(floorMillis(r.Start().UnixNano())))
		}
		if d := text(r, tagDevice); d != "" {
			id, err := gateway.ParseDeviceID(d)
			if err != nil {
				return gateway.Errorf(gateway.Internal, "a point in InfluxDB is not ours: %w", err)
			}
			key.Device = id
		}
		row := rows[key]
		if row == nil {
			copied := key
			row = &copied
			rows[key] = row
		}
		switch v := r.Value().(type) {
		case int64:
			row.Value = float64(v)
		case float64:
			row.Value = v
		}
		if fn == "count" {
			row.Points = int64(row.Value)
		}
		return nil
	})
}
