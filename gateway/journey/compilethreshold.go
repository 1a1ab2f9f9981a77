package journey

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// level is the bound of a threshold on another trait than a count or a sum.
type level struct {
	kind  string // of levelKinds
	value float64
}

var levelKinds = []string{"above", "below", "at_least", "at_most"}

// holds reports whether a trait's value, which is a number, has reached the
// bound.
func (t *trigger) holds(v gateway.Value) bool {
	f, _ := v.AsFloat()
	switch l := t.level; l.kind {
	case "above":
		return f > l.value
	case "below":
		return f < l.value
	case "at_least":
		return f >= l.value
	}
	return f <= t.level.value
}

// threshold reads trigger.threshold: a count or sum with at_least or every,
// another trait (or one of the traits section, by name) with a level.
func (c *compiler) threshold(o *object) {
	tr := &c.def.trigger
	spec, ok := c.watched(o)
	if !ok {
		return
	}
	tr.event, tr.within = spec.event, spec.within
	if spec.additive() {
		if spec.within == 0 {
			o.fault("within", "is missing; write a duration such as 30d")
		}
		c.bound(o, &spec)
	} else {
		c.level(o)
	}
	if name := o.text("unless"); name != "" {
		c.eventName(o, "unless", name)
		if name == spec.event {
			o.fault("unless", "is the event that is counted, which would always prevent it")
		}
		if spec.within == 0 && !o.broken("within") {
			o.fault("unless", "needs a window; add within: 30d")
		}
		tr.unless = c.ownTrait(o, traitSpec{kind: traitLast, event: name, perDev: spec.perDev})
	}
	o.finish()
	tr.trait = c.ownTrait(o, spec)
}

// watched reads what a threshold looks at. It has a counter of its own, which
// carries the latch.
func (c *compiler) watched(o *object) (spec traitSpec, ok bool) {
	name := o.text("trait")
	if name != "" {
		i := c.traitNamed(name)
		if i < 0 {
			c.noTrait(o, name)
			return spec, false
		}
		spec = c.def.traits[i]
		spec.name = ""
		o.without("trait", append([]string{"within", "where", "per"}, traitKinds...)...)
	} else {
		kind := c.traitKind(o, &spec)
		if kind == "" {
			c.watchesNothing(o)
			return spec, false
		}
		spec.name = kind
		name = kind
		c.traitWindow(o, &spec)
	}
	spec.owner, c.def.trigger.watched = c.def.Name, name
	if spec.kind == traitFirst || spec.kind == traitLast && spec.property == "" {
		o.fault(name, "is no trait to compare with a bound; use count, sum, mean, min, max, last with a property, slope, distinct or p90")
		return spec, false
	}
	return spec, true
}

// noTrait says that a threshold names no trait.
func (c *compiler) noTrait(o *object, name string) {
	names := c.traitNames()
	switch s := closest(name, names); {
	case c.untoldTraits:
		o.fault("trait", "%q cannot be read from traits, which are at fault themselves", name)
	case s != "":
		o.fault("trait", "%q is none of the traits; did you mean %q?", name, s)
	case len(names) == 0:
		o.fault("trait", "%q is none of the traits; declare it under traits", name)
	default:
		o.fault("trait", "%q is none of the traits; declare it under traits, or name one of %s", name, strings.Join(names, ", "))
	}
}

// watchesNothing says that a threshold lacks what it looks at.
func (c *compiler) watchesNothing(o *object) {
	for _, key := range append([]string{"within", "where", "per", "unless", "every"}, levelKinds...) {
		o.get(key)
	}
	if o.finish(); !o.strange() && !o.broken("trait") {
		o.fault("count", "is missing; write count: brew_finished or sum: brew_finished.water_ml, or trait: with the name of a trait")
	}
}

// level reads one of above, below, at_least, at_most.
func (c *compiler) level(o *object) {
	tr := &c.def.trigger
	for _, kind := range levelKinds {
		v, ok := o.number(kind, -1e12, 1e12)
		if !ok {
			continue
		}
		if tr.level.kind != "" {
			o.fault(kind, "excludes %s; a threshold has one bound", tr.level.kind)
		}
		tr.level = level{kind, v}
	}
	if o.has("every") {
		o.fault("every", "goes with a count or a sum only; write above: 96, or below, at_least, at_most")
	} else if tr.level.kind == "" && !slices.ContainsFunc(levelKinds, o.broken) {
		o.fault("above", "is missing; write above: 96, or below, at_least, at_most")
	}
}

// bound reads at_least or every.
func (c *compiler) bound(o *object, spec *traitSpec) {
	tr := &c.def.trigger
	key := "at_least"
	hasAtLeast := o.get(key) != nil
	tr.sum, tr.every = spec.kind == traitSum, o.get("every") != nil
	switch {
	case hasAtLeast && tr.every:
		o.fault("every", "excludes at_least; every uses up what it counted, at_least does not")
	case tr.every:
		key = "every"
	case !hasAtLeast:
		o.fault(key, "is missing; write at_least: 200, or every: 100")
	}
	for _, other := range []string{"above", "below", "at_most"} {
		if o.has(other) {
			o.found(key)
			o.fault(other, "does not go with a count or a sum; write at_least or every")
		}
	}
	if tr.sum {
		n, _ := o.number(key, 1e-6, 1e9)
		tr.atLeast = toMicros(n)
		return
	}
	n, _ := o.whole(key, 1, maxWindow)
	tr.atLeast, spec.limit = n, int32(n)
}
