package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"touchpoint/gateway"
	core "touchpoint/gateway/journey"
)

// scenario is a random world with what happens in it: plain data, so that a
// failing one can be cut down.
type scenario struct {
	seed       uint64
	partitions int
	wide       bool // nothing that depends on where somebody lives
	cfg        config
	defs       []*journeyDef
	later      []*journeyDef // second versions
	running    []string
	actions    []action
	heard      []string
	like       *core.World // what it compiled is used again; nil: nothing
	seen       seen        // what occurred; nil: nobody asks
}

// action is one thing that happens, gap after the one before or at an edge of
// what is due next.
type action struct {
	kind string
	gap  gateway.Instant
	edge int // 0 = by gap, else 1 ms before, at, 1 ms after the next due time: 1, 2, 3

	customer gateway.CustomerID
	device   gateway.DeviceID
	event    string
	id       string
	seq      uint64
	age      gateway.Instant // how late it is
	props    map[string]any
	journey  int
	text     string // state, purpose, key, zone, field …
	channel  string
	list     []string
	flag     bool
	number   int
	pick     int // which message, which earlier event
	route    int
	quiet    []quietDef
}

const (
	start         = gateway.Instant(1_777_593_600_000) // 2026-05-01 00:00 UTC, a Friday
	lastCustomer  = 3
	lastDevice    = 3
	firstProperty = "x"
)

var (
	eventTypes = []string{"a", "b", "c"}
	tags       = []string{"tip", "ad"}
	channels   = []string{"product", "email", "webhook"}
	zones      = []string{"", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Nowhere/Land"}
)

type gen struct {
	*rand.Rand
	cfg *config
}

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g gen, list []T) T { return list[g.IntN(len(list))] }

// some returns each with even chance, at least one.
func some(g gen, list []string) (out []string) {
	for _, x := range list {
		if g.chance(50) {
			out = append(out, x)
		}
	}
	if out == nil {
		return []string{pick(g, list)}
	}
	return out
}

// duration is between a minute and two days, with an odd rest now and then.
func (g gen) duration() gateway.Instant {
	d := pick(g, []gateway.Instant{minute, 10 * minute, hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day})
	if g.chance(40) {
		d += gateway.Instant(g.IntN(100_000))
	}
	return d
}

func newScenario(seed uint64) *scenario {
	g := gen{Rand: rand.New(rand.NewPCG(seed, 4))}
	s := &scenario{seed: seed, partitions: pick(g, []int{1, 1, 1, 2, 4}), cfg: g.config()}
	g.cfg = &s.cfg
	for i := range 1 + g.IntN(3) {
		s.defs = append(s.defs, g.journey(fmt.Sprint("j", i)))
	}
	if len(s.defs) > 1 && g.chance(6) { // each starts the other one
		s.defs[0].steps[0] = stepDef{id: "s0", kind: "start_journey", other: "j1"}
		s.defs[1].steps[0] = stepDef{id: "s0", kind: "start_journey", other: "j0"}
	}
	for _, d := range s.defs {
		if s.partitions == 1 {
			g.limits(d)
		}
	}
	for i := range s.defs {
		s.later = append(s.later, g.nextVersion(s.defs[i]))
		s.running = append(s.running, pick(g, []string{"pin", "migrate", "restart"}))
	}
	s.heard = heardTypes(s.defs)
	for range 14 + g.IntN(40) {
		s.actions = append(s.actions, g.action(s))
	}
	for _, d := range s.defs {
		if d.trigger.without != nil && g.chance(30) {
			g.blockLate(s, d)
		}
	}
	s.tame()
	return s
}

func (g gen) config() config {
	c := config{zone: pick(g, zones[1:5]), dedup: 8 * day, maxAge: pick(g, []gateway.Instant{hour, 4 * hour}),
		holdout: pick(g, []int{0, 10, 50}), order: some(g, channels), expires: pick(g, []gateway.Instant{6 * hour, day, 3 * day})}
	for i := range pick(g, []int{0, 1, 1, 2}) {
		r := capDef{name: fmt.Sprint("cap", i), max: 1 + g.IntN(2)}
		if g.chance(60) {
			r.per = g.duration()
		} else {
			r.calendar = pick(g, []string{"day", "week", "month"})
		}
		if g.chance(40) {
			r.channels = some(g, channels)
		}
		if g.chance(30) {
			r.purposes = some(g, []string{"service", "marketing"})
		}
		if g.chance(20) {
			r.tags = []string{pick(g, tags)}
		}
		c.caps = append(c.caps, r)
	}
	c.quiet = g.quiet(25)
	if g.chance(35) {
		g.rules(&c)
	}
	g.more(&c)
	return c
}

func (g gen) quiet(percent int) (out []quietDef) {
	for g.chance(percent) && len(out) < 2 {
		q := quietDef{from: g.IntN(1440), to: g.IntN(1440), discard: g.chance(25)}
		if q.to == q.from {
			q.to = (q.from + 60) % 1440
		}
		if g.chance(30) {
			q.days = g.days()
		}
		if g.chance(30) {
			q.channels = some(g, channels)
		}
		out = append(out, q)
	}
	return out
}

func (g gen) days() (out []int) {
	for d := range 7 {
		if g.chance(40) {
			out = append(out, d)
		}
	}
	if out == nil {
		return []int{g.IntN(7)}
	}
	return out
}

// onEvent is a condition on an event's properties.
func (g gen) onEvent(root string) *cond {
	c := &cond{root: root, key: "x", op: pick(g, []string{"==", "!=", "<", "<=", ">", ">="}), val: int64(g.IntN(6))}
	switch g.IntN(6) {
	case 0:
		return &cond{op: "has", root: root, key: pick(g, []string{"x", "s"})}
	case 1:
		return &cond{root: root, key: "s", op: pick(g, []string{"==", "!=", "<"}), val: pick(g, []string{"p", "q"})}
	case 2:
		return &cond{op: pick(g, []string{"and", "or"}), subs: []*cond{c, {root: root, key: "s", op: "==", val: "p"}}}
	case 3:
		return &cond{op: "not", subs: []*cond{c}}
	}
	return c
}

// onState is a condition on the customer's attributes and traits.
func (g gen) onState(d *journeyDef) *cond {
	if g.cfg != nil && g.chance(30) {
		if c := g.onClass(); c != nil {
			return c
		}
	}
	if len(d.traits) > 0 && g.chance(60) {
		t := pick(g, d.traits)
		if (t.kind == "first" || t.kind == "last") && t.prop == "" {
			return &cond{root: "trait", key: t.name, op: pick(g, []string{"<", ">="}), val: int64(start) + int64(g.IntN(3*int(day)))}
		}
		return &cond{root: "trait", key: t.name, op: pick(g, []string{"==", "<", ">="}), val: int64(g.IntN(6))}
	}
	c := &cond{root: "customer", key: pick(g, []string{"vip", "level"}), op: pick(g, []string{"==", ">=", "!="}), val: int64(g.IntN(4))}
	if g.chance(20) {
		return &cond{op: "and", subs: []*cond{{op: "has", root: "customer", key: c.key}, c}}
	}
	return c
}

func (g gen) maybe(percent int, c func() *cond) *cond {
	if g.chance(percent) {
		return c()
	}
	return nil
}

func (g gen) journey(name string) *journeyDef {
	d := &journeyDef{name: name, version: 1, purpose: pick(g, []string{"service", "service", "service", "marketing", "marketing", "safety"}), holdout: -1, obeys: true, counts: true}
	d.obeys = d.purpose != "safety"
	if g.chance(15) {
		d.obeys = !d.obeys
	}
	if g.chance(15) {
		d.counts = false
	}
	if g.cases() && g.chance(50) {
		d.purpose = "marketing"
	}
	if g.chance(20) {
		d.holdout = pick(g, []int{0, 50, 100})
	}
	if g.chance(30) {
		d.maxAge = g.duration()
	}
	for i := range g.IntN(4) {
		d.traits = append(d.traits, g.trait(fmt.Sprint("t", i)))
	}
	d.trigger = g.trigger()
	if d.trigger.silent() {
		d.trigger.within += gateway.Instant(name[1]) // never two at the same instant
	}
	d.filter = g.maybe(20, func() *cond {
		if slices.Contains([]string{"event", "threshold", "milestone"}, d.trigger.kind) && g.chance(30) {
			return g.onEvent(pick(g, []string{"event", "trigger"}))
		}
		return g.onState(d)
	})
	switch d.reentry = pick(g, []string{"", "once", "after_exit", "after_exit", "after_exit_and_gap", "concurrent_per_key", "concurrent_per_key"}); d.reentry {
	case "after_exit_and_gap":
		d.gap = g.duration()
	case "concurrent_per_key":
		d.keyBy = pick(g, []string{"device", "event.x"})
		if !slices.Contains([]string{"event", "threshold", "milestone", "sequence", "api"}, d.trigger.kind) {
			d.keyBy = "device" // no event starts it
		}
	}
	for range g.IntN(3) {
		if g.chance(40) {
			d.exits = append(d.exits, listener{where: g.onState(d)})
		} else {
			d.exits = append(d.exits, listener{event: pick(g, eventTypes), where: g.maybe(50, func() *cond { return g.onEvent("event") })})
		}
	}
	if g.chance(40) {
		d.goal = &goalDef{listener{event: pick(g, eventTypes), where: g.maybe(50, func() *cond { return g.onEvent("event") })}, g.duration()}
	}
	d.quiet = g.quiet(12)
	if g.chance(50) {
		d.priority = g.IntN(3) - 1
	}
	if g.chance(20) {
		d.window = g.duration()
	}
	if g.chance(20) {
		d.tags = some(g, tags)
	}
	d.context = g.context(30)
	if g.chance(15) {
		d.data = []string{"customer", "usage"}
	}
	g.steps(d)
	return d
}

func (g gen) trait(name string) traitDef {
	t := traitDef{name: name, kind: pick(g, []string{"count", "count", "sum", "mean", "min", "max", "first", "last", "last", "distinct", "p50", "p90", "slope"}),
		event: pick(g, eventTypes), perDevice: g.chance(20)}
	t.where = g.maybe(30, func() *cond { return g.onEvent("event") })
	switch t.kind {
	case "count":
		if g.chance(60) {
			t.within = g.duration()
		}
	case "sum", "mean", "min", "max", "p50", "p90", "slope":
		t.prop, t.within = "x", g.duration()
	case "distinct":
		t.prop = pick(g, []string{"x", "s"})
		if g.chance(60) {
			t.within = g.duration()
		}
	case "first", "last":
		if g.chance(50) {
			t.prop = "x"
		}
		if t.kind == "last" && g.chance(50) {
			t.within = g.duration()
		}
	}
	return t
}

func (g gen) trigger() triggerDef {
	t := triggerDef{kind: pick(g, []string{"event", "event", "threshold", "threshold", "milestone", "absence", "silence", "api", "sequence", "sequence", "schedule"}), event: pick(g, eventTypes)}
	if g.cfg != nil && len(g.cfg.segments)+len(g.cfg.stages) > 0 && g.chance(40) {
		return g.classTrigger()
	}
	t.where = g.maybe(20, func() *cond { return g.onEvent("event") })
	switch t.kind {
	case "threshold":
		t.within, t.atLeast, t.every = g.duration(), int64(1+g.IntN(3)), g.chance(30)
		t.perDevice = g.chance(25)
		if g.chance(30) {
			t.sum, t.atLeast = "x", int64(1+g.IntN(8))
		}
		if g.chance(25) {
			t.unless = pick(g, eventTypes)
			if t.unless == t.event {
				t.unless = ""
			}
		}
	case "milestone":
		t.nth, t.perDevice = 1+g.IntN(3), g.chance(25)
	case "absence", "silence":
		t.within = g.duration() + 7*minute + 13 // never at the same instant as a wait
		if t.kind == "silence" && g.chance(50) {
			t.event, t.where = "", nil
		}
	case "api":
		t.event, t.where = "", nil
	case "schedule":
		t.event, t.where, t.schedule = "", nil, g.schedule()
		t.where = g.maybe(30, func() *cond { return g.onState(&journeyDef{}) })
	case "sequence":
		t.event, t.where, t.within, t.perDevice = "", nil, g.duration(), g.chance(30)
		part := func() listener {
			return listener{event: pick(g, eventTypes), where: g.maybe(30, func() *cond { return g.onEvent("event") })}
		}
		for range pick(g, []int{2, 2, 2, 3, 4}) {
			t.chain = append(t.chain, part())
		}
		for g.chance(40) && len(t.without) < 2 {
			t.without = append(t.without, part())
		}
	}
	return t
}

// nextVersion changes lengths, the filter and the holdout, never what is counted.
func (g gen) nextVersion(d *journeyDef) *journeyDef {
	n := *d
	n.version = 2
	n.steps = append([]stepDef(nil), d.steps...)
	for i := range n.steps {
		s := &n.steps[i]
		switch s.kind {
		case "wait_for", "wait_event":
			s.length = g.duration()
		case "wait_local":
			s.local = g.IntN(1440)
		case "send":
			if s.fallback == 0 {
				s.channels = some(g, channels)
			}
		}
	}
	if d.trigger.silent() || d.trigger.kind == "api" {
		n.filter = g.maybe(25, func() *cond { return g.onState(d) })
	}
	if d.trigger.kind != "sequence" {
		n.maxAge = d.maxAge + hour
	}
	return &n
}
