package journey

import (
	"slices"
	"strconv"

	"touchpoint/gateway"
)

// startNext is the start_journey step: the other journey's own checks decide,
// when the walk at hand is done.
func (p *Partition) startNext(e *enrollment, s *step) {
	p.stepDecisionAt(e, s, gateway.ReasonStarted, "", s.journey)
	e.visits++
	name, device, props := s.journey, e.device, e.props
	trigger := "start:" + e.id.String() + "/" + s.id + ":" + strconv.FormatUint(uint64(e.visits), 10)
	p.putOffFrom(e, func(p *Partition, c *customer) {
		j := p.journeyNamed(name)
		if j == nil || j.active == nil {
			p.decide(gateway.Decision{Kind: gateway.DecisionEntry, Reason: gateway.ReasonNotActive, Journey: name, Customer: c.id})
			return
		}
		p.enterNext(&entry{v: j.active, c: c, trigger: trigger, device: device, since: p.now, props: props})
	})
}

// stopOther is the stop_journey step: it ends the customer's runs of another
// journey.
func (p *Partition) stopOther(e *enrollment, s *step) {
	p.stepDecisionAt(e, s, gateway.ReasonStopped, "", s.journey)
	name, rule := s.journey, e.v.journey.name+"/"+s.id
	p.putOffFrom(e, func(p *Partition, c *customer) {
		for _, other := range slices.Clone(c.enrollments) {
			if other.v.journey.name == name && !other.ended() && other.origin == nil {
				p.endEnrollment(other, gateway.ReasonStopped, nil, rule)
			}
		}
	})
}

// putOffFrom puts off what a step leads to; its journey is part of the chain.
func (p *Partition) putOffFrom(e *enrollment, run func(*Partition, *customer)) {
	before := p.chain
	if !slices.Contains(before, e.v.journey) {
		p.chain = append(slices.Clip(before), e.v.journey)
	}
	p.putOff(e.c, run)
	p.chain = before
}

// otherJourney reads the name of the journey that a step starts or stops.
func (c *compiler) otherJourney(s *step, o *object, key string) {
	s.journey = o.text(key)
	switch {
	case s.journey == "":
		o.fault(key, "is missing; name a journey")
	case s.journey == c.def.Name && s.kind == stepStart:
		o.fault(key, "a journey does not start itself; lead next to an earlier step behind a wait")
	case s.journey == c.def.Name:
		o.fault(key, "a journey does not stop itself; write end: {}")
	case !wordPattern.MatchString(s.journey):
		o.fault(key, "%q is no name of a journey", s.journey)
	}
}

// starts reports whether a step starts another journey. That one may need any
// property of what started this one.
func (d *Definition) starts() bool {
	return slices.ContainsFunc(d.steps, func(s step) bool { return s.kind == stepStart })
}

// kept copies what an enrollment needs of what started it.
func (d *Definition) kept(props gateway.Properties) gateway.Properties {
	if d.starts() {
		return cloneProperties(props)
	}
	return keepProperties(d.keep, props)
}
