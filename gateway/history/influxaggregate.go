package history

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"touchpoint/gateway"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

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
	if a.Field != "" && a.Function == Count { // sealed values count, too
		field += ` or r._field == ` + fluxText(sealedPrefix+storedName(a.Field))
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
