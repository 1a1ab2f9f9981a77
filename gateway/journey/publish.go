package journey

import (
	"cmp"
	"fmt"
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
	def, err := p.texts.compileAs(c.Journey, text)
	if err != nil {
		return refuse(err.Error())
	}
	if def.Name != gateway.RealJourney(c.Journey) {
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
		if c.Running == "migrate" {
			if problem := migratable(j.versions[len(j.versions)-1].def, def); problem != "" {
				return refuse(problem)
			}
		}
	}
	if event := p.tooManyCounters(def); event != "" {
		return refuse(fmt.Sprintf("event type %s would move more than %d counters", event, maxTraitsPerType))
	}
	change := publishChange{name: clone(c.Journey), number: c.Version, text: text, def: def, migrate: clone(c.Running)}
	var problem string
	if change.existing, change.pace, problem = existingOf(c.Existing, def); problem != "" {
		return refuse("existing: " + problem)
	}
	state := gateway.JourneyPublished
	if c.Fill && p.newCounters(def) {
		state = gateway.JourneyFilling
		change.fill = &fill{at: p.now, seq: p.seq, index: p.index, foreign: map[uint64]struct{}{}}
	}
	do(p, change)
	p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonPublished, Journey: change.name, Version: c.Version})
	if change.fill != nil {
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonFilling, Journey: change.name, Version: c.Version})
	}
	p.out.Journeys = append(p.out.Journeys, gateway.JourneyStatus{Journey: change.name, Version: c.Version,
		State: state, At: max(c.Effective, p.now), Definition: text})
	p.pend(p.journeyNamed(c.Journey), pendingChange{at: max(c.Effective, 1), version: c.Version})
	p.retryArrivals()
	p.retryEarly()
	return gateway.Outcome{}
}

// existingOf says what happens to those who meet the entry already: as the
// publication says, else as the definition does.
func existingOf(words string, def *Definition) (enroll bool, pace int, problem string) {
	switch words {
	case "":
		return def.existing, def.pace, ""
	case "ignore":
		return false, 0, ""
	case "enroll":
		return true, 0, ""
	}
	pace, problem = ParsePace(words)
	return true, pace, problem
}

// tooManyCounters names an event type on which the definition would put more
// counters than one change record can move.
func (p *Partition) tooManyCounters(def *Definition) string {
	fresh := map[string]int{}
	for i := range def.traits {
		spec := &def.traits[i]
		if p.traitOf(traitKey(spec)) != nil {
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
			if _, named := to.target(s.id); named {
				continue
			}
			return "migrate: step " + s.id + " is gone; name where its enrollments go on (migrate: {" + s.id + ": <step>}), or publish with pin"
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
	if c.Reason != "" && j.state != gateway.JourneyPublished {
		return gateway.Outcome{Disposition: gateway.Duplicate} // a brake of its own, of what stands still already
	}
	p.pend(j, pendingChange{at: max(c.Effective, 1), state: gateway.JourneyState(clone(string(c.State))), withdraw: c.Withdraw,
		reason: gateway.Reason(clone(string(c.Reason))), rule: clone(c.Rule)})
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
	p.limitsDue(j)
	if j.scan.kind != scanNone && j.scan.due <= p.now {
		p.scanPortion(j)
	}
}

// settle makes the pending changes whose time has come.
func (p *Partition) settle(j *journey) {
	for {
		i := slices.IndexFunc(j.changes, func(c pendingChange) bool { return c.at <= p.now && !j.fills(c) })
		if i < 0 {
			return
		}
		c := j.changes[i]
		change := j.put()
		change.changes = slices.Delete(change.changes, i, i+1)
		if c.version != 0 {
			change.changes = slices.DeleteFunc(change.changes, func(o pendingChange) bool { return o.version != 0 && o.version < c.version })
			p.activate(j, &change, c.version)
		} else {
			p.switchState(j, &change, &c)
		}
	}
}

// fills reports whether a change waits until counters are filled.
func (j *journey) fills(c pendingChange) bool {
	if c.version == 0 {
		return false
	}
	v := j.version(c.version)
	return v != nil && v.fill != nil
}

// activate makes a version the one that new enrollments run on.
func (p *Partition) activate(j *journey, change *journeyChange, number uint32) {
	before, v := j.active, j.version(number)
	state := gateway.JourneyPublished
	if j.state == gateway.JourneyPaused {
		state = gateway.JourneyPaused // a new version does not lift a pause
	}
	change.active = slices.Index(j.versions, v)
	change.state, change.states[change.active] = state, state
	if before != nil {
		change.states[slices.Index(j.versions, before)] = gateway.JourneyDraining
	}
	if v.existing || v.def.trigger.schedule != nil || before != nil && (len(before.def.ramp) > 0 || v.migrate == "migrate" || v.migrate == "restart") {
		kind := scanEntry
		if before != nil && v.migrate != "" && v.migrate != "pin" {
			kind = scanMigrate
		}
		change.scan = scan{kind: kind, due: p.now}
	}
	do(p, *change)
	p.arm(v)
	p.startRamp(before, v)
	p.askGrant(j, 0, 0)
	p.status(v, state)
	if before != nil {
		p.status(before, gateway.JourneyDraining)
		p.drained(before)
	}
}

func (p *Partition) switchState(j *journey, change *journeyChange, c *pendingChange) {
	from, to := j.state, c.state
	change.state = to
	switch {
	case to != gateway.JourneyPaused:
		change.pause = pause{}
	case from != to:
		change.pause = pause{p.now, c.reason, c.rule}
	}
	if j.active != nil {
		change.states[change.active] = to
	}
	if to == gateway.JourneyPublished && j.active != nil && (from == gateway.JourneyPaused || j.active.def.trigger.schedule != nil) {
		change.scan = j.rescan(p.now) // what crossed in the pause
	}
	do(p, *change)
	if j.active == nil {
		return
	}
	reason := cmp.Or(c.reason, gateway.ReasonPaused)
	if c.withdraw && to == gateway.JourneyPaused {
		p.sweepJourney(j)
	}
	switch to {
	case gateway.JourneyPublished:
		reason = gateway.ReasonResumed
		p.clearSent(j)
		p.askGrant(j, 0, 0)
	case gateway.JourneyArchived, gateway.JourneyDraining:
		reason = gateway.ReasonNotActive
	}
	p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: reason, Journey: j.name, Version: j.active.number, Rule: c.rule})
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
