package reference

import (
	"slices"
	"sync"
	"time"

	"touchpoint/gateway"
)

// Local time by looking at the clock minute after minute: no arithmetic with
// offsets, so that a change of the clock needs no thought.

func (w *world) zone(c *customer) *time.Location {
	chain := []string{c.zone}
	for _, id := range w.devicesOf(c) {
		chain = append(chain, w.devices[id].zone)
	}
	for _, name := range append(chain, zoneOfCountry[c.country], w.cfg.zone) {
		if name == "" {
			continue
		}
		if loc := location(name); loc != nil {
			return loc
		}
	}
	return time.UTC
}

// zoneOfCountry are those of the countries used here that have one alone.
var zoneOfCountry = map[string]string{"DE": "Europe/Berlin", "JP": "Asia/Tokyo"}

var locations sync.Map

func location(name string) *time.Location {
	loc, known := locations.Load(name)
	if !known {
		loc, _ = time.LoadLocation(name)
		locations.Store(name, loc)
	}
	return loc.(*time.Location)
}

// date is a local day: days since 1970.
type date int

func dateOf(t gateway.Instant, loc *time.Location) date {
	y, m, d := time.UnixMilli(int64(t)).In(loc).Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (d date) weekday() int { return (int(d) + 4) % 7 } // 1970-01-01 was a Thursday

type moment struct {
	zone    string
	date    date
	minutes int
}

var moments sync.Map // from moment to Instant

// when returns the first instant at which the local clock shows the time on the
// date, or, when it never does, the first at which it shows a later one.
func when(loc *time.Location, d date, minutes int) gateway.Instant {
	key := moment{loc.String(), d, minutes}
	if t, ok := moments.Load(key); ok {
		return t.(gateway.Instant)
	}
	wanted := int64(d)*1440 + int64(minutes)
	for t := int64(d)*1440 + int64(minutes) - 15*60; ; t++ { // no zone is further away
		local := time.Unix(t*60, 0).In(loc)
		y, m, dd := local.Date()
		shown := time.Date(y, m, dd, local.Hour(), local.Minute(), 0, 0, time.UTC).Unix() / 60
		if shown >= wanted {
			moments.Store(key, gateway.Instant(t*60_000))
			return gateway.Instant(t * 60_000)
		}
	}
}

// nextLocal returns the first instant from now on at a time of day.
func (w *world) nextLocal(loc *time.Location, minutes int, days []int) gateway.Instant {
	for d := dateOf(w.now, loc) - 1; ; d++ {
		if t := when(loc, d, minutes); t >= w.now && (len(days) == 0 || slices.Contains(days, d.weekday())) {
			return t
		}
	}
}

// interval is the quiet interval that starts on a date.
func (q quietDef) interval(loc *time.Location, d date) (from, to gateway.Instant, ok bool) {
	if len(q.days) > 0 && !slices.Contains(q.days, d.weekday()) {
		return 0, 0, false
	}
	end := d
	if q.to <= q.from {
		end++
	}
	return when(loc, d, q.from), when(loc, end, q.to), true
}

// quietUntil returns the end of the quiet interval that holds t, 0 for none.
func (w *world) quietUntil(loc *time.Location, q quietDef, t gateway.Instant) gateway.Instant {
	for d := dateOf(t, loc) - 1; d <= dateOf(t, loc); d++ {
		if from, to, ok := q.interval(loc, d); ok && from <= t && t < to {
			return to
		}
	}
	return 0
}

// quietFrom returns when quiet hours begin next.
func (w *world) quietFrom(loc *time.Location, q quietDef) gateway.Instant {
	for d := dateOf(w.now, loc); d < dateOf(w.now, loc)+9; d++ {
		if from, _, ok := q.interval(loc, d); ok && from > w.now {
			return from
		}
	}
	return 0
}

// periodStart returns when the local day, week or month began.
func (w *world) periodStart(loc *time.Location, unit string) gateway.Instant {
	return w.startOf(loc, unit, w.now)
}

func (w *world) startOf(loc *time.Location, unit string, t gateway.Instant) gateway.Instant {
	d := dateOf(t, loc)
	switch unit {
	case "week":
		for d.weekday() != 1 {
			d--
		}
	case "month":
		for time.Unix(int64(d)*86400, 0).UTC().Day() != 1 {
			d--
		}
	}
	return when(loc, d, 0)
}
