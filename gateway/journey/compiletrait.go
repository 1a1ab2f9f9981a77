package journey

import (
	"slices"
	"strconv"
	"strings"
)

// traitKinds are the keys that say what a trait computes, in the order in which
// a definition's errors list them; percentiles are written p1 … p99.
var traitKinds = []string{"count", "sum", "mean", "min", "max", "first", "last", "slope", "distinct"}

// traits reads the traits section.
func (c *compiler) traits(o *object) {
	n := o.get("traits")
	if n == nil {
		c.untoldTraits = slices.ContainsFunc(o.n.keys, func(k nodeKey) bool { return closest(k.name, []string{"traits"}) != "" })
		return
	}
	all := c.object(n, "traits")
	c.untoldTraits = all.lost
	for _, k := range n.keys {
		t := c.object(all.get(k.name), all.field(k.name))
		spec := traitSpec{name: k.name}
		kind := c.traitKind(t, &spec)
		c.traitWindow(t, &spec)
		t.finish()
		if kind == "" && !t.strange() {
			t.fault("count", "is missing; a trait has one of %s, p90", strings.Join(traitKinds, ", "))
		}
		c.shadows(all, &spec)
		c.def.traits = append(c.def.traits, spec)
	}
}

// traitKind reads the key that says what is computed, and of what.
func (c *compiler) traitKind(o *object, spec *traitSpec) (found string) {
	for _, kind := range slices.Concat(traitKinds, percentileKeys(o)) {
		if o.get(kind) == nil {
			continue
		}
		if found != "" {
			o.fault(kind, "excludes %s; a trait has one of them", found)
		}
		found, spec.kind = kind, traitNames[kind]
		if spec.kind == 0 {
			spec.kind, spec.percent = traitPercentile, percentOf(kind)
		}
		c.traitSource(o, kind, spec)
	}
	return found
}

// traitKindName reports whether a trigger's own counter may have the name.
func traitKindName(name string) bool {
	return traitNames[name] != 0 || percentOf(name) > 0
}

// percentOf is the number of p1 … p99, 0 of any other name.
func percentOf(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "p"))
	if n < 1 || n > 99 || name != "p"+strconv.Itoa(n) {
		return 0
	}
	return n
}

// percentileKeys lists the keys p1 … p99 that an object has; p90 stands for all
// of them where a fault lists what is allowed.
func percentileKeys(o *object) []string {
	keys := []string{"p90"}
	for _, k := range o.n.keys {
		if percentOf(k.name) > 0 && k.name != "p90" {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// traitWindow reads within, per and where.
func (c *compiler) traitWindow(o *object, spec *traitSpec) {
	spec.within = o.duration("within")
	switch spec.kind {
	case traitSum, traitMean, traitMin, traitMax, traitSlope, traitPercentile:
		if spec.within == 0 {
			o.fault("within", "is missing; write the length of the window such as 30d")
		}
	case traitFirst:
		if spec.within != 0 {
			o.fault("within", "does not go with first, which is the first ever")
		}
	}
	spec.perDev = o.choice("per", "customer", "customer", "device") == "device"
	spec.where = c.condition(o, "where", onEvent(spec.event))
}

// traitSource reads "brew_finished" or, for traits of values,
// "brew_finished.water_ml".
func (c *compiler) traitSource(o *object, key string, spec *traitSpec) {
	source := o.text(key)
	event, property, found := strings.Cut(source, ".")
	spec.event = c.eventName(o, key, event)
	either := spec.kind == traitFirst || spec.kind == traitLast // of an event its time, of a property its value
	if wanted := spec.kind != traitCount; !either && wanted != found || source == "" {
		if event == "" {
			event = "brew_finished"
		}
		if wanted && !either {
			o.fault(key, "needs a property of the event; write %s: %s.water_ml", key, event)
		} else {
			o.fault(key, "needs an event type alone; write %s: %s", key, event)
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
