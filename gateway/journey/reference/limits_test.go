package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// Limits over the whole installation, by lists of what happened. A partition that
// is not alone has to ask: the reference knows them of a single one.

// placesDef is an entry cap: at most so many in a length of time, a period of the
// calendar, or for ever.
type placesDef struct {
	max      int
	per      gateway.Instant
	calendar string
}

func (l *placesDef) String() string {
	switch {
	case l.per > 0:
		return fmt.Sprint(l.max, " per ", span(l.per))
	case l.calendar != "":
		return fmt.Sprint(l.max, " per calendar ", l.calendar)
	}
	return fmt.Sprint(l.max, " in all")
}

// place looks for a place under the entry cap of a journey, and takes it. Without
// one it says when there is room, 0 for never.
func (w *world) place(j *journey, c *customer) (ok bool, free gateway.Instant) {
	l := j.def.places
	if l == nil || c.test {
		return true, 0
	}
	zone := location(w.cfg.zone)
	var taken []gateway.Instant
	for _, at := range j.taken {
		switch {
		case l.per > 0 && at <= w.now-l.per:
		case l.calendar != "" && at < w.startOf(zone, l.calendar, w.now):
		default:
			taken = append(taken, at)
		}
	}
	if len(taken) < l.max {
		j.taken = append(j.taken, w.now)
		return true, 0
	}
	switch {
	case l.per > 0:
		return false, taken[0] + l.per
	case l.calendar != "":
		for free = w.now; w.startOf(zone, l.calendar, free) <= w.now; free += 15 * minute {
		}
		return false, w.startOf(zone, l.calendar, free)
	}
	return false, 0
}

// forecastDef is what a journey is expected to send in a day; beyond so many times
// it, it pauses.
type forecastDef struct{ perDay, factor int }

// countSent counts a message against the forecast.
func (w *world) countSent(r *run) {
	if r.def.forecast == nil || r.c.test || r.arm == "holdout" {
		return
	}
	j := r.j
	j.sent = append(j.sent, w.now-w.now%minute)
	n := 0
	for _, at := range j.sent {
		if at > w.now-day {
			n++
		}
	}
	if f := j.def.forecast; j.state == "published" && n > f.perDay*f.factor {
		j.state = "paused"
		w.decide(decision{kind: "journey", reason: "forecast", journey: j.def.name, version: j.def.version,
			rule: fmt.Sprintf("%d messages in 1d, forecast %d times %d", n, f.perDay, f.factor)})
	}
}

// rampDef lets in a share of the customers, in percent, and a larger one later.
type rampDef struct {
	start, then int
	after       gateway.Instant
}

// outside says that a customer's place in the ramp is not let in yet.
func (w *world) outside(j *journey, c *customer) (rule string) {
	ramp := j.def.ramp
	if ramp == nil || c.test {
		return ""
	}
	share := ramp.start
	if w.now >= j.began+ramp.after {
		share = ramp.then
	}
	if bucket(c, j.def.name+"/ramp") < share*100 {
		return ""
	}
	return fmt.Sprint(share, " % may enter")
}

// limits gives some journeys limits.
func (g gen) limits(d *journeyDef) {
	if !slices.Contains([]string{"threshold", "milestone"}, d.trigger.kind) && g.chance(12) { // these wait for the ramp
		d.ramp = &rampDef{start: g.IntN(60), after: g.duration()}
		d.ramp.then = d.ramp.start + g.IntN(41)
	}
	if g.chance(12) {
		d.places = &placesDef{max: 1 + g.IntN(3)}
		switch g.IntN(3) {
		case 0:
			d.places.per = g.duration()
		case 1:
			d.places.calendar = pick(g, []string{"day", "week", "month"})
		}
	}
	if g.chance(8) {
		d.forecast = &forecastDef{1 + g.IntN(2), 1 + g.IntN(2)}
	}
}

func (d *journeyDef) limitsYAML(o object) {
	if r := d.ramp; r != nil {
		o["ramp"] = object{"start": fmt.Sprint(r.start, "%"), "then": []object{{"after": length(r.after), "share": fmt.Sprint(r.then, "%")}}}
	}
	if l := d.places; l != nil {
		places := object{"max": l.max}
		if l.per > 0 {
			places["per"] = length(l.per)
		}
		if l.calendar != "" {
			places["calendar"] = l.calendar
		}
		o["entry_cap"] = places
	}
	if f := d.forecast; f != nil {
		o["forecast"] = object{"messages_per_day": f.perDay, "factor": f.factor}
	}
}
