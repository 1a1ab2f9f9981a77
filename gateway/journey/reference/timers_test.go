package reference

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// timer is something that is due.
type timer struct {
	due gateway.Instant
	id  uint64
	do  func()
}

// timers lists everything that waits, by brute force: pure ones before bound,
// absences before the watermark.
func (w *world) timers(bound gateway.Instant) (out []timer) {
	for i, j := range w.journeys {
		if j.scan {
			out = append(out, timer{j.resumed, uint64(i), func() { w.makeGood(j) }})
		}
	}
	for _, c := range w.customers {
		for _, r := range c.runs {
			limit := bound
			if r.absence {
				limit = w.observed
			}
			if due := w.dueOf(r); !r.over && due != 0 && due < limit && r.j.state != "paused" {
				id := leading(r.id) >> 1
				if r.stand != nil {
					id |= 1 << 63 // those who compete come after all else of the instant
				}
				out = append(out, timer{due, id, func() { w.runDue(r) }})
			}
		}
		if c.class != nil {
			if due, _ := w.leaving(c, c.class.left); due != 0 && due < bound {
				out = append(out, timer{due, mix(uint64(c.id)^0x636c617373) >> 1, func() { w.windowMoved(c) }})
			}
		}
		for i, j := range w.journeys {
			if o := c.times[j]; o != nil && o.due != 0 && o.due < bound && j.state != "paused" {
				out = append(out, timer{o.due, (mix(uint64(c.id)) ^ mix(uint64(i)+1)) >> 1, func() { w.occasionDue(j, c) }})
			}
		}
		for _, m := range c.sent {
			if m.silent != 0 && m.silent < bound && m.run.j.state != "paused" {
				out = append(out, timer{m.silent, leading(m.id) >> 1, func() { w.silent(m) }})
			}
			if m.due != 0 && m.due < bound && m.run.j.state != "paused" {
				out = append(out, timer{m.due, leading(m.id)>>1 | 1<<63, func() { w.arbitrate(c) }})
			}
		}
		for _, j := range w.journeys {
			if j.def.trigger.silent() && j.state != "paused" {
				if due := w.silenceDue(c, j); due != 0 && due < w.observed {
					out = append(out, timer{due, 0, func() { w.silence(c, j) }})
				}
			}
		}
	}
	return out
}

// fire lets timers fire in their order until none is due.
func (w *world) fire(bound gateway.Instant) {
	w.settle()
	for {
		due := w.timers(bound)
		if len(due) == 0 {
			return
		}
		first := slices.MinFunc(due, func(a, b timer) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) })
		w.now = max(w.now, first.due)
		w.fired++
		first.do()
		w.settle()
	}
}

// nextDue returns the earliest time at which something is due, 0 for never.
func (w *world) nextDue() (next gateway.Instant) {
	observed := w.observed
	w.observed = 1 << 60
	for _, t := range w.timers(1 << 60) {
		if next == 0 || t.due < next {
			next = t.due
		}
	}
	w.observed = observed
	return next
}

func leading(id [16]byte) (v uint64) {
	for _, b := range id[:8] {
		v = v<<8 | uint64(b)
	}
	return v
}

// silentUntil returns when the silence of an absence trigger is complete, 0
// when there is none to wait for.
func (w *world) silentUntil(c *customer, j *journey) gateway.Instant {
	last := gateway.Instant(0)
	for _, e := range c.events {
		heard := e.typ == j.def.trigger.event || j.def.trigger.event == "" && e.device != 0
		if e.serial > j.since && heard && w.matches(j.def.trigger.where, c, nil, &e) {
			last = max(last, e.at)
		}
	}
	if last == 0 || last == c.latch(j, 0).silent {
		return 0
	}
	return last + j.def.trigger.within
}

// silence is the end of a silence.
func (w *world) silence(c *customer, j *journey) {
	if w.waitsForUpload(c, j) {
		return
	}
	due := w.silentUntil(c, j)
	c.latch(j, 0).silent = due - j.def.trigger.within
	if j.state != "published" {
		return
	}
	var d gateway.DeviceID
	if devices := w.devicesOf(c); len(devices) > 0 {
		d = devices[0]
	}
	last := due - j.def.trigger.within
	w.enterBy(j, c, trigger{device: d, since: w.now - j.def.trigger.within, saw: map[string]any{"last_" + cmp.Or(j.def.trigger.event, "heard"): last.String()}})
}

// sayUnobserved says of each silence, once, that it cannot be decided because
// what came in is not complete: when it was due a quarter of an hour ago.
func (w *world) sayUnobserved() {
	look := w.before/(5*minute) != w.now/(5*minute)
	w.before = w.now
	bound := w.now - 15*minute
	if !look {
		return
	}
	for _, id := range sortedCustomers(w) {
		c := w.customers[id]
		for _, j := range w.journeys {
			if !j.def.trigger.silent() || j.state != "published" {
				continue
			}
			due := w.silentUntil(c, j)
			if l := c.latch(j, 0); due != 0 && due < bound && due >= w.observed && l.told != due {
				l.told = due
				w.decide(decision{kind: "entry", reason: "unobserved", journey: j.def.name, version: j.def.version, customer: id,
					rule: "observed through " + w.observed.String()})
			}
		}
	}
}
