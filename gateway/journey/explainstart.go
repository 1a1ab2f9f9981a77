package journey

import (
	"math/bits"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// The triggers that do not count: sequences, schedules, segments, stages, calls.

func property(key, text string) gateway.Property {
	return gateway.Property{Key: key, Value: gateway.String(text)}
}

// eachChain tells how far a sequence has come, for each device where each has one.
func (x *explainer) eachChain(c gateway.ExplainCheck) {
	q := x.v.def.trigger.sequence
	names := func(list []listener) string {
		var out []string
		for _, l := range list {
			out = append(out, l.event)
		}
		return strings.Join(out, " → ")
	}
	c.Values = gateway.Properties{property("events", names(q.steps)), property("within", x.v.def.trigger.within.String())}
	if len(q.without) > 0 {
		c.Values = append(c.Values, property("without", strings.ReplaceAll(names(q.without), " → ", ", ")))
	}
	if !q.perDev || len(x.c.devices) == 0 {
		x.chain(c, 0)
		return
	}
	for _, d := range x.c.devices {
		with := c
		with.Values = append(gateway.Properties{property("device", d.String())}, c.Values...)
		x.chain(with, d)
	}
}

// chain follows the events as the trigger does.
func (x *explainer) chain(c gateway.ExplainCheck, d gateway.DeviceID) {
	q, within := x.v.def.trigger.sequence, x.v.def.trigger.within
	add := func(key string, v gateway.Value) { c.Values = append(c.Values, gateway.Property{Key: key, Value: v}) }
	c.Result = gateway.CheckFails
	reached := 0
	if s := x.c.sequence(x.v, d); s != nil {
		open, starts := slices.Clone(s.open), s.starts()
		blocked := s.blocked
		for i := range s.recent {
			e := &s.recent[i]
			q.pass(open, e, within)
			if e.blocks {
				blocked = e.at
			}
			if e.fired && starts[i] != never {
				c.Result, c.Until = gateway.CheckHolds, e.at
			}
		}
		for i, start := range open {
			if within.after(start) > x.p.now {
				reached, c.Since = i+1, start
			}
		}
		if c.Result == gateway.CheckFails {
			x.broken(&c, reached, open[0], blocked)
		}
	}
	add("reached", gateway.Int(int64(reached)))
	add("steps", gateway.Int(int64(len(q.steps))))
	if reached > 0 && c.Result != gateway.CheckHolds {
		c.Until = within.after(c.Since)
	}
	add("next", gateway.String(q.steps[reached].event))
	x.add(c)
}

// broken tells why nothing is open: the time was up, or something came in between.
func (x *explainer) broken(c *gateway.ExplainCheck, reached int, first, blocked gateway.Instant) {
	switch {
	case reached > 0:
	case first != never:
		c.Since, c.Reason = first, gateway.ReasonTimedOut
	case blocked != never:
		c.Since, c.Reason = blocked, gateway.ReasonStopped
	}
}

// occasion tells when the customer's next time is, and whether he is meant.
func (x *explainer) occasion(c *gateway.ExplainCheck) {
	p, zone := x.p, x.p.zone(x.c)
	c.Result = gateway.CheckFails
	c.Values = append(c.Values, property("zone", zone.String()))
	var next wall
	var due gateway.Instant
	if o := x.c.occasion(x.j); o != nil {
		next, due = o.next, o.due
		if x.v.times().has(o.last) {
			c.Since = o.last.instant(zone)
		}
	} else if w, ok := x.v.times().from(p.now, zone); ok {
		next, due = w, w.instant(zone)
	}
	if c.Until = due; due != 0 {
		c.Values = append(c.Values, property("next", next.String()))
	}
	where := x.v.def.trigger.schedule.where
	if where == nil {
		return
	}
	s := p.look(x.c, x.v, nil, nil)
	s.device = p.firstDevice(x.c)
	s.product = p.productOf(s.device)
	c.Values = append(c.Values, property("where", where.text))
	c.Values = append(c.Values, x.reads(where, s)...)
	if where.eval(s) != yes {
		c.Reason = gateway.ReasonFiltered
	}
}

// class tells where the customer stands, and what the rule of the segment or
// stage sees.
func (x *explainer) class(c *gateway.ExplainCheck) {
	p, t := x.p, x.v.def.trigger.class
	name, rules := t.segment, []rule(nil)
	if p.classRules != nil {
		if rules = p.classRules.segments; t.stage != "" {
			rules = p.classRules.stages
		}
	}
	if t.stage != "" {
		name = t.stage
	}
	c.Values = append(c.Values, property("name", name))
	if t.leave {
		c.Values = append(c.Values, property("leave", "true"))
	}
	if len(t.from) > 0 {
		c.Values = append(c.Values, property("from", strings.Join(t.from, ", ")))
	}
	k := x.c.class(p)
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if k == nil || i < 0 {
		c.Result = gateway.CheckUnknown
		return
	}
	set := k.segments
	if t.stage != "" {
		set = k.stages
		x.stage(c, k, i)
	}
	if set>>i&1 == 1 {
		c.Values = append(c.Values, property("rule_holds", "true"))
	}
	if r := &rules[i]; r.when != nil {
		c.Values = append(c.Values, property("when", r.when.text))
		c.Values = append(c.Values, x.reads(r.when, p.look(x.c, p.classRules.v, nil, nil))...)
	}
	c.Result = resultOf(t.holds(p.classRules, k))
	if slices.Contains(k.missed, x.j) {
		c.Rule += " pending"
	}
}

// stage tells the present stage, and the one that takes precedence.
func (x *explainer) stage(c *gateway.ExplainCheck, k *class, i int) {
	if n := len(k.visits); n > 0 {
		c.Since = k.visits[n-1].at
		if n > 1 {
			c.Values = append(c.Values, property("before", k.visits[n-2].stage))
		}
	}
	c.Values = append(c.Values, property("now", k.stage()))
	if first := bits.TrailingZeros64(k.stages); first < i {
		c.Values = append(c.Values, property("earlier", x.p.classRules.stages[first].name))
	}
}

// calls tells what else starts the journey, and when a call last did.
func (x *explainer) calls(c *gateway.ExplainCheck) {
	if n := len(x.m.keys); n > 0 {
		c.Since = x.m.keys[n-1].at
	}
	var names []string
	for _, j := range x.p.journeys {
		if j.active != nil && !j.dry() && slices.ContainsFunc(j.active.def.steps, func(s step) bool { return s.kind == stepStart && s.journey == x.j.name }) {
			names = append(names, j.name)
		}
	}
	if len(names) > 0 {
		c.Values = append(c.Values, property("journeys", strings.Join(names, ", ")))
	}
}
