package journey

import (
	"slices"
	"time"
	_ "time/tzdata" // zones are the same on a machine that has none

	"touchpoint/gateway"
)

// loadZone returns nil for a name that is no zone.
func loadZone(name string) *time.Location {
	if name == "Local" { // of the machine: not a fact about the customer
		return nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}

// civil is a local date.
type civil struct {
	year  int
	month time.Month
	day   int
}

func civilOf(t gateway.Instant, loc *time.Location) civil {
	y, m, d := t.Time().In(loc).Date()
	return civil{y, m, d}
}

// wall is a time of the date on the clock on the wall, read as if it were UTC.
func (c civil) wall(l LocalTime) time.Time {
	return time.Date(c.year, c.month, c.day, int(l)/60, int(l)%60, 0, 0, time.UTC)
}

func (c civil) midnight() time.Time { return c.wall(0) }

func (c civil) plus(days int) civil {
	y, m, d := c.midnight().AddDate(0, 0, days).Date()
	return civil{y, m, d}
}

func (c civil) weekday() Weekday { return Weekday(c.midnight().Weekday()) }

// at returns the instant of a local time on the date. A time that the clock
// skips becomes the first instant after the gap; of a repeated hour the first
// one counts.
func (c civil) at(l LocalTime, loc *time.Location) gateway.Instant {
	wall := c.wall(l)
	t := time.Date(c.year, c.month, c.day, int(l)/60, int(l)%60, 0, 0, loc)
	start, end := t.ZoneBounds()
	switch shown := wallClock(t); {
	case shown.Before(wall): // before the gap that swallowed the wanted time
		t = end
	case shown.After(wall):
		t = start
	case !start.IsZero():
		_, offset := start.Add(-time.Second).Zone()
		if earlier := wall.Add(-time.Duration(offset) * time.Second); earlier.Before(start) {
			t = earlier
		}
	}
	return gateway.InstantOf(t)
}

// wallClock reads the local clock at t as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// nextLocal returns the first instant from now on at which the local clock
// shows l on one of the days (any when empty).
func nextLocal(now gateway.Instant, loc *time.Location, l LocalTime, days []Weekday) gateway.Instant {
	date := civilOf(now, loc).plus(-1)
	for range 10 {
		if at := date.at(l, loc); at >= now && (len(days) == 0 || slices.Contains(days, date.weekday())) {
			return at
		}
		date = date.plus(1)
	}
	return now // days is never without a day within a week
}

// hit reports whether now lies in the quiet interval and when that ends.
func (q *QuietHours) hit(now gateway.Instant, loc *time.Location) (until gateway.Instant, quiet bool) {
	date := civilOf(now, loc).plus(-1)
	for range 2 {
		if start, end := q.interval(date, loc); start <= now && now < end {
			return end, true
		}
		date = date.plus(1)
	}
	return 0, false
}

// interval returns the quiet interval that starts on date; one that ends before all
// time when there is none.
func (q *QuietHours) interval(date civil, loc *time.Location) (start, end gateway.Instant) {
	if len(q.Days) > 0 && !slices.Contains(q.Days, date.weekday()) {
		return
	}
	start = date.at(q.From, loc)
	if q.To <= q.From {
		date = date.plus(1)
	}
	return start, date.at(q.To, loc)
}

// nextStart returns when the next quiet interval after now starts.
func (q *QuietHours) nextStart(now gateway.Instant, loc *time.Location) gateway.Instant {
	date := civilOf(now, loc)
	for range 9 {
		if start, _ := q.interval(date, loc); start > now {
			return start
		}
		date = date.plus(1)
	}
	return endOfTime // of no weekday at all
}

// calendarStart returns when the local day, week (Monday) or month of now began.
func calendarStart(now gateway.Instant, loc *time.Location, unit string) gateway.Instant {
	date := civilOf(now, loc)
	switch unit {
	case "week":
		date = date.plus(-(int(date.weekday()) + 6) % 7)
	case "month":
		date.day = 1
	}
	return date.at(0, loc)
}

// calendarEnd returns when the local day, week or month of now is over.
func calendarEnd(now gateway.Instant, loc *time.Location, unit string) gateway.Instant {
	date := civilOf(calendarStart(now, loc, unit), loc)
	switch unit {
	case "day":
		date = date.plus(1)
	case "week":
		date = date.plus(7)
	case "month":
		date.month++
	}
	return date.at(0, loc)
}
