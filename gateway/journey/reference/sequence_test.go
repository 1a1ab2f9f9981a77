package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// A sequence "A, then B, without C in between, within T", by looking at all
// events in the order in which they occurred.

// sequenceKey orders events of one instant: by their id.
func sequenceKey(e *event) string {
	if e.id != "" {
		return "id:" + e.id + "\x00" + e.device.String()
	}
	var boot, seq uint64
	fmt.Sscanf(e.ref, "seq %d %d", &boot, &seq)
	return fmt.Sprintf("seq:%010d:%020d\x00%s", boot, seq, e.device)
}

// ordered lists the events that a sequence looks at in the order of occurrence.
func (w *world) ordered(j *journey, c *customer, d gateway.DeviceID) (out []*event) {
	for i := range c.events {
		e := &c.events[i]
		if e.serial > j.since && !j.deaf[e.serial] && (!j.def.trigger.perDevice || e.device == d) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *event) int {
		switch {
		case a.at != b.at:
			return int(a.at - b.at)
		case sequenceKey(a) < sequenceKey(b):
			return -1
		}
		return 1
	})
	return out
}

// completed returns, by its serial, each event that ends a sequence, and when
// that one started: the latest start that is not blocked.
func (w *world) completed(j *journey, c *customer, d gateway.DeviceID) (ends []*event, starts map[int]gateway.Instant) {
	t := &j.def.trigger
	starts = map[int]gateway.Instant{}
	list := w.ordered(j, c, d)
	is := func(l listener, e *event) bool { return l.event == e.typ && w.matches(l.where, c, nil, e) }
	for i, b := range list {
		if !is(t.then, b) {
			continue
		}
		for k := i - 1; k >= 0; k-- {
			if is(t.begin, list[k]) {
				if b.at-list[k].at < t.within {
					ends = append(ends, b)
					starts[b.serial] = list[k].at
				}
				break
			}
			if is(t.without, list[k]) {
				break
			}
		}
	}
	return ends, starts
}

// sequence asks what an event that has just come completes.
func (w *world) sequence(j *journey, c *customer, e *event, before map[int]gateway.Instant) {
	t := &j.def.trigger
	is := func(l listener) bool { return l.event == e.typ && w.matches(l.where, c, nil, e) }
	if !is(t.begin) && !is(t.then) && !is(t.without) {
		return
	}
	age := w.cfg.maxAge
	if j.def.maxAge > 0 {
		age = j.def.maxAge
	}
	horizon := w.now - age
	ends, starts := w.completed(j, c, e.device)
	entry := decision{kind: "entry", journey: j.def.name, version: j.def.version, customer: c.id}
	for _, b := range w.ordered(j, c, e.device) {
		_, still := starts[b.serial]
		if _, was := before[b.serial]; is(t.without) && was && !still && j.fired[b.serial] && b.at >= horizon {
			d := entry
			d.reason, d.device, d.event = "blocked_late", e.device, e.id
			w.decide(d)
		}
	}
	for _, b := range ends {
		if b.at < horizon || j.fired[b.serial] {
			continue
		}
		j.fired[b.serial] = true
		if e.at < horizon {
			d := entry
			d.reason, d.device, d.event = "too_late_to_act", b.device, b.id
			w.decide(d)
			continue
		}
		w.enter(j, c, b, b.device, starts[b.serial])
	}
}
