package reference

import (
	"maps"
	"slices"

	"touchpoint/gateway"
)

// Segments and stages: each rule of the installation is looked at when something
// of its own changed.

type ruleDef struct {
	name string
	when *cond // nil: the last stage
}

func (r ruleDef) String() string {
	if r.when == nil {
		return r.name
	}
	return r.name + ": " + r.when.cel()
}

// class is what the rules say of a customer.
type class struct {
	segments map[string]bool
	holds    map[string]bool // stage rules
	stages   []stageVisit
	missed   map[*journey]bool // whose trigger came in a pause
	left     gateway.Instant   // up to here it was noticed what leaves the windows
}

type stageVisit struct {
	stage string
	at    gateway.Instant
}

func (k *class) stage() string {
	if k == nil || len(k.stages) == 0 {
		return ""
	}
	return k.stages[len(k.stages)-1].stage
}

func (w *world) ruled() bool { return len(w.cfg.segments)+len(w.cfg.stages) > 0 }

// reads lists what a condition depends on.
func (c *cond) reads() (out []string) {
	if c == nil {
		return nil
	}
	for _, sub := range c.subs {
		out = append(out, sub.reads()...)
	}
	if c.op == "in" {
		return append(out, "segments")
	}
	return append(out, c.root+"."+c.key)
}

// classify looks at the rules that read something of what changed; nil means
// all of them. e is the event that led here, if any.
func (w *world) classify(c *customer, changed []string, e *event) {
	if !w.ruled() || w.customers[c.id] != c {
		return
	}
	all := changed == nil
	touched := func(r *ruleDef, segmentsMoved bool) bool {
		return all || slices.ContainsFunc(r.when.reads(), func(x string) bool {
			return slices.Contains(changed, x) || segmentsMoved && x == "segments"
		})
	}
	fresh := c.class == nil
	if fresh {
		c.class = &class{segments: map[string]bool{}, holds: map[string]bool{}, missed: map[*journey]bool{}, left: w.now}
	}
	k := c.class
	if at, traits := w.leaving(c, k.left); at != 0 && at <= w.now { // what leaves a window at this instant has left it
		changed, k.left = append(changed, traits...), at
	}
	before, segments := k.stage(), maps.Clone(k.segments)
	see := view{c: c, def: w.rules}
	for i := range w.cfg.segments {
		if r := &w.cfg.segments[i]; touched(r, false) {
			k.segments[r.name] = w.eval(r.when, see) == isTrue
		}
	}
	moved := !maps.Equal(segments, k.segments)
	for i := range w.cfg.stages {
		if r := &w.cfg.stages[i]; touched(r, moved) {
			k.holds[r.name] = r.when == nil || w.eval(r.when, see) == isTrue
		}
	}
	stage := ""
	for i := len(w.cfg.stages) - 1; i >= 0; i-- {
		if k.holds[w.cfg.stages[i].name] {
			stage = w.cfg.stages[i].name
		}
	}
	if stage != before {
		k.stages = append(k.stages, stageVisit{stage, w.now})
	}
	if stage == before && !moved && !fresh {
		return
	}
	w.putOff(c, func() { w.exitsByCondition(c, nil) })
	for _, j := range w.journeys {
		if j.def.trigger.met(segments, k.segments, before, stage) {
			w.classMoved(j, c, e)
		}
	}
}

// met reports whether a change of segments or stage is what a trigger waits for.
func (t *triggerDef) met(before, after map[string]bool, from, to string) bool {
	switch t.kind {
	case "segment":
		return before[t.segment] != after[t.segment] && after[t.segment] != t.leave
	case "stage":
		return from != to && to == t.stage && (t.from == nil || slices.Contains(t.from, from))
	}
	return false
}

func (w *world) classMoved(j *journey, c *customer, e *event) {
	switch j.state {
	case "paused":
		c.class.missed[j] = true
		dec := decision{kind: "entry", reason: "paused", journey: j.def.name, version: j.def.version, customer: c.id}
		if e != nil {
			dec.event, dec.device = e.id, e.device
		}
		w.decide(dec)
	case "published":
		w.putOff(c, func() { w.enterClass(j, c, e) })
	}
}

// enterClass enters by a segment or stage, as the customer stands now.
func (w *world) enterClass(j *journey, c *customer, e *event) {
	t := &j.def.trigger
	k := c.class
	stands := t.kind == "segment" && k.segments[t.segment] != t.leave
	if t.kind == "stage" && k.stage() == t.stage {
		stands = t.from == nil || len(k.stages) > 1 && slices.Contains(t.from, k.stages[len(k.stages)-2].stage)
	}
	if !stands {
		return
	}
	d := w.firstDevice(c)
	if e != nil && e.device != 0 {
		d = e.device
	}
	by := trigger{e: e, device: d}
	if n := len(k.stages); t.kind == "stage" && n > 1 {
		by.saw = map[string]any{"from": k.stages[n-2].stage}
	}
	w.enterNext(j, c, by)
}

func (w *world) firstDevice(c *customer) gateway.DeviceID {
	if devices := w.devicesOf(c); len(devices) > 0 {
		return devices[0]
	}
	return 0
}

// countedByRules lists the traits of the rules that an event moves.
func (w *world) countedByRules(c *customer, e *event) (out []string) {
	for i := range w.cfg.traits {
		if t := &w.cfg.traits[i]; w.counts(c, t, e) {
			out = append(out, "trait."+t.name)
		}
	}
	return out
}

// counts reports whether an event counts for a trait.
func (w *world) counts(c *customer, t *traitDef, e *event) bool {
	if e.typ != t.event || !w.matches(t.where, c, nil, e) {
		return false
	}
	v, ok := e.props[t.prop]
	_, isNumber := v.(int64)
	return t.prop == "" || ok && (isNumber || t.kind == "distinct")
}

// leaving returns when an event leaves the window of a trait of the rules next,
// after a time, and which traits let one go then.
func (w *world) leaving(c *customer, after gateway.Instant) (at gateway.Instant, traits []string) {
	for i := range w.cfg.traits {
		t := &w.cfg.traits[i]
		if t.within == 0 {
			continue
		}
		for k := range c.events {
			e := &c.events[k]
			if !w.counts(c, t, e) {
				continue
			}
			leaves := e.at + t.within
			if g := t.within / 128; !t.exact() {
				leaves = e.at/g*g + t.within
			}
			switch name := "trait." + t.name; {
			case leaves <= after || at != 0 && leaves > at:
			case leaves == at:
				traits = append(traits, name)
			default:
				at, traits = leaves, []string{name}
			}
		}
	}
	return at, traits
}

// windowMoved is the instant at which a window lets an event go.
func (w *world) windowMoved(c *customer) { w.classify(c, []string{}, nil) }

// setAttribute sets an attribute; nil deletes it.
func (w *world) setAttribute(c *customer, key string, v any) {
	old, had := c.attributes[key]
	if c.attributes[key] = v; v == nil {
		delete(c.attributes, key)
	}
	if now, has := c.attributes[key]; has != had || now != old {
		w.classify(c, []string{"customer." + key}, nil)
	}
}
