package journey

import (
	"maps"
	"slices"

	"touchpoint/gateway"
)

// scanSize is how many customers a scan looks at per firing.
const scanSize = 512

// scanPortion goes on with a scan over all customers in the order of their ids.
func (p *Partition) scanPortion(j *journey) {
	kind, from, existing := j.scan.kind, j.scan.next, j.scan.existing
	if kind == scanEntry && j.state == gateway.JourneyPaused && !j.scansPaused() {
		change := j.put()
		change.scan.due = 0 // it goes on after the pause
		do(p, change)
		return
	}
	if kind == scanEntry && !p.scanGuests(j) {
		return
	}
	if from == 0 || p.ids == nil {
		p.ids = slices.Sorted(maps.Keys(p.customers))
	}
	i, _ := slices.BinarySearch(p.ids, from)
	end := min(i+scanSize, len(p.ids))
	portion := p.ids[i:end]
	change := j.put()
	change.scan = scan{kind: kind, due: p.now, existing: existing}
	if end == len(p.ids) {
		change.scan = scan{}
		if kind == scanMigrate && (j.active.existing || j.scheduled()) {
			change.scan = scan{kind: scanEntry, due: p.now}
		}
	} else {
		change.scan.next = p.ids[end]
	}
	do(p, change)
	for i, id := range portion {
		c := p.customers[id]
		if c == nil {
			continue // erased, or moved, since the scan began
		}
		if kind == scanMigrate {
			p.migrate(j, c)
		} else if !p.enterExisting(j, c, id >= existing) {
			p.rest(j, portion[i:], scan{kind: scanEntry, next: id, existing: existing})
			break
		}
	}
	if end == len(p.ids) {
		p.ids = nil
		if kind == scanEntry && j.scan.kind == scanNone {
			p.tellExisting(j, 0)
		}
	}
}

// rescan begins a scan for what waits since a pause, or outside a ramp. Existing
// customers whom the scan after the publication has not come to are among them.
func (j *journey) rescan(now gateway.Instant) scan {
	next := scan{kind: scanEntry, due: now, existing: ^gateway.CustomerID(0), guests: j.scan.guests}
	if j.scan.kind == scanEntry {
		next.existing = max(j.scan.existing, j.scan.next)
	}
	return next
}

// rest stops a scan until there are units for more existing customers.
func (p *Partition) rest(j *journey, left []gateway.CustomerID, next scan) {
	want := 0
	for _, id := range left {
		if c := p.customers[id]; c != nil {
			want += len(p.meets(j.active, c))
		}
	}
	next.due = p.waitExisting(j, max(want, 1))
	change := j.put()
	change.scan = next
	do(p, change)
}

// meets lists the counters by which a customer meets the entry already. One
// that crossed in a pause, or outside a ramp, is among them.
func (p *Partition) meets(v *version, c *customer) (list []*counter) {
	tr := &v.def.trigger
	if tr.trait < 0 {
		return nil
	}
	for i := range c.counters {
		k := &c.counters[i]
		if int(k.trait) != v.traits[tr.trait].id || k.flags&latched != 0 || k.flags&pending == 0 && !v.existing {
			continue
		}
		if tr.kind == triggerMilestone && uint32(k.n) >= tr.nth || tr.kind == triggerThreshold && p.reached(v, c, k) {
			list = append(list, k)
		}
	}
	return list
}

// enterExisting enrolls a customer whose counters meet the entry already; false
// means that the pace of such entries allows no more now. Where no counter says
// whether he entered already, first does.
func (p *Partition) enterExisting(j *journey, c *customer, first bool) bool {
	v := j.active
	if j.state != gateway.JourneyPaused && j.state != gateway.JourneyPublished {
		return true // nobody enters, and no latch is used up
	}
	if v.def.trigger.schedule != nil {
		p.armSchedule(j, c)
		return true
	}
	if v.def.trigger.class != nil {
		return p.enterClassExisting(j, c, first)
	}
	for _, k := range p.meets(v, c) {
		paced := v.pace > 0 && k.flags&pending == 0 && !c.test
		if paced && !p.takeExisting(j) {
			return false
		}
		entries := c.mark(j).entries
		p.crossed(v, c, nil, k, v.def.trigger.within.before(p.now))
		if paced && c.mark(j).entries > entries {
			p.usedExisting(j)
		}
	}
	return true
}

// migrate takes a customer's running enrollments to the active version: by the
// stable id of the step, by the target that a removed step names, or from the
// first step on.
func (p *Partition) migrate(j *journey, c *customer) {
	to := j.active
	for _, e := range slices.Clone(c.enrollments) {
		if e.v.journey != j || e.v == to || e.ended() || e.origin != nil { // a recipient's run ends by itself
			continue
		}
		next, before := *e, e.v
		if !p.moveTo(&next, to) {
			continue // pinned: the step is gone
		}
		next.changedAt = p.now
		p.put(&next)
		p.drained(before)
	}
}

// moveTo gives an enrollment another version; false when it stays on its own.
func (p *Partition) moveTo(e *enrollment, to *version) bool {
	if to.migrate == "restart" {
		e.v, e.step, e.done = to, 0, 0
		e.startsAnew(p.now, 0)
		return true
	}
	if e.step == toEnd { // went through in a pause
		e.v = to
		return true
	}
	id := e.v.def.steps[e.step].id
	done, skip := e.carry(to)
	i := to.def.stepIndex(id)
	if target, named := to.def.target(id); i < 0 && named {
		e.v, e.step, e.done = to, int32(target), done
		e.startsAnew(p.now, skip)
		return true
	}
	if i < 0 {
		return false
	}
	same := to.def.steps[i].kind == e.v.def.steps[e.step].kind
	e.v, e.step, e.done = to, int32(i), done
	if !same { // a version between them made something else of it
		e.startsAnew(p.now, skip)
		return true
	}
	e.own().skip = skip
	p.rewait(e)
	return true
}

// startsAnew lets the enrollment begin the step where it stands now.
func (e *enrollment) startsAnew(now gateway.Instant, skip uint64) {
	e.waiting, e.absence, e.overdue, e.due, e.hold = false, false, false, now, holdTime
	x := e.own()
	x.holdFrom, x.skip, x.stand = 0, skip, nil
	e.leavesStep()
}

// tracked is how many steps of a journey are known to be completed or not.
const tracked = 64

// completed notes that a step is behind the enrollment.
func (e *enrollment) completed(step int) {
	if step >= 0 && step < tracked {
		e.done |= 1 << step
	}
}

// passes goes past a step that was completed in an earlier version.
func (e *enrollment) passes(s *step) bool {
	if e.step >= tracked || e.skip>>e.step&1 == 0 {
		return false
	}
	e.own().skip = e.skip &^ (1 << e.step)
	switch s.kind {
	case stepBranch, stepSplit, stepEnd: // these only choose the way
		return false
	}
	e.step = int32(s.next)
	return true
}

// carry returns which steps of another version are behind the enrollment, and
// which of them do not run again: those on a circle do.
func (e *enrollment) carry(to *version) (done, skip uint64) {
	for i, s := range e.v.def.steps {
		if i >= tracked || e.done>>i&1 == 0 || i == int(e.step) {
			continue
		}
		n := to.def.stepIndex(s.id)
		if n < 0 || n >= tracked {
			continue
		}
		done |= 1 << n
		if !to.def.circles(n) {
			skip |= 1 << n
		}
	}
	return done, skip
}

// circles reports whether a step can be reached from itself.
func (d *Definition) circles(step int) bool {
	seen := make([]bool, len(d.steps))
	var reach func(i int) bool
	reach = func(i int) bool {
		if i == toEnd || seen[i] {
			return i == step
		}
		seen[i] = true
		return slices.ContainsFunc(d.ways(i), reach)
	}
	return reach(step)
}

// ways lists where a step can lead.
func (d *Definition) ways(i int) []int {
	s := &d.steps[i]
	list := []int{s.next}
	for _, a := range s.arms {
		list = append(list, a.to)
	}
	if s.wait.kind == waitEvent {
		list = append(list, s.wait.onTimeout)
	}
	return list
}

// rewait gives a migrated wait the length that the new version says; one that
// is over by it ends at once.
func (p *Partition) rewait(e *enrollment) {
	if !e.waiting {
		return
	}
	w := &e.v.def.steps[e.step].wait
	before := e.due
	defer func() { e.overdue = e.overdue && e.absence && e.due == before }()
	switch w.kind {
	case waitFor:
		e.due, e.absence = max(w.duration.after(e.waitFrom), p.now), false
	case waitEvent:
		e.due, e.absence = max(w.duration.after(e.waitFrom), p.now), true
	case waitLocal:
		e.due, e.absence = nextLocal(p.now, p.zone(e.c), w.local, w.days), false
	}
}
