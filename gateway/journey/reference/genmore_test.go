package reference

import "slices"

// more makes device states and what a complaint suspends.
func (g gen) more(c *config) {
	c.suspend = 90 * day
	if g.chance(35) {
		c.states = append(c.states, stateDef{name: "busy", from: []string{"on"}, to: []string{"off"}, max: g.duration()})
		if g.chance(40) {
			c.states = append(c.states, stateDef{name: "deep", from: []string{"b"}, to: []string{"off", "a"}, max: g.duration()})
		}
	}
	if g.chance(25) {
		c.uploads = map[string]uploadDef{}
		for _, name := range some(g, []string{"p1", "p2", "p3"}) {
			u := uploadDef{interval: g.duration() + 3*minute + 17}
			if g.chance(40) {
				u.events = some(g, eventTypes)
			}
			c.uploads[name] = u
		}
	}
	if g.chance(35) {
		c.suspend, c.discard = g.duration(), g.chance(25)
	}
}

// cases says whether customers of the world complain.
func (g gen) cases() bool { return g.cfg != nil && g.cfg.suspend < 90*day }

// context is a state of the device that a message waits for, nil for none.
func (g gen) context(percent int) *gateDef {
	if g.cfg == nil || len(g.cfg.states) == 0 || !g.chance(percent) {
		return nil
	}
	return &gateDef{hold: g.chance(50), channels: []string{"product"}, when: &cond{root: "device", key: "state",
		op: pick(g, []string{"==", "==", "!="}), val: pick(g, []string{idle, idle, g.cfg.states[0].name})}}
}

// heardTypes lists the event types that something waits for.
func heardTypes(defs []*journeyDef) (out []string) {
	for _, d := range defs {
		out = append(out, d.trigger.event, d.trigger.event)
		for _, l := range append(d.trigger.chain, d.trigger.without...) {
			out = append(out, l.event)
		}
		if d.goal != nil {
			out = append(out, d.goal.event)
		}
		for i := range d.steps {
			out = append(out, d.steps[i].until.event)
		}
	}
	return slices.DeleteFunc(out, func(name string) bool { return !slices.Contains(eventTypes, name) })
}
