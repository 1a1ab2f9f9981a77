package historytest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
)

func testAggregate(t *testing.T, f *fixture) {
	var points []history.Point
	for n := range 10 {
		points = append(points, Brew(n, device1, anna))
	}
	points = append(points, Brew(10, device2, ben))
	other := Brew(11, device2, ben)
	other.Event.Type, other.Event.Product = "rinse", "kaffa-3"
	other.Event.Properties = gateway.Properties{{Key: "done", Value: gateway.Bool(true)}, {Key: "program", Value: gateway.String("short")}}
	points = append(points, other)
	f.append(t, points...)
	for _, c := range aggregations() {
		got, err := f.Aggregate(f.ctx, c.a)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, append([]history.Row{}, got...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func testAggregateByCustomer(t *testing.T, f *fixture) {
	f.append(t, Brew(0, device1, anna), Brew(1, device1, ben), Brew(2, device2, ben), Brew(3, device2, 0))
	for _, c := range []struct {
		a    history.Aggregation
		want []history.Row
	}{
		{history.Aggregation{Function: history.Count, Groups: []history.Group{history.ByCustomer}}, []history.Row{
			{Value: 1, Points: 1}, {Customer: ben, Value: 2, Points: 2}, {Customer: anna, Value: 1, Points: 1}}},
		{history.Aggregation{Function: history.Sum, Field: "water_ml", Filter: history.Filter{Customer: ben}},
			[]history.Row{{Value: 63, Points: 2}}},
		{history.Aggregation{Function: history.Max, Field: "water_ml", Filter: history.Filter{Customer: ben}, Groups: []history.Group{history.ByDevice}},
			[]history.Row{{Device: device1, Value: 31, Points: 1}, {Device: device2, Value: 32, Points: 1}}},
		{history.Aggregation{Function: history.Count, Filter: history.Filter{Customer: 5}}, []history.Row{}},
	} {
		got, err := f.Aggregate(f.ctx, c.a)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, append([]history.Row{}, got...)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", c.a, d)
		}
	}
}

type aggregation struct {
	name string
	a    history.Aggregation
	want []history.Row
}

// aggregations lists what is asked about ten brews of one device, and a brew
// and a rinse of another.
func aggregations() []aggregation {
	// Start is 6 min 40 s past a quarter of an hour, so windows of five minutes
	// begin 100 s before it.
	first := Start - 100_000
	brews := history.Filter{Types: []string{"brew_finished"}}
	return []aggregation{
		{"all", history.Aggregation{Function: history.Count}, []history.Row{{Value: 12, Points: 12}}},
		{"none", history.Aggregation{Function: history.Count, Filter: history.Filter{Types: []string{"x"}}}, []history.Row{}},
		{"field", history.Aggregation{Function: history.Count, Field: "grams"}, []history.Row{{Value: 11, Points: 11}}},
		{"boolean field", history.Aggregation{Function: history.Count, Field: "done"}, []history.Row{{Value: 1, Points: 1}}},
		{"sum", history.Aggregation{Function: history.Sum, Field: "water_ml", Filter: brews}, []history.Row{{Value: 385, Points: 11}}},
		{"mean", history.Aggregation{Function: history.Mean, Field: "water_ml", Filter: brews}, []history.Row{{Value: 35, Points: 11}}},
		{"min", history.Aggregation{Function: history.Min, Field: "water_ml", Filter: brews}, []history.Row{{Value: 30, Points: 11}}},
		{"max", history.Aggregation{Function: history.Max, Field: "water_ml", Filter: brews}, []history.Row{{Value: 40, Points: 11}}},
		{"no numbers", history.Aggregation{Function: history.Sum, Field: "done"}, []history.Row{}},
		{"text", history.Aggregation{Function: history.Min, Field: "program"}, []history.Row{}},
		{"no such field", history.Aggregation{Function: history.Max, Field: "nothing"}, []history.Row{}},
		{"last", history.Aggregation{Function: history.Last, Field: "water_ml", Groups: []history.Group{history.ByDevice}}, []history.Row{
			{Device: device1, Value: 39, Points: 10},
			{Device: device2, Value: 40, Points: 1},
		}},
		{"last of all", history.Aggregation{Function: history.Last, Field: "water_ml", Window: time.Hour, Filter: history.Filter{From: Start + 1}},
			[]history.Row{{Start: Start - Start%3_600_000, Value: 40, Points: 10}}},
		{"range", history.Aggregation{Function: history.Sum, Field: "water_ml", Filter: history.Filter{From: Start + 60_000, To: Start + 180_000}},
			[]history.Row{{Value: 63, Points: 2}}},
		{"windows", history.Aggregation{Function: history.Sum, Field: "water_ml", Filter: brews, Window: 5 * time.Minute}, []history.Row{
			{Start: first, Value: 30 + 31 + 32 + 33, Points: 4},
			{Start: first + 300_000, Value: 34 + 35 + 36 + 37 + 38, Points: 5},
			{Start: first + 600_000, Value: 39 + 40, Points: 2},
		}},
		{"cut window", history.Aggregation{Function: history.Count, Window: 5 * time.Minute,
			Filter: history.Filter{From: Start + 60_000, To: Start + 120_000}}, []history.Row{{Start: first, Value: 1, Points: 1}}},
		{"groups", history.Aggregation{Function: history.Count, Groups: []history.Group{history.ByType, history.ByProduct}}, []history.Row{
			{Type: "brew_finished", Product: "kaffa-2", Value: 11, Points: 11},
			{Type: "rinse", Product: "kaffa-3", Value: 1, Points: 1},
		}},
		{"by device", history.Aggregation{Function: history.Mean, Field: "grams", Groups: []history.Group{history.ByDevice}}, []history.Row{
			{Device: device1, Value: 7.5, Points: 10},
			{Device: device2, Value: 7.5, Points: 1},
		}},
	}
}
