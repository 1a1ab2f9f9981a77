package journey

import (
	"fmt"
	"strings"
)

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// traits reads the traits section.
func (c *compiler) traits(o *object) {
	n := o.get("traits")
	if n == nil {
		return
	}
	all := c.object(n, "traits")
	for _, k := range n.keys {
		t := c.object(all.get(k.name), all.field(k.name))
		spec := traitSpec{name: k.name}
		found := ""
		for _, kind := range []string{"count", "sum", "mean", "min", "max", "first", "last"} {
			if t.get(kind) == nil {
				continue
			}
			if found != "" {
				t.fault(kind, "excludes %s; a trait has one of them", found)
			}
			found, spec.kind = kind, traitNames[kind]
			c.traitSource(t, kind, &spec)
		}
		if found == "" {
			t.fault("count", "is missing; a trait has one of count, sum, mean, min, max, first, last")
		}
		spec.within = t.duration("within")
		if spec.valued() && spec.within == 0 && !t.broken("within") {
			t.fault("within", "is missing; write the length of the window such as 30d")
		}
		spec.perDev = t.choice("per", "customer", "customer", "device") == "device"
		spec.where = c.condition(t, "where", onEvent(spec.event))
		t.finish()
		c.def.traits = append(c.def.traits, spec)
	}
}

// traitSource reads "brew_finished" or, for traits with values,
// "brew_finished.water_ml".
func (c *compiler) traitSource(o *object, key string, spec *traitSpec) {
	source := o.text(key)
	event, property, found := strings.Cut(source, ".")
	spec.event = c.eventName(o, key, event)
	if spec.valued() != found || source == "" {
		if spec.valued() {
			o.fault(key, "needs a property; write %s: brew_finished.water_ml", key)
		} else {
			o.fault(key, "needs an event type alone; write %s: brew_finished", key)
		}
		return
	}
	spec.property = property
	if !found || c.env.Events == nil {
		return
	}
	if problem := c.undeclared(fieldRef{"event", property}, onEvent(event)); problem != "" {
		o.fault(key, "%s", problem)
	}
}

func (c *compiler) trigger(o *object) {
	n := o.get("trigger")
	if n == nil {
		o.fault("trigger", "is missing; write one of %s", strings.Join(triggerNames[1:], ", "))
		return
	}
	t := c.object(n, "trigger")
	tr := &c.def.trigger
	*tr = trigger{trait: -1, unless: -1}
	for kind := triggerEvent; kind < triggerKinds; kind++ {
		name := triggerNames[kind]
		v := t.get(name)
		if v == nil {
			continue
		}
		if tr.kind != 0 {
			t.fault(name, "excludes %s; a journey has one trigger", triggerNames[tr.kind])
			continue
		}
		tr.kind = kind
		c.triggerOf(t, name, v)
	}
	if tr.kind == 0 {
		t.fault("event", "is missing; a trigger is one of %s", strings.Join(triggerNames[1:], ", "))
	}
	if tr.kind == triggerEvent {
		tr.where = c.condition(t, "where", onEvent(tr.event))
	}
	t.finish()
}

func (c *compiler) triggerOf(t *object, name string, v *node) {
	tr := &c.def.trigger
	switch tr.kind {
	case triggerEvent:
		tr.event = c.event(t, name)
	case triggerThreshold:
		c.threshold(c.object(v, "trigger.threshold"))
	case triggerMilestone:
		m := c.object(v, "trigger.milestone")
		tr.event = c.event(m, "event")
		tr.nth = 1
		if f, ok := m.number("nth", 1, 1e9); ok {
			tr.nth = uint32(f)
		}
		spec := traitSpec{name: "count", kind: traitCount, event: tr.event, owner: c.def.Name}
		spec.perDev = m.choice("per", "customer", "customer", "device") == "device"
		spec.where = c.condition(m, "where", onEvent(tr.event))
		m.finish()
		tr.trait = c.ownTrait(m, spec)
	case triggerAbsence:
		a := c.object(v, "trigger.absence")
		tr.event = c.event(a, "event")
		tr.within = c.length(a, "for", "14d")
		spec := traitSpec{kind: traitLast, event: tr.event, owner: c.def.Name, silence: tr.within}
		spec.where = c.condition(a, "where", onEvent(tr.event))
		a.finish()
		tr.trait = c.ownTrait(a, spec)
	case triggerAPI:
		c.object(v, "trigger.api").finish()
	case triggerSequence:
		c.sequence(c.object(v, "trigger.sequence"))
	}
}

func (c *compiler) length(o *object, key, example string) Duration {
	d := o.duration(key)
	if d == 0 && !o.broken(key) {
		o.fault(key, "is missing; write a duration such as %s", example)
	}
	return d
}

func (c *compiler) threshold(o *object) {
	tr := &c.def.trigger
	spec := traitSpec{name: "count", kind: traitCount, owner: c.def.Name}
	if o.get("sum") != nil {
		spec.name, spec.kind = "sum", traitSum
		if o.get("count") != nil {
			o.fault("sum", "excludes count; a threshold has one of them")
		}
	}
	if o.get(spec.name) == nil {
		o.fault("count", "is missing; write count: brew_finished or sum: brew_finished.water_ml")
		return
	}
	c.traitSource(o, spec.name, &spec)
	tr.event = spec.event
	spec.within = c.length(o, "within", "30d")
	tr.within = spec.within
	spec.perDev = o.choice("per", "customer", "customer", "device") == "device"
	spec.where = c.condition(o, "where", onEvent(tr.event))
	c.bound(o, &spec)
	if name := o.text("unless"); name != "" {
		c.eventName(o, "unless", name)
		tr.unless = c.ownTrait(o, traitSpec{kind: traitLast, event: name, perDev: spec.perDev})
	}
	o.finish()
	tr.trait = c.ownTrait(o, spec)
}

// bound reads at_least or every.
func (c *compiler) bound(o *object, spec *traitSpec) {
	tr := &c.def.trigger
	atLeast, hasAtLeast := o.number("at_least", 1e-6, 1e9)
	every, hasEvery := o.number("every", 1e-6, 1e9)
	switch {
	case hasAtLeast && hasEvery:
		o.fault("every", "excludes at_least; every uses up what it counted, at_least does not")
	case !hasAtLeast && !hasEvery && !o.broken("at_least") && !o.broken("every"):
		o.fault("at_least", "is missing; write at_least: 200, or every: 100")
	}
	n := atLeast + every
	tr.every, tr.sum = hasEvery, spec.kind == traitSum
	if spec.kind == traitSum {
		tr.atLeast = toMicros(n)
		return
	}
	if n != float64(int64(n)) || n > maxWindow {
		o.fault("at_least", "a count is a whole number up to %d", maxWindow)
		return
	}
	tr.atLeast, spec.limit = int64(n), int32(n)
}

// ownTrait adds the counter that a trigger watches and returns its index.
func (c *compiler) ownTrait(o *object, spec traitSpec) int {
	if spec.name != "" && c.def.traitIndex(spec.name) >= 0 {
		c.fault(o.n.line, "traits."+spec.name, "is the name of the trigger's own counter; take another one")
	}
	c.def.traits = append(c.def.traits, spec)
	return len(c.def.traits) - 1
}
