package reference

import (
	"slices"

	"touchpoint/gateway"
)

// deviceEvent takes an event of a device: known already? whose?
func (w *world) deviceEvent(dev gateway.DeviceID, e event) (outcome string, who gateway.CustomerID) {
	d := w.device(dev)
	who = d.at(e.at)
	if e.at < w.now-w.cfg.dedup {
		for _, j := range w.journeys {
			if j.def.trigger.kind == "event" && j.state != "archived" && j.def.trigger.event == e.typ && w.matches(j.def.trigger.where, nil, j.def, &e) {
				w.decide(decision{kind: "entry", reason: "too_old_to_dedup", journey: j.def.name, version: j.def.version,
					customer: who, device: dev, event: e.id})
			}
		}
		return "too_old", who
	}
	if e.product != "" {
		d.product = e.product
	}
	if d.seen[e.ref] {
		return "duplicate", who
	}
	d.seen[e.ref] = true
	news := w.tell(d, &e)
	w.hearDevice(d, &e)
	if who == 0 {
		w.nobody(&e)
	} else {
		w.take(w.customer(who), e)
	}
	if owner := w.customers[d.present()]; news && owner != nil {
		w.wake(owner, "context", dev)
	}
	return "accepted", who
}

// touchpoint takes an event that came without a device.
func (w *world) touchpoint(id gateway.CustomerID, e event) (outcome string, who gateway.CustomerID) {
	if w.erased[id] {
		w.nobody(&e)
		return "accepted", 0
	}
	if e.at < w.now-w.cfg.dedup {
		return "too_old", id
	}
	c := w.customer(id)
	if c.touched[e.ref] {
		return "duplicate", id
	}
	c.touched[e.ref] = true
	w.take(c, e)
	return "accepted", id
}

// nobody decides about an event that no customer had the device for: each one
// under an event trigger, else the first one until the device is bound.
func (w *world) nobody(e *event) {
	for _, j := range w.journeys {
		if j.state == "archived" || !j.def.trigger.looksAt(e.typ) {
			continue
		}
		if !w.concerns(j, e) {
			w.turnAway(j.def).filtered++
			continue
		}
		if j.def.trigger.kind != "event" {
			d := w.devices[e.device]
			if d == nil || d.present() != 0 || d.nobodys[j.def.name] {
				w.turnAway(j.def).unowned++
				continue
			}
			if d.nobodys == nil {
				d.nobodys = map[string]bool{}
			}
			d.nobodys[j.def.name] = true
		}
		w.decide(decision{kind: "entry", reason: "no_customer", journey: j.def.name, version: j.def.version, device: e.device, event: e.id})
	}
}

// concerns reports whether the trigger would look at an event.
func (w *world) concerns(j *journey, e *event) bool {
	t := &j.def.trigger
	hears := func(l listener) bool { return l.event == e.typ && w.matches(l.where, nil, j.def, e) }
	switch t.kind {
	case "api":
		return false
	case "sequence":
		return slices.ContainsFunc(t.chain, hears)
	}
	return hears(listener{t.event, t.where})
}

// take applies an event: traits, then what runs, then what it may start.
func (w *world) take(c *customer, e event) {
	held := map[*journey]bool{}
	ends := map[*journey]map[int]gateway.Instant{}
	for _, j := range w.journeys {
		if j.def.trigger.kind == "threshold" {
			held[j] = w.reached(c, j, e.device)
		}
		if j.def.trigger.kind == "sequence" {
			_, ends[j] = w.completed(j, c, e.device)
		}
	}
	w.serial++
	e.serial = w.serial
	c.events = append(c.events, e)
	w.caseHeard(c, &e)
	w.taskDone(c, &e)
	for _, j := range w.journeys {
		t := &j.def.trigger
		if t.kind == "sequence" && j.state == "archived" {
			j.deaf[e.serial] = true
		}
		if t.kind != "threshold" || j.state == "archived" {
			continue
		}
		l := c.latch(j, e.device)
		if t.event == e.typ && !held[j] { // the condition had ceased to hold
			l.closed, l.pending = false, false
		}
		if t.unless == e.typ && e.at > w.now-t.within { // what blocks it also opens it
			l.closed, l.pending = false, false
		}
	}
	if moved := w.countedByRules(c, &e); moved != nil {
		w.classify(c, moved, &e)
	}
	for _, r := range append([]*run(nil), c.runs...) {
		w.hear(r, &e)
	}
	for _, j := range w.journeys {
		if j.def.trigger.kind == "sequence" && j.state != "archived" {
			w.sequence(j, c, &e, ends[j])
		}
		w.trigger(j, c, &e)
	}
	if e.typ == caseClosed {
		w.wake(c, "case", 0)
	}
}

// reached reports whether a threshold holds now.
func (w *world) reached(c *customer, j *journey, d gateway.DeviceID) bool {
	t := &j.def.trigger
	n, sum, blocked := w.inside(c, j, d)
	switch {
	case blocked:
		return false
	case t.sum != "":
		return n > 0 && sum >= t.atLeast
	}
	return n >= t.atLeast
}

// sawCounted is what a counting trigger saw.
func (w *world) sawCounted(j *journey, c *customer, d gateway.DeviceID) map[string]any {
	n, sum, _ := w.inside(c, j, d)
	switch t := &j.def.trigger; {
	case t.kind == "milestone":
		return map[string]any{"trait.count": int64(w.counted(c, j, d))}
	case t.sum != "":
		return map[string]any{"trait.sum": sum}
	}
	return map[string]any{"trait.count": min(n, j.def.trigger.atLeast)}
}

// inside counts what lies in the window of a threshold, and whether something
// blocks it.
func (w *world) inside(c *customer, j *journey, d gateway.DeviceID) (n, sum int64, blocked bool) {
	t := &j.def.trigger
	used := c.latch(j, d).usedUp
	for i := range c.events {
		e := &c.events[i]
		if e.serial <= j.since || t.perDevice && e.device != d || e.at <= w.now-t.within {
			continue
		}
		if t.unless != "" && e.typ == t.unless {
			blocked = true
		}
		if e.typ != t.event || e.serial <= used || !w.matches(t.where, c, nil, e) {
			continue
		}
		if t.sum != "" {
			v, ok := e.props[t.sum].(int64)
			if !ok {
				continue
			}
			sum += v
		}
		n++
	}
	return n, sum, blocked
}

// counted is how often a milestone's event ever came.
func (w *world) counted(c *customer, j *journey, d gateway.DeviceID) (n int) {
	t := &j.def.trigger
	for i := range c.events {
		e := &c.events[i]
		if e.serial > j.since && e.typ == t.event && (!t.perDevice || e.device == d) && w.matches(t.where, c, nil, e) {
			n++
		}
	}
	return n
}

// maxAge is how old an event may be that starts the journey.
func (w *world) maxAge(j *journey) gateway.Instant {
	if j.def.maxAge > 0 {
		return j.def.maxAge
	}
	return w.cfg.maxAge
}

func (w *world) lateRule(j *journey) string { return "max_event_age " + span(w.maxAge(j)) }

// trigger asks whether an event starts the journey.
func (w *world) trigger(j *journey, c *customer, e *event) {
	t := &j.def.trigger
	if t.event != e.typ || j.state == "archived" || t.kind != "event" && t.kind != "threshold" && t.kind != "milestone" {
		return
	}
	if t.kind == "event" {
		if !w.matches(t.where, c, j.def, e) {
			w.turnAway(j.def).filtered++
			return
		}
		if w.now-e.at > w.maxAge(j) {
			w.decide(decision{kind: "entry", reason: "too_late_to_act", journey: j.def.name, version: j.def.version,
				customer: c.id, device: e.device, event: e.id, rule: w.lateRule(j)})
			return
		}
		w.enter(j, c, e, e.device, e.at)
		return
	}
	l := c.latch(j, e.device)
	if l.closed {
		return
	}
	switch {
	case t.kind == "threshold" && w.reached(c, j, e.device):
		w.crossed(j, c, e, e.device, w.now-t.within, l)
	case t.kind == "milestone" && w.counted(c, j, e.device) >= t.nth:
		w.crossed(j, c, e, e.device, e.at, l)
	}
}

// crossed is a threshold or milestone whose latch is open.
func (w *world) crossed(j *journey, c *customer, e *event, d gateway.DeviceID, since gateway.Instant, l *latch) {
	if j.state == "paused" {
		if !l.pending {
			l.pending = true
			dec := decision{kind: "entry", reason: "paused", journey: j.def.name, version: j.def.version, customer: c.id}
			if e != nil {
				dec.event, dec.device = e.id, e.device
			}
			w.decide(dec)
		}
		return
	}
	l.pending = false
	saw := w.sawCounted(j, c, d)
	if j.def.trigger.every {
		l.usedUp = w.serial
	} else {
		l.closed = true
	}
	w.enterBy(j, c, trigger{e: e, device: d, since: since, saw: saw})
}

// makeGood enters those who crossed in a pause and still meet the entry.
func (w *world) makeGood(j *journey) {
	j.scan = false
	t := &j.def.trigger
	for _, id := range sortedCustomers(w) {
		c := w.customers[id]
		if c.class != nil && c.class.missed[j] {
			delete(c.class.missed, j)
			w.enterClass(j, c, nil)
		}
		w.armSchedule(j, c)
	}
	if t.kind != "threshold" && t.kind != "milestone" {
		return
	}
	for _, id := range sortedCustomers(w) {
		c := w.customers[id]
		for _, k := range sortedLatches(c, j.def.name) {
			l := c.latches[k]
			if l.closed || !l.pending {
				continue
			}
			if t.kind == "milestone" && w.counted(c, j, k.device) >= t.nth || t.kind == "threshold" && w.reached(c, j, k.device) {
				w.crossed(j, c, nil, k.device, w.now-t.within, l)
			}
		}
	}
}

// hear lets an enrollment react to an event: goal, exits, then its wait.
func (w *world) hear(r *run, e *event) {
	if g := r.def.goal; g != nil && !r.goal && g.event == e.typ && w.matchesRun(g.where, r, e) {
		switch {
		case e.at >= r.entered && e.at <= r.entered+g.within:
			w.convert(r, e)
			return
		case !r.over && e.at >= r.since && e.at < r.entered: // it has no point any more
			w.end(r, "exit_criterion", e, g.rule())
			return
		}
	}
	if r.over || !w.listens(r.def, e.typ) {
		return
	}
	for _, x := range r.def.exits {
		if x.event == "" && w.matchesRun(x.where, r, nil) || x.event == e.typ && e.at >= r.since && w.matchesRun(x.where, r, e) {
			w.end(r, "exit_criterion", e, x.rule())
			return
		}
	}
	if !r.waiting || r.step >= len(r.def.steps) {
		return
	}
	s := &r.def.steps[r.step]
	if s.kind == "wait_event" && s.until.event == e.typ && e.at >= r.began && w.matchesRun(s.until.where, r, e) {
		w.decideRun(r, decision{kind: "step", reason: "arrived", step: s.id, event: e.id, rule: e.typ})
		w.leave(r, r.def.after(r.step), e)
	}
}

// listens: an exit by condition looks at every event.
func (w *world) listens(d *journeyDef, typ string) bool {
	if d.goal != nil && d.goal.event == typ {
		return true
	}
	for _, x := range d.exits {
		if x.event == "" || x.event == typ {
			return true
		}
	}
	for i := range d.steps {
		if d.steps[i].kind == "wait_event" && d.steps[i].until.event == typ {
			return true
		}
	}
	return false
}

func (w *world) convert(r *run, e *event) {
	d := decision{kind: "conversion", reason: "goal", event: e.id, rule: r.def.goal.rule()}
	if r.over {
		d.reason = "conversion"
	}
	var last *message
	for _, m := range r.c.sent {
		if m.run == r && reachedHim(m) && (last == nil || m.slotAt >= last.slotAt) {
			last = m
		}
	}
	d.message = last
	w.decideRun(r, d)
	r.goal = true
	if !r.over {
		w.end(r, "goal", e, r.def.goal.rule())
	}
}

func reachedHim(m *message) bool {
	switch m.state {
	case "handed_over", "redelivered", "delivered", "displayed", "opened", "clicked", "dismissed":
		return true
	}
	return false
}
