package reference

import (
	"bytes"
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// claim is the slot that a better candidate with an open window will take.
type claim struct {
	r       *run
	channel string
	tags    []string
}

// competes: a cap may close one of the channels, so the send waits until its
// instant is over and the best of it is known.
func (w *world) competes(r *run, s *stepDef, ch choice) bool {
	if ch.reason != "sent" && ch.reason != "holdout" && ch.reason != "capped" || !r.def.obeys || r.c.test {
		return false
	}
	for _, name := range w.channels(r.c, s) {
		for _, rule := range w.cfg.caps {
			if rule.covers(name, r.def.purpose, r.def.tagsOf(s)) {
				return true
			}
		}
	}
	return r.c.capMax > 0
}

// arbitrate decides about all who compete for a customer's slots: by priority,
// then time of the event, then id.
func (w *world) arbitrate(c *customer) {
	type candidate struct {
		r        *run
		m        *message
		priority int
		at, due  gateway.Instant
		id       [16]byte
	}
	var list []candidate
	for _, r := range c.runs {
		if r.stand != nil && !r.over && r.j.state != "paused" {
			list = append(list, candidate{r: r, priority: r.def.priority, at: r.stand.at, due: r.due, id: r.id})
		}
	}
	for _, m := range c.sent {
		if m.due != 0 && m.due <= w.now && m.run.j.state != "paused" {
			list = append(list, candidate{m: m, priority: m.def.priority, at: m.decided, due: m.due, id: m.id})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(b.priority-a.priority, cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	})
	w.claims = nil
	for _, k := range list {
		if w.stood = k.due; k.r != nil && k.r.stand != nil {
			w.stood = k.r.stand.since
		}
		switch {
		case k.m != nil && k.m.due == k.due:
			w.decideMessage(k.m)
		case k.m != nil || k.r.over || k.r.stand == nil || k.r.due != k.due:
		case k.due > w.now:
			s := &k.r.def.steps[k.r.step]
			if ch := w.choose(k.r, s, 1<<60); ch.channel != "" && k.r.def.counts && !c.test && k.r.arm != "holdout" {
				w.claims = append(w.claims, claim{k.r, ch.channel, k.r.def.tagsOf(s)})
			}
		case w.stillRelevant(k.r):
			w.walk(k.r, nil)
		}
	}
	w.claims, w.stood = nil, 0
}
