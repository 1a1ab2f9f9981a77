package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// A sequence "A, then B, then C, without D in between, within T", by looking at all
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

// completed returns each event that ends a chain and, by its serial, when that
// chain started: the latest start behind which nothing blocks.
func (w *world) completed(j *journey, c *customer, d gateway.DeviceID) (ends []*event, starts map[int]gateway.Instant) {
	t := &j.def.trigger
	starts = map[int]gateway.Instant{}
	list := w.ordered(j, c, d)
	for i, last := range list {
		if !w.isOne(t.chain[len(t.chain)-1:], c, last) {
			continue
		}
		if start, ok := w.chainBefore(t, c, list[:i], len(t.chain)-1); ok && last.at-start < t.within {
			ends = append(ends, last)
			starts[last.serial] = start
		}
	}
	return ends, starts
}

// chainBefore looks backwards for the first n events of the chain.
func (w *world) chainBefore(t *triggerDef, c *customer, list []*event, n int) (start gateway.Instant, ok bool) {
	for k := len(list) - 1; k >= 0; k-- {
		blocks := w.isOne(t.without, c, list[k])
		if w.isOne(t.chain[n-1:n], c, list[k]) {
			switch {
			case n == 1:
				return list[k].at, true
			case !blocks:
				return w.chainBefore(t, c, list[:k], n-1)
			}
		}
		if blocks {
			return 0, false
		}
	}
	return 0, false
}

// isOne reports whether an event is one of a list.
func (w *world) isOne(list []listener, c *customer, e *event) bool {
	return slices.ContainsFunc(list, func(l listener) bool { return l.event == e.typ && w.matches(l.where, c, nil, e) })
}

// sequence asks what an event that has just come completes.
func (w *world) sequence(j *journey, c *customer, e *event, before map[int]gateway.Instant) {
	t := &j.def.trigger
	blocks := w.isOne(t.without, c, e)
	if !blocks && !w.isOne(t.chain, c, e) {
		return
	}
	horizon := w.now - w.maxAge(j)
	ends, starts := w.completed(j, c, e.device)
	entry := decision{kind: "entry", journey: j.def.name, version: j.def.version, customer: c.id}
	for _, b := range w.ordered(j, c, e.device) {
		_, still := starts[b.serial]
		if _, was := before[b.serial]; blocks && was && !still && j.fired[b.serial] && b.at >= horizon {
			d := entry
			d.reason, d.device, d.event, d.rule = "blocked_late", e.device, e.id, e.typ+" after it had fired"
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
			d.reason, d.device, d.event, d.rule = "too_late_to_act", b.device, b.id, w.lateRule(j)
			w.decide(d)
			continue
		}
		w.enterBy(j, c, trigger{e: b, device: b.device, since: starts[b.serial], saw: map[string]any{"started_at": starts[b.serial].String()}})
	}
}
