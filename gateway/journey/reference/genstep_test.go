package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

func (g gen) steps(d *journeyDef) {
	n := 1 + g.IntN(5)
	kinds := []string{"send", "send", "send", "wait_for", "wait_event", "wait_local", "branch", "split", "set", "end", "start_journey", "stop_journey", "task"}
	for i := range n {
		s := stepDef{id: fmt.Sprint("s", i), kind: pick(g, kinds)}
		if i == 0 && g.chance(40) {
			s.kind = "send"
		}
		if i == 0 && g.chance(8) {
			s.kind = "start_journey"
		}
		if i == n-1 && s.kind == "branch" {
			s.kind = "send"
		}
		forward := func() string { // leads on, never back: no circle
			k := i + 1 + g.IntN(n-i)
			if k >= n {
				return "end"
			}
			return fmt.Sprint("s", k)
		}
		switch s.kind {
		case "send":
			if g.chance(60) {
				s.channels = some(g, channels)
			}
			if g.chance(30) {
				s.expires = g.duration()
			}
			s.quiet = g.quiet(10)
			s.context = g.context(10)
			if s.expires == 0 && len(s.channels) != 1 && g.chance(30) {
				s.fallback = pick(g, []gateway.Instant{10 * minute, hour, 3*hour + 7})
			}
			if g.cases() && len(s.channels) > 0 && g.chance(30) {
				s.channels = append(slices.Clone(s.channels), ofCase)
			}
			if g.chance(15) {
				s.tags = []string{pick(g, tags)}
			}
		case "wait_for":
			s.length = g.duration()
		case "wait_event":
			s.length = g.duration()
			s.until = listener{event: pick(g, eventTypes), where: g.maybe(40, func() *cond { return g.onEvent("event") })}
			if slices.ContainsFunc(d.steps, func(s stepDef) bool { return s.kind == "task" }) && g.chance(60) {
				s.until = listener{event: gateway.EventTaskDone, where: g.maybe(50, func() *cond {
					return &cond{root: "event", key: "outcome", op: "==", val: "yes"}
				})}
			}
			if g.chance(50) {
				s.onTimeout = forward()
			}
		case "wait_local":
			s.local = g.IntN(1440)
			if g.chance(30) {
				s.days = g.days()
			}
		case "branch":
			for range 1 + g.IntN(2) {
				when := g.onState(d)
				if g.chance(25) {
					when = g.onEvent("trigger")
				}
				s.arms = append(s.arms, armDef{when: when, to: forward()})
			}
			if g.chance(40) {
				s.arms = append(s.arms, armDef{to: forward()})
			}
		case "split":
			p := g.IntN(101)
			s.arms = []armDef{{name: "p", percent: p}, {name: "q", percent: 100 - p, to: forward()}}
		case "start_journey", "stop_journey":
			if s.other = pick(g, []string{"j0", "j0", "j1", "j1", "j2", "nothing"}); s.other == d.name {
				s.other = "nothing"
			}
		case "task":
			if g.chance(50) {
				s.length = g.duration()
			}
		case "set":
			s.attr, s.value = pick(g, []string{"vip", "level"}), int64(g.IntN(4))
		}
		if s.kind != "branch" && s.kind != "split" && s.kind != "end" && g.chance(10) {
			s.next = forward()
		}
		d.steps = append(d.steps, s)
	}
}
