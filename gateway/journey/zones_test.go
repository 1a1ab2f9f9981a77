package journey

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"touchpoint/gateway"
)

// allZones lists the zones of the tz database; of those whose clocks changed
// alike from 2011 to 2026 (many are two names of one zone) the first.
func allZones(t *testing.T) (zones []*time.Location) {
	seen := map[string]bool{}
	text, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(text)) {
		loc := loadZone(name)
		if loc == nil {
			t.Fatalf("zone %s is not known", name)
		}
		key := ""
		for _, change := range append(transitions(loc, 2011, 2027), time.Unix(0, 0).In(loc)) {
			_, offset := change.Zone()
			key += fmt.Sprint(change.Unix(), " ", offset, " ")
		}
		if !seen[key] {
			zones = append(zones, loc)
		}
		seen[key] = true
	}
	if len(zones) < 150 {
		t.Fatalf("only %d zones differ", len(zones))
	}
	return zones
}

// TestNoZone: where the zone of the project is none, UTC applies.
func TestNoZone(t *testing.T) {
	for name, want := range map[string]string{"": "UTC", "Nowhere/City": "UTC", "Local": "UTC", "Europe/Berlin": "Europe/Berlin"} {
		if got := NewPartition(Config{Zone: name}).projectZone().String(); got != want {
			t.Errorf("%q is %s, not %s", name, got, want)
		}
	}
}

// transitions lists when a zone's clock changes between two years.
func transitions(loc *time.Location, from, to int) (out []time.Time) {
	at := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC).In(loc)
	for {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Year() >= to {
			return out
		}
		out = append(out, end)
		at = end
	}
}

// localClock is the local clock looked at every few minutes of some days: no
// arithmetic with offsets.
type localClock struct {
	first gateway.Instant
	step  gateway.Instant
	shown []int64 // in minutes since 1970, as the clock on the wall shows it
}

// watch looks at a clock some days before and after a change.
func watch(loc *time.Location, change time.Time, before, after int) *localClock {
	c := &localClock{first: gateway.InstantOf(change.Truncate(time.Hour)) - gateway.Instant(before)*dayMillis, step: 5 * 60_000}
	if change.Minute()%5 != 0 {
		c.step = 60_000 // a few clocks changed a minute after midnight
	}
	for i := range gateway.Instant(before+after) * dayMillis / c.step {
		shown := wallClock((c.first + i*c.step).Time().In(loc)).Unix() / 60
		if i > 0 {
			shown = max(shown, c.shown[i-1]) // a repeated hour counts once
		}
		c.shown = append(c.shown, shown)
	}
	return c
}

// when returns the first instant at which the clock shows the time, or, when it
// never does, a later one.
func (c *localClock) when(d civil, l LocalTime) gateway.Instant {
	wanted := time.Date(d.year, d.month, d.day, 0, int(l), 0, 0, time.UTC).Unix() / 60
	i := sort.Search(len(c.shown), func(i int) bool { return c.shown[i] >= wanted })
	return c.first + gateway.Instant(i)*c.step
}

// TestLocalTimesOfAllZones: around every change of every clock of the world, a
// local time is the first instant at which the clock shows it, or the first one
// behind the gap. Fifteen years hold a skipped day (Samoa), gaps at midnight,
// changes of half an hour and months of fasting.
func TestLocalTimesOfAllZones(t *testing.T) {
	changes := 0
	for _, loc := range allZones(t) {
		for _, change := range transitions(loc, 2011, 2027) {
			changes++
			clock := watch(loc, change, 4, 4)
			today := civilOf(gateway.InstantOf(change), loc)
			for day := -2; day <= 1; day++ {
				for minute := 0; minute < 24*60; minute += 15 {
					date, l := today.plus(day), LocalTime(minute)
					if got, want := date.at(l, loc), clock.when(date, l); got != want {
						t.Fatalf("%s: %v %s is %s, not %s", loc, date, l, got, want)
					}
				}
			}
		}
	}
	if changes < 2000 {
		t.Errorf("only %d changes of clocks were looked at", changes)
	}
}

// TestQuietHoursOfAllZones: around every change of a clock, quiet hours hold
// [from, to) of the local clock, belong to the day on which they start, and a
// message's window ends where the next ones start.
func TestQuietHoursOfAllZones(t *testing.T) {
	rules := []QuietHours{
		{From: 22 * 60, To: 7 * 60},
		{From: 2*60 + 30, To: 3 * 60},
		{From: 0, To: 60},
		{From: 12 * 60, To: 11*60 + 55},
		{From: 23*60 + 45, To: 15, Days: []Weekday{Weekday(time.Saturday)}},
		{From: 60, To: 5 * 60, Days: []Weekday{Weekday(time.Sunday), Weekday(time.Friday)}},
	}
	for _, loc := range allZones(t) {
		for _, change := range transitions(loc, 2025, 2027) {
			clock := watch(loc, change, 12, 12)
			for i := range rules {
				checkQuiet(t, loc, clock, gateway.InstantOf(change), &rules[i])
			}
		}
	}
}

func checkQuiet(t *testing.T, loc *time.Location, clock *localClock, change gateway.Instant, q *QuietHours) {
	type interval struct{ from, to gateway.Instant }
	var all []interval
	today := civilOf(change, loc)
	for day := -9; day <= 9; day++ {
		date := today.plus(day)
		if len(q.Days) > 0 && !slices.Contains(q.Days, date.weekday()) {
			continue
		}
		end := date
		if q.To <= q.From {
			end = date.plus(1)
		}
		all = append(all, interval{clock.when(date, q.From), clock.when(end, q.To)})
	}
	for now := change - 30*3600_000; now < change+30*3600_000; now += 35 * 60_000 {
		var until, next gateway.Instant
		for _, iv := range all {
			if iv.from <= now && now < iv.to {
				until = max(until, iv.to)
			}
			if iv.from > now && (next == 0 || iv.from < next) {
				next = iv.from
			}
		}
		if got, hit := q.hit(now, loc); hit != (until != 0) || got != until {
			t.Fatalf("%s at %s: quiet %s–%s until %s, not %s", loc, now, q.From, q.To, got, until)
		}
		if got := q.nextStart(now, loc); got != next {
			t.Fatalf("%s at %s: quiet %s–%s starts at %s, not %s", loc, now, q.From, q.To, got, next)
		}
		checkWait(t, loc, clock, now, q.To, q.Days)
	}
}

// checkWait: a wait until a local time, from now on, on one of the days.
func checkWait(t *testing.T, loc *time.Location, clock *localClock, now gateway.Instant, l LocalTime, days []Weekday) {
	want := gateway.Instant(0)
	for day := -2; want == 0; day++ {
		date := civilOf(now, loc).plus(day)
		if at := clock.when(date, l); at >= now && (len(days) == 0 || slices.Contains(days, date.weekday())) {
			want = at
		}
	}
	if got := nextLocal(now, loc, l, days); got != want {
		t.Fatalf("%s at %s: the next %s %v is %s, not %s", loc, now, l, days, got, want)
	}
}

// TestCalendarOfAllZones: days, weeks and months begin at the first instant of
// their first day, wherever the clock changes.
func TestCalendarOfAllZones(t *testing.T) {
	for _, loc := range allZones(t) {
		for _, change := range transitions(loc, 2025, 2027) {
			clock := watch(loc, change, 36, 5)
			for now := gateway.InstantOf(change) - 3*dayMillis; now < gateway.InstantOf(change)+3*dayMillis; now += 115 * 60_000 {
				date := civilOf(now, loc)
				monday := date
				for monday.weekday() != Weekday(time.Monday) {
					monday = monday.plus(-1)
				}
				for unit, first := range map[string]civil{"day": date, "week": monday, "month": {date.year, date.month, 1}} {
					if got, want := calendarStart(now, loc, unit), clock.when(first, 0); got != want || got > now {
						t.Fatalf("%s: the %s of %s began at %s, not %s", loc, unit, now, got, want)
					}
					if end := calendarEnd(now, loc, unit); end <= now || calendarStart(end, loc, unit) != end || calendarStart(end-1, loc, unit) != calendarStart(now, loc, unit) {
						t.Fatalf("%s: the %s of %s ends at %s", loc, unit, now, end)
					}
				}
			}
		}
	}
}
