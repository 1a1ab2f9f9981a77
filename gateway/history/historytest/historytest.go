// Package historytest is the suite that every implementation of history.Store
// passes.
package historytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
)

// Harness makes stores for the suite.
type Harness struct {
	// Open returns an empty store, and a function that closes it and opens it
	// again on the same data.
	Open func(t *testing.T) (store history.Store, reopen func() history.Store)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"round trip", testRoundTrip},
		{"pages", testPages},
		{"filters", testFilters},
		{"bad queries", testBadQueries},
		{"hostile texts", testHostileTexts},
		{"replay", testReplay},
		{"same millisecond", testSameMillisecond},
		{"positions", testPositions},
		{"aggregate", testAggregate},
		{"aggregate by customer", testAggregateByCustomer},
		{"scan", testScan},
		{"delete device", testDeleteDevice},
		{"delete customer", testDeleteCustomer},
		{"inputs", testInputs},
		{"inputs of one instant", testInstant},
		{"erased inputs", testErasedInputs},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			store, reopen := h.Open(t)
			c.test(t, &fixture{ctx: ctx, Store: store, reopen: reopen})
		})
	}
}

type fixture struct {
	history.Store
	ctx    context.Context
	reopen func() history.Store
}

// Start is when the suite's events begin.
const Start = gateway.Instant(1_777_600_000_000)

// Devices and customers of the suite.
const (
	device1 = gateway.DeviceID(0x1111111111111111)
	device2 = gateway.DeviceID(0xf222222222222222)
	anna    = gateway.CustomerID(0xaaaaaaaaaaaaaaaa)
	ben     = gateway.CustomerID(0x0bbbbbbbbbbbbbbb)
)

// Brew returns the n-th point of a series: one each minute.
func Brew(n int, d gateway.DeviceID, c gateway.CustomerID) history.Point {
	at := Start + gateway.Instant(n)*60_000
	return history.Point{
		Event: gateway.Event{
			ID: fmt.Sprintf("brew-%x-%d", uint64(d)&0xf, n), Type: "brew_finished", Product: "kaffa-2", Device: d,
			OccurredAt: at, ReceivedAt: at + 40, Source: gateway.SourceMQTT,
			Properties: gateway.Properties{{Key: "grams", Value: gateway.Float(7.5)}, {Key: "water_ml", Value: gateway.Int(int64(30 + n))}},
		},
		Customer: c, AppliedAt: at + 50, Place: history.Place{Partition: 3, Seq: uint64(n + 1)},
	}
}

func (f *fixture) append(t *testing.T, points ...history.Point) {
	t.Helper()
	if err := f.Append(f.ctx, &history.Batch{Points: points}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) events(t *testing.T, q history.Query) []history.Point {
	t.Helper()
	page, err := f.Events(f.ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return page.Points
}

func (f *fixture) scan(t *testing.T, r history.ScanRange) []history.Point {
	t.Helper()
	var list []history.Point
	err := f.Scan(f.ctx, r, func(p *history.Point) error {
		c := *p
		c.Event.Properties = append(gateway.Properties(nil), p.Event.Properties...)
		list = append(list, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Diff compares points; empty properties equal none.
func Diff(want, got []history.Point) string {
	return cmp.Diff(want, got,
		cmp.Comparer(func(a, b gateway.Value) bool { return a == b }),
		cmp.Transformer("properties", func(p gateway.Properties) []gateway.Property {
			if len(p) == 0 {
				return nil
			}
			return p
		}))
}

func ids(points []history.Point) string {
	var b strings.Builder
	for i := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(points[i].Event.ID)
	}
	return b.String()
}

func testRoundTrip(t *testing.T, f *fixture) {
	full := history.Point{
		Event: gateway.Event{
			ID: "0190-abc", Type: "error_occurred", Product: "kaffa 2, black", Device: device1, Customer: ben,
			Boot: math.MaxUint32, Seq: math.MaxUint64, HasSeq: true, OccurredAt: Start, DeviceTime: Start + 3_600_000,
			ReceivedAt: Start + 7, Source: gateway.SourceGRPC, PayloadHash: math.MaxUint64,
			Properties: gateway.Properties{
				{Key: "_hidden", Value: gateway.Int(1)},
				{Key: "applied", Value: gateway.String("a property may have any name")},
				{Key: "big", Value: gateway.Int(math.MaxInt64)},
				{Key: "customer", Value: gateway.Int(-7)},
				{Key: "e.empty", Value: gateway.String("")},
				{Key: "engine.temp_c", Value: gateway.Float(-0.25)},
				{Key: "id", Value: gateway.Bool(true)},
				{Key: "off", Value: gateway.Bool(false)},
				{Key: "p.x", Value: gateway.Float(3)},
				{Key: "phone", Value: gateway.Sealed("v1.c2VhbGVk")},
				{Key: "text", Value: gateway.String("a \"quoted\" \\ line,\nand = another\r\n\t\u00e4")},
				{Key: "time", Value: gateway.Float(1.5e300)},
			},
		},
		Customer: anna, AppliedAt: Start + 9, TooOld: true,
		Place: history.Place{Partition: 15, Seq: math.MaxInt64, Index: 255, Late: 3},
	}
	bare := history.Point{
		Event: gateway.Event{Type: "x", Device: device2, OccurredAt: Start - 5, ReceivedAt: Start, PayloadHash: 5},
		Place: history.Place{Partition: 0, Seq: 1}, AppliedAt: Start,
	}
	call := history.Point{
		Event:    gateway.Event{ID: "call-1", Type: "call", Customer: ben, OccurredAt: Start - 9, ReceivedAt: Start},
		Customer: ben, Place: history.Place{Partition: 1, Seq: 1}, AppliedAt: Start + 1,
	}
	f.append(t, full, bare, call)
	if d := Diff([]history.Point{call, bare, full}, f.events(t, history.Query{OldestFirst: true})); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if d := Diff([]history.Point{bare, call, full}, f.scan(t, history.ScanRange{})); d != "" {
		t.Errorf("scan (-want +got):\n%s", d)
	}
	// A value that is missing, or no number, is no value.
	odd := Brew(1, device1, anna)
	odd.Event.Properties = gateway.Properties{{Key: "a", Value: gateway.Null()}, {Key: "b", Value: gateway.Float(math.NaN())},
		{Key: "c", Value: gateway.Float(math.Inf(-1))}, {Key: "d", Value: gateway.Int(1)}}
	f.append(t, odd)
	odd.Event.Properties = odd.Event.Properties[3:]
	if d := Diff([]history.Point{odd}, f.events(t, history.Query{Filter: history.Filter{Types: []string{"brew_finished"}}})); d != "" {
		t.Errorf("odd values (-want +got):\n%s", d)
	}
}

func testPages(t *testing.T, f *fixture) {
	var points []history.Point
	for n := range 25 {
		points = append(points, Brew(n, device1, anna))
	}
	f.append(t, points[:13]...)
	f.append(t, points[13:]...)
	for _, oldest := range []bool{true, false} {
		q := history.Query{OldestFirst: oldest, Limit: 10}
		var all []history.Point
		for range 4 {
			page, err := f.Events(f.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Points...)
			if q.Page = page.Next; q.Page == "" {
				break
			}
			// What comes in while someone pages neither shifts nor repeats.
			late := Brew(100+len(all), device2, ben)
			f.append(t, late)
		}
		var want []history.Point
		for i := range points {
			if oldest {
				want = append(want, points[i])
			} else {
				want = append(want, points[len(points)-1-i])
			}
		}
		if oldest { // later points belong to the end of the oldest-first order
			all = all[:25]
		} else {
			all = all[len(all)-25:]
		}
		if ids(all) != ids(want) {
			t.Errorf("oldest first %t:\n got %s\nwant %s", oldest, ids(all), ids(want))
		}
	}
}

func testFilters(t *testing.T, f *fixture) {
	call := Brew(4, 0, anna)
	call.Event.ID, call.Event.Type, call.Event.Product = "call", "call", ""
	f.append(t, Brew(0, device1, anna), Brew(1, device2, ben), Brew(2, device1, ben), Brew(3, device2, 0), call)
	minute := func(n int) gateway.Instant { return Start + gateway.Instant(n)*60_000 }
	for _, c := range []struct {
		filter history.Filter
		want   string
	}{
		{history.Filter{}, "brew-1-0 brew-2-1 brew-1-2 brew-2-3 call"},
		{history.Filter{Device: device1}, "brew-1-0 brew-1-2"},
		{history.Filter{Customer: ben}, "brew-2-1 brew-1-2"},
		{history.Filter{Customer: anna}, "brew-1-0 call"},
		{history.Filter{Customer: ben, Device: device1}, "brew-1-2"},
		{history.Filter{Types: []string{"call"}}, "call"},
		{history.Filter{Types: []string{"brew_finished"}, Device: device2}, "brew-2-1 brew-2-3"},
		{history.Filter{Types: []string{"nothing"}}, ""},
		{history.Filter{Types: []string{"nothing", "call", "brew_finished"}, From: minute(3)}, "brew-2-3 call"},
		{history.Filter{Product: "kaffa-2", From: minute(2)}, "brew-1-2 brew-2-3"},
		{history.Filter{Product: "kaffa"}, ""},
		{history.Filter{Device: 77}, ""},
		{history.Filter{Customer: 77}, ""},
		{history.Filter{Customer: 77, Device: device1}, ""},
		{history.Filter{From: minute(1)}, "brew-2-1 brew-1-2 brew-2-3 call"},
		{history.Filter{From: minute(1), To: minute(3)}, "brew-2-1 brew-1-2"},
		{history.Filter{From: minute(1), To: minute(3) + 1}, "brew-2-1 brew-1-2 brew-2-3"},
		{history.Filter{To: minute(0)}, ""},
	} {
		if got := ids(f.events(t, history.Query{Filter: c.filter, OldestFirst: true})); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.filter, got, c.want)
		}
	}
}

func testBadQueries(t *testing.T, f *fixture) {
	f.append(t, Brew(0, device1, anna), Brew(1, device1, anna))
	page, err := f.Events(f.ctx, history.Query{Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatalf("%v, %+v", err, page)
	}
	for _, q := range []history.Query{
		{Limit: -1},
		{Filter: history.Filter{From: 5, To: 5}},
		{Filter: history.Filter{From: -5}},
		{Page: "!"},
		{Page: "AAAA"},
		{Page: page.Next + "AAAA", Filter: history.Filter{Device: device1}},
		{Page: page.Next, OldestFirst: true},
		{Page: page.Next, Filter: history.Filter{Types: []string{"other"}}},
	} {
		if _, err := f.Events(f.ctx, q); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: got %v, want an Invalid error", q, err)
		}
	}
	for _, a := range []history.Aggregation{
		{},
		{Function: "median", Field: "x"},
		{Function: history.Sum},
		{Function: history.Count, Window: -time.Second},
		{Function: history.Count, Window: time.Microsecond},
		{Function: history.Count, Groups: []history.Group{"colour"}},
		{Function: history.Count, Groups: []history.Group{"type", "type"}},
		{Function: history.Count, Filter: history.Filter{From: 7, To: 3}},
	} {
		if _, err := f.Aggregate(f.ctx, a); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: got %v, want an Invalid error", a, err)
		}
	}
}

// testHostileTexts has texts that would end a query's quotes or a line.
func testHostileTexts(t *testing.T, f *fixture) {
	texts := []string{
		`x" or true or "y`, `x\" |> drop()`, "${string(v: 1)}", "a\nb", `a\`, `a\\`, "a,b=c d", "'; DROP TABLE block; --",
		"\u00fc\U0001f600", "%00", "trailing ", " leading", "\r\n", "=", ",", "\t", `"`, "a\\,b", "a\\ b", "\r", "#comment", "a\\\nb",
	}
	var points []history.Point
	for n, text := range texts {
		p := Brew(n, device1, anna)
		p.Event.ID, p.Event.Type, p.Event.Product = text, text, text
		p.Event.Properties = gateway.Properties{{Key: text, Value: gateway.String(text)}}
		points = append(points, p)
	}
	f.append(t, points...)
	for n, text := range texts {
		q := history.Query{Filter: history.Filter{Types: []string{text}}, Limit: 10}
		if d := Diff(points[n:n+1], f.events(t, q)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
		rows, err := f.Aggregate(f.ctx, history.Aggregation{Function: history.Count, Field: text, Groups: []history.Group{history.ByType, history.ByProduct}})
		if err != nil || len(rows) != 1 || rows[0].Type != text || rows[0].Product != text || rows[0].Value != 1 {
			t.Errorf("count of field %q: %+v, %v", text, rows, err)
		}
	}
}

func testReplay(t *testing.T, f *fixture) {
	points := []history.Point{Brew(0, device1, anna), Brew(1, device2, ben), Brew(2, device1, anna)}
	f.append(t, points...)
	f.append(t, points...)
	f.append(t, append(points[1:], Brew(3, device1, anna))...)
	f.Store = f.reopen()
	f.append(t, points...)
	if got, want := ids(f.events(t, history.Query{OldestFirst: true})), "brew-1-0 brew-2-1 brew-1-2 brew-1-3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ids(f.scan(t, history.ScanRange{})), "brew-1-0 brew-2-1 brew-1-2 brew-1-3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rows, err := f.Aggregate(f.ctx, history.Aggregation{Function: history.Count})
	if err != nil || len(rows) != 1 || rows[0].Value != 4 {
		t.Errorf("count: %+v, %v", rows, err)
	}
}

func testSameMillisecond(t *testing.T, f *fixture) {
	var points []history.Point
	for n := range 200 {
		p := Brew(0, device1, anna)
		p.Event.ID = fmt.Sprintf("e%d", n)
		p.Place.Index = uint32(n)
		points = append(points, p)
	}
	noID := Brew(0, device1, anna)
	noID.Event.ID, noID.Event.HasSeq, noID.Event.Seq, noID.Place.Index = "", true, 1, 200
	hashed := Brew(0, device1, anna)
	hashed.Event.ID, hashed.Event.PayloadHash, hashed.Place.Index = "", 1, 201
	f.append(t, append(points, noID, hashed)...)
	if n := len(f.events(t, history.Query{Limit: 500})); n != 202 {
		t.Errorf("%d events, want 202", n)
	}
}

func testPositions(t *testing.T, f *fixture) {
	want := []history.Position{
		{Partition: 0, StepSeq: 17, EventSeq: 40},
		{Partition: 9, StepSeq: math.MaxInt64, EventSeq: math.MaxInt64, Inputs: 255, Late: 7, Open: true},
	}
	if got, err := f.Positions(f.ctx); err != nil || len(got) != 0 {
		t.Fatalf("of an empty store: %+v, %v", got, err)
	}
	for _, b := range []*history.Batch{
		{Positions: []history.Position{{Partition: 0, StepSeq: 3, EventSeq: 4}}},
		{Positions: want, Points: []history.Point{Brew(0, device1, anna)}},
	} {
		if err := f.Append(f.ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	f.Store = f.reopen()
	got, err := f.Positions(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	got = withoutEmpty(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// withoutEmpty leaves out partitions of which a store only knows points.
func withoutEmpty(list []history.Position) (kept []history.Position) {
	for _, p := range list {
		if p.StepSeq != 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

func testScan(t *testing.T, f *fixture) {
	at := func(n int, partition int, seq uint64, index, late uint32, applied gateway.Instant) history.Point {
		p := Brew(n, device1, anna)
		p.Event.OccurredAt -= 3_600_000 // nothing is applied before it occurs
		p.Place = history.Place{Partition: partition, Seq: seq, Index: index, Late: late}
		p.AppliedAt = Start + applied
		return p
	}
	// Events come late: the order of application is not that of occurrence.
	f.append(t, at(9, 1, 5, 0, 0, 100), at(3, 1, 5, 1, 0, 100), at(4, 1, 5, 1, 1, 100), at(7, 2, 4, 0, 0, 90))
	f.append(t, at(1, 1, 6, 0, 0, 200), at(2, 2, 7, 3, 0, 100), at(8, 2, 9, 0, 0, 300))
	for _, c := range []struct {
		r    history.ScanRange
		want string
	}{
		{history.ScanRange{}, "brew-1-7 brew-1-9 brew-1-3 brew-1-4 brew-1-2 brew-1-1 brew-1-8"},
		{history.ScanRange{From: Start + 100, To: Start + 300}, "brew-1-9 brew-1-3 brew-1-4 brew-1-2 brew-1-1"},
		{history.ScanRange{Partitions: []int{2}}, "brew-1-7 brew-1-2 brew-1-8"},
		{history.ScanRange{Partitions: []int{5}}, ""},
		{history.ScanRange{From: Start + 301}, ""},
	} {
		if got := ids(f.scan(t, c.r)); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.r, got, c.want)
		}
	}
	stop := errors.New("enough")
	if err := f.Scan(f.ctx, history.ScanRange{}, func(*history.Point) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the caller's error", err)
	}
}

func testDeleteDevice(t *testing.T, f *fixture) {
	f.append(t, Brew(0, device1, anna), Brew(1, device2, ben), Brew(2, device1, ben))
	if err := f.DeleteDevice(f.ctx, device1); err != nil {
		t.Fatal(err)
	}
	f.wantOnly(t, "brew-2-1")
	// It may go on afterwards: deleting is of what is there.
	f.append(t, Brew(3, device1, ben))
	f.wantOnly(t, "brew-2-1 brew-1-3")
	if err := f.DeleteDevice(f.ctx, 4711); err != nil {
		t.Errorf("an unknown device: %v", err)
	}
}

func testDeleteCustomer(t *testing.T, f *fixture) {
	call := Brew(6, 0, anna)
	call.Event.ID = "call-a"
	call2 := Brew(7, 0, ben)
	call2.Event.ID = "call-b"
	// The device changes hands there and back, and once nobody is credited.
	f.append(t, Brew(0, device1, anna), Brew(1, device1, anna), Brew(2, device1, ben), Brew(3, device1, anna),
		Brew(4, device1, 0), Brew(5, device2, anna), call, call2, Brew(8, device1, anna))
	f.Store = f.reopen()
	if err := f.DeleteCustomer(f.ctx, anna); err != nil {
		t.Fatal(err)
	}
	f.wantOnly(t, "brew-1-2 brew-1-4 call-b")
	if got := ids(f.events(t, history.Query{Filter: history.Filter{Customer: anna}})); got != "" {
		t.Errorf("still there: %s", got)
	}
	if err := f.DeleteCustomer(f.ctx, anna); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := f.DeleteCustomer(f.ctx, 4711); err != nil {
		t.Errorf("an unknown customer: %v", err)
	}
}

// wantOnly checks that every way of reading shows these points alone.
func (f *fixture) wantOnly(t *testing.T, want string) {
	t.Helper()
	if got := ids(f.events(t, history.Query{OldestFirst: true})); got != want {
		t.Errorf("events: got %q, want %q", got, want)
	}
	if got := ids(f.scan(t, history.ScanRange{})); got != want {
		t.Errorf("scan: got %q, want %q", got, want)
	}
	rows, err := f.Aggregate(f.ctx, history.Aggregation{Function: history.Count})
	if n := float64(len(strings.Fields(want))); err != nil || len(rows) != 1 || rows[0].Value != n {
		t.Errorf("count: got %+v, %v, want %v", rows, err, n)
	}
}
