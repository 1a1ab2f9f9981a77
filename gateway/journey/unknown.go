package journey

import "touchpoint/gateway"

// unknownText stands in a decision for the value of a trait without data.
const unknownText = "unknown"

// traitsRead adds the traits that a condition reads to the values of a decision,
// each once: its value, or "unknown".
func (s *scope) traitsRead(c *condition, values gateway.Properties) gateway.Properties {
	if c == nil {
		return values
	}
	for _, ref := range c.refs {
		key := "trait." + ref.key
		if ref.root != roots[rootTrait] || values.Has(key) {
			continue
		}
		v, ok := s.field(rootTrait, ref.key)
		if !ok {
			v = gateway.String(unknownText)
		}
		values = append(values, gateway.Property{Key: key, Value: v})
	}
	values.Sort()
	return values
}

// readsUnknown reports whether a trait of the decision has no value.
func (en *entry) readsUnknown() bool {
	for i := range en.values {
		if en.values[i].Value.AsString() == unknownText {
			return true
		}
	}
	return false
}

// known reports whether a trait that a counter keeps has a value as of now.
func (p *Partition) known(c *customer, k *counter, spec *traitSpec) bool {
	if spec.form().granular() && spec.kind != traitSlope { // computing it may be dear
		return int64(c.window(k).last) > spec.lastGone(p.now)
	}
	_, ok := p.counterValue(c, k, spec)
	return ok
}

// sayUnknown records, once until it is known, that a threshold cannot be decided
// because the trait that it watches has no value: too few events, or too close.
func (p *Partition) sayUnknown(v *version, c *customer, ev *gateway.Event, k *counter) {
	tr := &v.def.trigger
	spec := &v.def.traits[tr.trait]
	if spec.additive() || spec.kind == traitDistinct {
		return // none is a number, too
	}
	ok, said := p.known(c, k, spec), k.flags&unknown != 0
	if ok != said {
		return
	}
	do(p, flagsChange{counterRef{c.id, v.traits[tr.trait], k.device}, k.flags ^ unknown})
	if !ok {
		p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonUnknownTrait, Customer: c.id, Rule: "trait." + tr.watched,
			Values: gateway.Properties{{Key: "trait." + tr.watched, Value: gateway.String(unknownText)}}}, ev)
	}
}
