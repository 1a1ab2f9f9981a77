package journey

import (
	"fmt"
	"maps"
	"slices"

	"touchpoint/gateway"
)

// publishJourney stores a version; it becomes active at its effective time.
func (p *Partition) publishJourney(c gateway.PublishJourney) gateway.Outcome {
	refuse := func(rule string) gateway.Outcome {
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonInvalid,
			Journey: clone(c.Journey), Version: c.Version, Rule: rule})
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	text := slices.Clone(c.Definition)
	def, err := Compile(text, Env{})
	if err != nil {
		return refuse(err.Error())
	}
	if def.Name != c.Journey {
		return refuse("the definition's name is " + def.Name)
	}
	j := p.journeyNamed(c.Journey)
	if j != nil {
		if j.version(c.Version) != nil {
			return gateway.Outcome{Disposition: gateway.Duplicate}
		}
		if last := j.versions[len(j.versions)-1]; c.Version < last.number {
			return refuse("a later version is stored")
		}
		if c.Running == "migrate" && j.active != nil {
			if problem := migratable(j.active.def, def); problem != "" {
				return refuse(problem)
			}
		}
	}
	if event := p.tooManyCounters(def); event != "" {
		return refuse(fmt.Sprintf("event type %s would move more than %d counters", event, maxTraitsPerType))
	}
	change := publishChange{name: clone(c.Journey), number: c.Version, text: text, def: def,
		existing: def.existing || c.Existing == "enroll", migrate: clone(c.Running)}
	do(p, change)
	p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonPublished, Journey: change.name, Version: c.Version})
	p.out.Journeys = append(p.out.Journeys, gateway.JourneyStatus{Journey: change.name, Version: c.Version,
		State: gateway.JourneyPublished, At: max(c.Effective, p.now), Definition: text})
	p.pend(p.journeyNamed(c.Journey), pendingChange{at: max(c.Effective, 1), version: c.Version})
	p.retryArrivals()
	return gateway.Outcome{}
}

// tooManyCounters names an event type on which the definition would put more
// counters than one change record can move.
func (p *Partition) tooManyCounters(def *Definition) string {
	fresh := map[string]int{}
	for i := range def.traits {
		spec := &def.traits[i]
		key := traitKey(spec)
		if slices.ContainsFunc(p.traits, func(t *trait) bool { return t.key == key }) {
			continue
		}
		fresh[spec.event]++
		if fresh[spec.event]+len(p.eventTraits(spec.event)) > maxTraitsPerType {
			return spec.event
		}
	}
	return ""
}

func (p *Partition) eventTraits(event string) []*trait {
	if et := p.types[event]; et != nil {
		return et.traits
	}
	return nil
}

// migratable says which step a migration would lose, "" when none.
func migratable(from, to *Definition) string {
	for _, s := range from.steps {
		i := to.stepIndex(s.id)
		if i < 0 {
			return "migrate: step " + s.id + " is gone; keep it, or publish with pin"
		}
		if to.steps[i].kind != s.kind {
			return "migrate: step " + s.id + " is a " + stepNames[to.steps[i].kind] + " now; give it another id"
		}
	}
	return ""
}

// setJourneyState pauses, resumes or archives a journey.
func (p *Partition) setJourneyState(c gateway.SetJourneyState) gateway.Outcome {
	j := p.journeyNamed(c.Journey)
	switch c.State {
	case gateway.JourneyPublished, gateway.JourneyPaused, gateway.JourneyArchived, gateway.JourneyDraining:
	default:
		j = nil
	}
	if j == nil {
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonNotActive, Journey: clone(c.Journey), Rule: string(c.State)})
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	p.pend(j, pendingChange{at: max(c.Effective, 1), state: gateway.JourneyState(clone(string(c.State)))})
	return gateway.Outcome{}
}

// pend notes a change for its time; what is due already happens at once.
func (p *Partition) pend(j *journey, c pendingChange) {
	change := j.put()
	change.changes = append(change.changes, c)
	slices.SortStableFunc(change.changes, func(a, b pendingChange) int { return compare(int64(a.at), int64(b.at)) })
	do(p, change)
	p.settle(j)
}

// fire is the timer of a journey: a pending change is due, or a scan goes on.
func (j *journey) fire(p *Partition) {
	p.settle(j)
	if j.scan.kind != scanNone && j.scan.due <= p.now {
		p.scanPortion(j)
	}
}

// settle makes the pending changes whose time has come.
func (p *Partition) settle(j *journey) {
	for len(j.changes) > 0 && j.changes[0].at <= p.now {
		c := j.changes[0]
		change := j.put()
		change.changes = change.changes[1:]
		if c.version != 0 {
			p.activate(j, &change, c.version)
		} else {
			p.switchState(j, &change, c.state)
		}
	}
}

// activate makes a version the one that new enrollments run on.
func (p *Partition) activate(j *journey, change *journeyChange, number uint32) {
	before, v := j.active, j.version(number)
	change.active = slices.Index(j.versions, v)
	change.states[change.active] = gateway.JourneyPublished
	change.state = gateway.JourneyPublished
	if before != nil {
		change.states[slices.Index(j.versions, before)] = gateway.JourneyDraining
	}
	if j.state == gateway.JourneyPaused {
		change.state = gateway.JourneyPaused // a new version does not lift a pause
	}
	if v.existing || before != nil && (v.migrate == "migrate" || v.migrate == "restart") {
		kind := scanEntry
		if before != nil && v.migrate != "" && v.migrate != "pin" {
			kind = scanMigrate
		}
		change.scan = scan{kind: kind, due: p.now}
	}
	do(p, *change)
	p.status(v, gateway.JourneyPublished)
	if before != nil {
		p.status(before, gateway.JourneyDraining)
		p.drained(before)
	}
}

func (p *Partition) switchState(j *journey, change *journeyChange, to gateway.JourneyState) {
	from := j.state
	change.state = to
	if j.active != nil {
		change.states[change.active] = to
	}
	if to == gateway.JourneyPublished && from == gateway.JourneyPaused && j.active != nil {
		change.scan = scan{kind: scanEntry, due: p.now} // what crossed in the pause
	}
	do(p, *change)
	if j.active == nil {
		return
	}
	reason := gateway.ReasonPaused
	switch to {
	case gateway.JourneyPublished:
		reason = gateway.ReasonResumed
	case gateway.JourneyArchived, gateway.JourneyDraining:
		reason = gateway.ReasonNotActive
	}
	p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: reason, Journey: j.name, Version: j.active.number})
	p.status(j.active, to)
	p.drained(j.active)
}

func (p *Partition) status(v *version, state gateway.JourneyState) {
	p.out.Journeys = append(p.out.Journeys, gateway.JourneyStatus{Journey: v.journey.name, Version: v.number, State: state, At: p.now})
}

// drained marks a draining version finished once nobody runs on it.
func (p *Partition) drained(v *version) {
	if v.state != gateway.JourneyDraining || v.running > 0 {
		return
	}
	change := v.journey.put()
	change.states[slices.Index(v.journey.versions, v)] = gateway.JourneyFinished
	if v == v.journey.active {
		change.state = gateway.JourneyFinished
	}
	do(p, change)
	p.status(v, gateway.JourneyFinished)
}

// scanSize is how many customers a scan looks at per firing.
const scanSize = 512

// scanPortion goes on with a scan over all customers in the order of their ids.
func (p *Partition) scanPortion(j *journey) {
	kind, from := j.scan.kind, j.scan.next
	if from == 0 || p.ids == nil {
		p.ids = slices.Sorted(maps.Keys(p.customers))
	}
	i, _ := slices.BinarySearch(p.ids, from)
	end := min(i+scanSize, len(p.ids))
	portion := p.ids[i:end]
	change := j.put()
	change.scan = scan{kind: kind, due: p.now}
	if end == len(p.ids) {
		change.scan = scan{}
		if kind == scanMigrate && j.active != nil && j.active.existing {
			change.scan = scan{kind: scanEntry, due: p.now}
		}
	} else {
		change.scan.next = p.ids[end]
	}
	do(p, change)
	for _, id := range portion {
		c := p.customers[id]
		if c == nil || j.active == nil {
			continue
		}
		if kind == scanMigrate {
			p.migrate(j, c)
		} else {
			p.enterExisting(j, c)
		}
	}
	if end == len(p.ids) {
		p.ids = nil
	}
}

// enterExisting enrolls a customer whose counters meet the entry already.
func (p *Partition) enterExisting(j *journey, c *customer) {
	v := j.active
	tr := &v.def.trigger
	if tr.trait < 0 || tr.kind == triggerAbsence {
		return // an absence has its own timer, an event is over
	}
	for i := range c.counters {
		k := &c.counters[i]
		if k.trait != v.traits[tr.trait] || k.flags&latched != 0 {
			continue
		}
		if k.flags&pending == 0 && !v.existing {
			continue
		}
		if tr.kind == triggerMilestone && k.n >= tr.nth || tr.kind == triggerThreshold && p.reached(v, c, k) {
			p.crossed(v, c, nil, k, tr.within.before(p.now))
		}
	}
}

// migrate takes a customer's running enrollments to the active version: by the
// stable id of the step, or from the first step on.
func (p *Partition) migrate(j *journey, c *customer) {
	to := j.active
	for _, e := range slices.Clone(c.enrollments) {
		if e.v.journey != j || e.v == to || e.ended() {
			continue
		}
		next := *e
		before := e.v
		switch {
		case to.migrate == "restart":
			next.v, next.step, next.waiting, next.absence, next.holdFrom, next.due = to, 0, false, false, 0, p.now
			next.stand = nil
		case e.step == toEnd: // went through in a pause
			next.v = to
		default:
			i := to.def.stepIndex(e.v.def.steps[e.step].id)
			if i < 0 {
				continue // pinned: the step is gone
			}
			next.v, next.step = to, i
			p.rewait(&next)
		}
		next.changedAt = p.now
		p.put(&next)
		p.drained(before)
	}
}

// rewait gives a migrated wait the length that the new version says; one that
// is over by it ends at once.
func (p *Partition) rewait(e *enrollment) {
	if !e.waiting {
		return
	}
	w := &e.v.def.steps[e.step].wait
	switch w.kind {
	case waitFor:
		e.due, e.absence = max(w.duration.after(e.waitFrom), p.now), false
	case waitEvent:
		e.due, e.absence = max(w.duration.after(e.waitFrom), p.now), true
	case waitLocal:
		e.due, e.absence = nextLocal(p.now, p.zone(e.c), w.local, w.days), false
	}
}
