package fleet

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/devices"
	"touchpoint/gateway"
)

var monday = gateway.InstantOf(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC))

func newFleet(t testing.TB, change func(*Config)) *Fleet {
	t.Helper()
	c := Default()
	c.Customers = 200
	if change != nil {
		change(&c)
	}
	f, err := New(c, monday)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSameSeedSamePlan(t *testing.T) {
	a, b, other := newFleet(t, nil), newFleet(t, nil), newFleet(t, func(c *Config) { c.Seed++ })
	if !cmp.Equal(a.Customers, b.Customers) {
		t.Error("two fleets of one seed have other customers")
	}
	for _, day := range []int{30, 0, 61, 7} { // in any order: no day depends on another
		plan := a.Day(day)
		if diff := cmp.Diff(plan, b.Day(day)); diff != "" {
			t.Fatalf("day %d differs: %s", day, diff)
		}
		if day > 7 && cmp.Equal(plan, other.Day(day)) {
			t.Errorf("day %d does not depend on the seed", day)
		}
	}
	id := gateway.MessageID{1, 2, 3}
	never := func([]string) bool { return false }
	if a.React(id, never) != b.React(id, never) {
		t.Error("reactions differ")
	}
}

// A plan that changes with a release would silently change what a seed means.
func TestPlanIsPinned(t *testing.T) {
	f := newFleet(t, func(c *Config) { c.Customers = 20 })
	var b strings.Builder
	for _, p := range f.Day(20)[:8] {
		fmt.Fprintf(&b, "%s %s %d %s\n", p.At, f.Units[p.Unit].Serial, p.Kind, p.AppendData(nil))
	}
	want, err := os.ReadFile("testdata/day20.txt")
	if os.Getenv("UPDATE") != "" {
		err = os.WriteFile("testdata/day20.txt", []byte(b.String()), 0o644)
		want = []byte(b.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestDayIsOrderedAndWhole(t *testing.T) {
	f := newFleet(t, nil)
	for n := range 40 {
		from := monday + gateway.Instant(n)*day
		last := from
		for _, p := range f.Day(n) {
			if p.At < last || p.At >= from+day {
				t.Fatalf("day %d: %v is out of order or of the day", n, p.At)
			}
			if p.At < f.Units[p.Unit].joins {
				t.Fatalf("day %d: a machine does something before it was bought", n)
			}
			last = p.At
		}
	}
}

// The habits of the default fleet must feed its journeys.
func TestHabits(t *testing.T) {
	f := newFleet(t, func(c *Config) { c.Customers, c.JoinOver = 400, 0 })
	brews := make(map[string]int)
	sizes := make(map[string]int)
	last, longest := make([]gateway.Instant, len(f.Units)), make([]time.Duration, len(f.Units))
	for _, c := range f.Customers {
		sizes[f.Habits[c.Habit].Name]++
	}
	const days = 60
	for n := range days {
		for _, p := range f.Day(n) {
			if p.Kind != Brew {
				continue
			}
			brews[f.Habits[f.Customers[f.Units[p.Unit].Customer].Habit].Name]++
			if u := p.Unit; last[u] != 0 {
				longest[u] = max(longest[u], p.At.Sub(last[u]))
			}
			last[p.Unit] = p.At
		}
	}
	perDay := func(name string) float64 { return float64(brews[name]) / float64(sizes[name]) / days }
	if got := perDay("office"); got < 6.7 {
		t.Errorf("offices brew %.1f times a day: too little for 200 in 30 days", got)
	}
	if got := perDay("household"); got < 2 || got > 3.6 {
		t.Errorf("households brew %.1f times a day", got)
	}
	silent := 0
	for _, d := range longest {
		silent += one(d > 14*24*time.Hour)
	}
	if share := float64(silent) / float64(len(f.Units)); share < 0.15 {
		t.Errorf("only %.0f %% are silent for 14 days once", share*100)
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func TestLocalHours(t *testing.T) {
	f := newFleet(t, func(c *Config) {
		c.Locales = []Locale{{"en-NZ", "Pacific/Auckland", "NZ", 1}}
		for i := range c.Habits {
			c.Habits[i].Hours = [24]float64{7: 1}
		}
		c.JoinOver = 0
	})
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range f.Day(3) {
		if p.Kind == Brew {
			n++
			if h := p.At.Time().In(zone).Hour(); h != 7 {
				t.Fatalf("a brew at %d o'clock of local time, want 7", h)
			}
		}
	}
	if n == 0 {
		t.Error("nobody brews")
	}
}

func TestOfflineSpells(t *testing.T) {
	f := newFleet(t, func(c *Config) {
		c.Offline = Offline{Share: 1, Every: 4 * 24 * time.Hour, For: Range{time.Hour, 10 * time.Hour}}
	})
	off, all := 0, 0
	for u := range f.Units {
		for h := range 24 * 20 {
			all++
			off += one(f.IsOffline(u, monday+gateway.Instant(h)*3_600_000))
		}
	}
	if share := float64(off) / float64(all); math.Abs(share-5.5/96) > 0.015 {
		t.Errorf("offline for %.3f of the time, want about %.3f", share, 5.5/96)
	}
}

// What a machine sends must be what the gateway's decoder reads.
func TestDataDecodes(t *testing.T) {
	f := newFleet(t, nil)
	d := devices.NewDecoder(devices.OpenRegistry(), devices.DefaultLimits())
	var up devices.Uplink
	for _, p := range f.Day(30) {
		if p.Kind == Hello {
			continue
		}
		payload := append([]byte(`{"type":"`+p.Kind.Type()+`","data":`), p.AppendData(nil)...)
		if err := d.Decode(devices.EventsTopic(f.Product, f.Units[p.Unit].Serial), append(payload, '}'), p.At, &up); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileErrors(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":      {"duplicates: 0.01", "duplikates: 0.01", `unknown field "duplikates"`},
		"wrong type":       {"customers: 900", "customers: many", "line 4, "},
		"no customers":     {"customers: 900", "customers: 0", "line 4, customers: is 0: must be from 1 to"},
		"no product":       {"product: barista-3", "product: bar/ista", "line 3, product: is missing or holds"},
		"shares":           {"share: 0.45", "share: 0.95", "locales: have shares of 1.5 together: must be 1"},
		"share":            {"second_machine: 0.04", "second_machine: 4", "line 5, second_machine: is 4: must be a share"},
		"time zone":        {"Europe/Berlin", "Europe/Bonn", `line 12, locales[0].time_zone: "Europe/Bonn" is no time zone`},
		"no time":          {"join_over: 12d", "join_over: soon", `line 6, join_over: "soon" is no time`},
		"hour":             {"{6: 2, 7: 5", "{26: 2, 7: 5", "habits[0].hours: names the hour 26"},
		"negative brews":   {"brews_per_day: 11", "brews_per_day: -1", "habits[2].brews_per_day: is -1"},
		"range":            {"3d..20d", "20d..3d", "habits[0].pause.for: is 20d..3d: the range ends before it begins"},
		"pause too long":   {"15d..26d", "15d..44d", "habits[1].pause.for: is 44d: must be from"},
		"too many":         {"dismissed: 0.55", "dismissed: 0.95", "reactions.dismissed: and reactions.clicked are more than 1"},
		"answer's event":   {"event: descaling_finished, ", "", "answers[0].event: is missing"},
		"not YAML":         {"seed: 7", "seed: [7", "line 3, "},
		"several at once":  {"customers: 900\nsecond_machine: 0.04", "customers: 0\nsecond_machine: 4", "second_machine"},
		"connections":      {"connections: 4", "connections: -4", "line 9, connections: is -4"},
		"missing habits":   {"habits:", "answers_:", "unknown field"},
		"offline too long": {"2h..30h", "2h..300h", "offline.for: is 300h"},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(DefaultFile())
			if !strings.Contains(text, c.old) {
				t.Fatalf("the default fleet has no %q", c.old)
			}
			_, err := Parse([]byte(strings.Replace(text, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			var e *gateway.Error
			if !errors.As(err, &e) || e.Kind != gateway.Invalid {
				t.Errorf("%v is not of kind invalid", err)
			}
		})
	}
	if _, err := Parse(nil); err == nil {
		t.Error("an empty file is no fleet")
	}
}

func BenchmarkDay(b *testing.B) {
	f := newFleet(b, func(c *Config) { c.Customers, c.JoinOver = 900, 0 })
	n, events := 0, 0
	for b.Loop() {
		events += len(f.Day(n % 60))
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}

func TestGrid(t *testing.T) {
	c := Default()
	c.Grid, c.Customers = 40*time.Minute, 50
	f, err := New(c, gateway.InstantOf(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Planned]bool{}
	for n := range 30 {
		for _, p := range f.Day(n) {
			what := Planned{At: p.At, Unit: p.Unit, Kind: p.Kind}
			if p.At.Sub(f.Start)%c.Grid != 0 || seen[what] {
				t.Fatalf("unit %d does something at %v that is off the grid or not alone", p.Unit, p.At)
			}
			seen[what] = true
		}
	}
	if len(seen) < 1000 {
		t.Errorf("only %d things happen", len(seen))
	}
	if _, err := Parse(append(DefaultFile(), "\ngrid: often\n"...)); err == nil {
		t.Error("a grid that is no time was taken")
	}
}
