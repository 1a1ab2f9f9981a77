package reference

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
)

// Schedules: the occurrences of a rule are found by looking at every hour of the
// wall clock from its start on.

type scheduleDef struct {
	text     string
	from     wall
	freq     string // HOURLY DAILY WEEKLY MONTHLY
	interval int
	days     []int // of the week
	hours    []int // of the day
	date     int   // of the month
	count    int
	until    wall // 0 = for ever

	walls []wall // made once
}

// wall is a time of the wall clock: minutes since 1970.
type wall int64

func (m wall) date() date     { return date(m / 1440) }
func (m wall) minutes() int   { return int(m % 1440) }
func (m wall) String() string { return time.Unix(int64(m)*60, 0).UTC().Format("2006-01-02 15:04") }

// instant is when a zone's clock shows it.
func (m wall) instant(loc *time.Location) gateway.Instant { return when(loc, m.date(), m.minutes()) }

func (s *scheduleDef) begin() string { return s.from.String() }

// rule writes the rule as RFC 5545 does.
func (s *scheduleDef) rule() string {
	out := "FREQ=" + s.freq
	add := func(key string, v any) { out += fmt.Sprintf(";%s=%v", key, v) }
	if s.interval > 1 {
		add("INTERVAL", s.interval)
	}
	list := func(n int, word func(int) string) string {
		var words []string
		for i := range n {
			words = append(words, word(i))
		}
		return strings.Join(words, ",")
	}
	if s.days != nil {
		add("BYDAY", list(len(s.days), func(i int) string { return strings.ToUpper(dayNames[s.days[i]][:2]) }))
	}
	if s.hours != nil {
		add("BYHOUR", list(len(s.hours), func(i int) string { return fmt.Sprint(s.hours[i]) }))
	}
	if s.date > 0 {
		add("BYMONTHDAY", s.date)
	}
	if s.count > 0 {
		add("COUNT", s.count)
	}
	if s.until > 0 {
		add("UNTIL", time.Unix(int64(s.until)*60, 0).UTC().Format("20060102T150405Z"))
	}
	return out
}

// is reports whether the rule means a time, apart from count and until.
func (s *scheduleDef) is(m wall) bool {
	if s.days != nil && !slices.Contains(s.days, m.date().weekday()) {
		return false
	}
	if s.freq == "HOURLY" {
		return int(m-s.from)/60%s.interval == 0
	}
	if s.hours != nil && !slices.Contains(s.hours, m.minutes()/60) || s.hours == nil && m.minutes() != s.from.minutes() {
		return false
	}
	switch s.freq {
	case "DAILY":
		return int(m.date()-s.from.date())%s.interval == 0
	case "WEEKLY":
		monday := func(d date) int { return (int(d) + 3) / 7 } // weeks begin on Monday
		return (s.days != nil || m.date().weekday() == s.from.date().weekday()) && (monday(m.date())-monday(s.from.date()))%s.interval == 0
	}
	return time.Unix(int64(m)*60, 0).UTC().Day() == s.date
}

// occurrences lists them as far as a world lives.
func (s *scheduleDef) occurrences() []wall {
	if s.walls == nil {
		end := wall(start/60_000) + 12*1440
		for m := s.from; m < end && (s.until == 0 || m <= s.until) && (s.count == 0 || len(s.walls) < s.count); m += 60 {
			if s.is(m) {
				s.walls = append(s.walls, m)
			}
		}
		if s.walls == nil {
			s.walls = []wall{}
		}
	}
	return s.walls
}

// occasion is a customer's next time in a journey.
type occasion struct {
	next, last wall
	due        gateway.Instant // 0 = none
}

func (w *world) scheduled(j *journey) bool {
	return j.def.trigger.kind == "schedule" && j.state != "archived"
}

// armSchedule gives a customer his next time from now on; one that he still waits for
// in a pause stays.
func (w *world) armSchedule(j *journey, c *customer) {
	if !w.scheduled(j) {
		return
	}
	o := c.times[j]
	if o == nil {
		o = &occasion{last: -1 << 60}
		c.times[j] = o
	}
	if o.due != 0 && o.due <= w.now {
		return
	}
	zone := w.zone(c)
	o.due = 0
	for _, m := range j.def.trigger.schedule.occurrences() {
		if m > o.last && m.instant(zone) >= w.now {
			o.next, o.due = m, max(m.instant(zone), w.now)
			return
		}
	}
}

// rezone moves a customer's times: his clock may have jumped, over a time, or back
// to before one.
func (w *world) rezone(c *customer) {
	for j, o := range c.times {
		if w.scheduled(j) && o.due > w.now && o.next.instant(w.zone(c)) < w.now {
			o.due = w.now
			continue
		}
		w.armSchedule(j, c)
	}
}

// occasionDue is a time of a schedule; of several that passed, the latest one is
// decided.
func (w *world) occasionDue(j *journey, c *customer) {
	o, zone := c.times[j], w.zone(c)
	if !w.scheduled(j) {
		o.due = 0
		return
	}
	due := o.due
	o.due, o.last = 0, o.next
	for _, m := range j.def.trigger.schedule.occurrences() {
		switch at := m.instant(zone); {
		case m <= o.last:
		case at <= w.now:
			o.last, due = m, at
		case o.due == 0:
			o.next, o.due = m, at
		}
	}
	d := w.firstDevice(c)
	saw := map[string]any{"scheduled": o.last.String()}
	if w.now-due > w.maxAge(j) {
		w.decide(decision{kind: "entry", reason: "too_late_to_act", journey: j.def.name, version: j.def.version, customer: c.id, device: d,
			rule: w.lateRule(j), values: saw})
		return
	}
	if where := j.def.trigger.where; where != nil && w.eval(where, view{c: c, def: j.def, device: d, product: w.productOf(d)}) != isTrue {
		w.turnAway(j.def).filtered++
		return
	}
	w.enterNext(j, c, trigger{device: d, saw: saw})
}

func (w *world) rezoneAll() {
	for _, c := range w.customers {
		w.rezone(c)
	}
}
