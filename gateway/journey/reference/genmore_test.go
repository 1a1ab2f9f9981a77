package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

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

// blocking lists what may not come in between.
func (s *scenario) blocking() (out []listener) {
	for _, d := range s.defs {
		out = append(out, d.trigger.without...)
	}
	return out
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

// blockLate completes a sequence, and then tells of what came in between.
func (g gen) blockLate(s *scenario, d *journeyDef) {
	var list []action
	add := func(l listener, gap, age gateway.Instant) {
		a := action{kind: "event", customer: 1, device: 1, event: l.event, gap: gap, age: age, route: g.IntN(s.partitions)}
		a.id = fmt.Sprint("q", d.name, len(list))
		for range 20 {
			a.props = map[string]any{"x": int64(g.IntN(6)), "s": pick(g, []string{"p", "q"})}
			if (&world{}).matches(l.where, nil, d, &event{props: a.props}) {
				break
			}
		}
		list = append(list, a)
	}
	for _, l := range d.trigger.chain {
		add(l, minute+gateway.Instant(g.IntN(int(10*minute))), 0)
	}
	add(pick(g, d.trigger.without), 0, 1+gateway.Instant(g.IntN(int(10*minute))))
	s.actions = slices.Insert(s.actions, 6+g.IntN(len(s.actions)-6), list...)
}
