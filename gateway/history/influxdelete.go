package history

import (
	"context"
	"strconv"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"touchpoint/gateway"
)

// DeleteDevice implements Store.
func (x *Influx) DeleteDevice(ctx context.Context, d gateway.DeviceID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.credited)
	for _, measurement := range []string{x.o.Measurement, creditMeasurement, inputMeasurement} {
		if err := x.remove(ctx, measurement, tagDevice, d.String(), minFluxTime, maxFluxTime); err != nil {
			return err
		}
	}
	return nil
}

// DeleteCustomer implements Store. InfluxDB deletes by tags and time, and the
// customer is a field: a tag would make a new series of every device that
// changes hands. So the stretches of time are found in which all events of a
// device are the customer's, and those are deleted. Usually that is one stretch
// per device.
func (x *Influx) DeleteCustomer(ctx context.Context, c gateway.CustomerID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.credited)
	devices, contact, err := x.creditedTo(ctx, c)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if err := x.remove(ctx, inputMeasurement, tagDevice, device, minFluxTime, maxFluxTime); err != nil {
			return err
		}
		stretches, err := x.stretches(ctx, device, c)
		if err != nil {
			return err
		}
		for _, s := range stretches {
			if err := x.remove(ctx, x.o.Measurement, tagDevice, device, s.first, s.last); err != nil {
				return err
			}
		}
	}
	if contact {
		if err := x.remove(ctx, x.o.Measurement, tagContact, c.String(), minFluxTime, maxFluxTime); err != nil {
			return err
		}
	}
	if err := x.remove(ctx, inputMeasurement, fieldCustomer, c.String(), minFluxTime, maxFluxTime); err != nil {
		return err
	}
	// Last, so that a deletion that broke off begins anew.
	return x.remove(ctx, creditMeasurement, fieldCustomer, c.String(), minFluxTime, maxFluxTime)
}

type stretch struct{ first, last int64 }

// stretches returns the times, both inclusive, between which all events of a
// device are the customer's.
func (x *Influx) stretches(ctx context.Context, device string, c gateway.CustomerID) ([]stretch, error) {
	var f flux
	f.from(x.o.Bucket, x.o.Measurement, minFluxTime, maxFluxTime)
	f.filter(`r.device == ` + fluxText(device))
	// Events of nobody have no such field, but each has the other one.
	f.filter(`r._field == "customer" or r._field == "applied"`)
	f.line(`|> drop(columns: ["_start", "_stop", "_measurement"])`)
	f.line(`|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`)
	f.line(`|> keep(columns: ["_time", "customer"])`)
	f.line(`|> group()`)
	f.line(`|> sort(columns: ["_time"])`)
	var list []stretch
	mine := false
	want := c.String()
	err := x.run(ctx, f.String(), func(r *query.FluxRecord) error {
		t := r.Time().UnixNano()
		switch {
		case text(r, fieldCustomer) != want:
			mine = false
		case mine:
			list[len(list)-1].last = t
		default:
			list, mine = append(list, stretch{t, t}), true
		}
		return nil
	})
	return list, err
}

// remove deletes the points of a measurement with the tag, from first to last.
func (x *Influx) remove(ctx context.Context, measurement, tag, value string, first, last int64) error {
	predicate := `_measurement=` + strconv.Quote(measurement) + ` and ` + tag + `=` + strconv.Quote(value)
	err := x.delete.DeleteWithName(ctx, x.o.Org, x.o.Bucket, time.Unix(0, first).UTC(), time.Unix(0, last).UTC(), predicate)
	if err != nil {
		return x.queryError(ctx, err)
	}
	return nil
}
