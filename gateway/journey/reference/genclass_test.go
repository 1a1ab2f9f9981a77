package reference

import (
	"fmt"

	"touchpoint/gateway"
)

// rules makes traits, segments and stages of the installation.
func (g gen) rules(c *config) {
	for i := range 1 + g.IntN(2) {
		t := g.trait(fmt.Sprint("r", i))
		t.perDevice = false
		c.traits = append(c.traits, t)
	}
	def := &journeyDef{traits: c.traits}
	for i := range g.IntN(3) {
		c.segments = append(c.segments, ruleDef{fmt.Sprint("g", i), g.onState(def)})
	}
	if g.chance(70) || c.segments == nil {
		for i := range 1 + g.IntN(3) {
			when := g.onState(def)
			if len(c.segments) > 0 && g.chance(30) {
				when = &cond{op: "and", subs: []*cond{{op: "in", key: pick(g, c.segments).name}, when}}
			}
			c.stages = append(c.stages, ruleDef{fmt.Sprint("s", i), when})
		}
		c.stages = append(c.stages, ruleDef{name: "rest"})
	}
}

// onClass is a condition on segment or stage, nil when there are no rules.
func (g gen) onClass() *cond {
	switch {
	case len(g.cfg.segments) > 0 && g.chance(50):
		return &cond{op: "in", key: pick(g, g.cfg.segments).name}
	case len(g.cfg.stages) > 0:
		return &cond{root: "customer", key: "stage", op: pick(g, []string{"==", "!="}), val: pick(g, g.cfg.stages).name}
	}
	return nil
}

func (g gen) classTrigger() (t triggerDef) {
	if len(g.cfg.segments) > 0 && g.chance(50) {
		return triggerDef{kind: "segment", segment: pick(g, g.cfg.segments).name, leave: g.chance(30)}
	}
	if len(g.cfg.stages) == 0 {
		return triggerDef{kind: "segment", segment: g.cfg.segments[0].name}
	}
	t = triggerDef{kind: "stage", stage: pick(g, g.cfg.stages).name}
	if from := pick(g, g.cfg.stages).name; from != t.stage && g.chance(40) {
		t.from = []string{from}
	}
	return t
}

// schedule is a rule that happens now and then in the days that a world lives.
func (g gen) schedule() *scheduleDef {
	s := &scheduleDef{freq: pick(g, []string{"HOURLY", "DAILY", "DAILY", "WEEKLY", "MONTHLY"}), interval: 1}
	s.from = wall(start/60_000) + wall(g.IntN(5*1440)-3*1440)
	switch s.freq {
	case "HOURLY":
		s.interval = 3 + g.IntN(20)
	case "DAILY":
		s.interval = 1 + g.IntN(2)
		if g.chance(30) {
			s.hours = []int{g.IntN(12), 12 + g.IntN(12)}
		}
		if g.chance(20) {
			s.days = g.days()
			s.interval = 1
		}
	case "WEEKLY":
		s.interval = 1 + g.IntN(2)
		if g.chance(70) {
			s.days = g.days()
		}
	case "MONTHLY":
		s.date = 1 + g.IntN(9)
	}
	if g.chance(25) {
		s.count = 1 + g.IntN(4)
	} else if g.chance(25) && s.freq != "MONTHLY" && s.freq != "WEEKLY" {
		s.until = s.from + wall(8*1440+g.IntN(2*1440))
	}
	s.text = s.rule()
	return s
}

// tame keeps to what is exact: a sequence of three and more steps may miss what
// comes later than its journey acts on.
func (s *scenario) tame() {
	limit := gateway.Instant(0)
	for _, d := range s.defs {
		age := d.maxAge
		if age == 0 {
			age = s.cfg.maxAge
		}
		if len(d.trigger.chain) > 2 && (limit == 0 || age < limit) {
			limit = age
		}
	}
	for i := range s.actions {
		if a := &s.actions[i]; limit > 0 && a.kind == "event" {
			a.age = min(a.age, limit)
		}
	}
}
