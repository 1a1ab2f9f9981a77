package reference

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

type truth int

const (
	isFalse truth = iota
	isTrue
	unknown
)

// view is what a condition sees.
type view struct {
	c       *customer
	def     *journeyDef
	r       *run
	e       *event
	device  gateway.DeviceID
	product string
}

// matches evaluates a condition before an enrollment: what is unknown does not hold.
func (w *world) matches(c *cond, who *customer, def *journeyDef, e *event) bool {
	v := view{c: who, def: def, e: e}
	if e != nil {
		v.device, v.product = e.device, e.product
	}
	return c == nil || w.eval(c, v) == isTrue
}

// matchesRun evaluates a condition of an enrollment.
func (w *world) matchesRun(c *cond, r *run, e *event) bool {
	v := view{c: r.c, def: r.def, r: r, e: e, device: r.device, product: r.product}
	if e != nil {
		v.device, v.product = e.device, e.product
	}
	return c == nil || w.eval(c, v) == isTrue
}

// eval follows CEL: a false side settles an and, a true side an or, whatever
// the other is.
func (w *world) eval(c *cond, v view) truth {
	switch c.op {
	case "and", "or":
		settles := map[string]truth{"and": isFalse, "or": isTrue}[c.op]
		a, b := w.eval(c.subs[0], v), w.eval(c.subs[1], v)
		switch {
		case a == settles || b == settles:
			return settles
		case a == unknown || b == unknown:
			return unknown
		}
		return truth(1 - int(settles))
	case "not":
		if t := w.eval(c.subs[0], v); t != unknown {
			return 1 - t
		}
		return unknown
	}
	if c.op == "in" {
		if v.c == nil || v.c.class == nil {
			return unknown
		}
		if v.c.class.segments[c.key] {
			return isTrue
		}
		return isFalse
	}
	x, ok := w.look(c, v)
	if c.op == "has" {
		if ok {
			return isTrue
		}
		return isFalse
	}
	if !ok {
		return unknown
	}
	return compareWith(x, c.op, c.val)
}

// compareWith compares numbers with numbers and texts with texts; unlike kinds
// are not equal and have no order.
func compareWith(x any, op string, y any) truth {
	order, same := 0, false
	switch a := x.(type) {
	case bool:
		b, ok := y.(bool)
		same = ok
		if a != b {
			order = 1
		}
	case string:
		b, ok := y.(string)
		same = ok
		switch {
		case a < b:
			order = -1
		case a > b:
			order = 1
		}
	default:
		f, okX := number(x)
		g, okY := number(y)
		same = okX && okY
		switch {
		case f < g:
			order = -1
		case f > g:
			order = 1
		}
	}
	var holds bool
	switch op {
	case "==":
		holds = same && order == 0
	case "!=":
		holds = !same || order != 0
	default:
		if !same {
			return unknown
		}
		holds = map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[op]
	}
	if holds {
		return isTrue
	}
	return isFalse
}

func number(x any) (float64, bool) {
	switch n := x.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func (w *world) look(c *cond, v view) (any, bool) {
	switch c.root {
	case "event":
		if v.e == nil {
			return nil, false
		}
		x, ok := v.e.props[c.key]
		return x, ok
	case "trigger":
		props := map[string]any(nil)
		if v.r != nil {
			props = v.r.props
		} else if v.e != nil {
			props = v.e.props
		}
		x, ok := props[c.key]
		return x, ok
	case "customer":
		if v.c == nil {
			return nil, false
		}
		if c.key == "stage" {
			return v.c.class.stage(), v.c.class != nil && len(w.cfg.stages) > 0
		}
		x, ok := v.c.attributes[c.key]
		return x, ok
	case "trait":
		if v.c == nil || v.def == nil {
			return nil, false
		}
		return w.trait(v.c, v.def, v.device, c.key)
	case "device":
		state, _ := w.stateOf(v.device)
		return state, state != ""
	case "product":
		return v.product, true
	case "arm":
		if v.r == nil {
			return "", true
		}
		if v.r.splitArm != "" {
			return v.r.splitArm, true
		}
		return v.r.arm, true
	}
	return nil, false
}

// trait computes a trait from the list of events.
func (w *world) trait(c *customer, def *journeyDef, d gateway.DeviceID, name string) (any, bool) {
	for i := range def.traits {
		if t := &def.traits[i]; t.name == name {
			since := 0
			if j := w.journey(def.name); j != nil {
				since = j.since
			}
			return w.traitOf(c, since, t, d)
		}
	}
	return nil, false
}

func (w *world) journey(name string) *journey {
	for _, j := range w.journeys {
		if j.def.name == name {
			return j
		}
	}
	return nil
}

func (w *world) traitOf(c *customer, since int, t *traitDef, d gateway.DeviceID) (any, bool) {
	var all, inside []sample
	for i := range c.events {
		e := &c.events[i]
		if e.serial <= since || e.typ != t.event || t.perDevice && e.device != d || !w.matches(t.where, c, nil, e) {
			continue
		}
		x := sample{at: e.at}
		if t.prop != "" {
			v, ok := e.props[t.prop]
			n, isNumber := v.(int64)
			if !ok || !isNumber && t.kind != "distinct" {
				continue // missing is not zero
			}
			x.value, x.text = n, show(v)
		}
		all = append(all, x)
		if t.within == 0 || w.inWindow(t, e.at) {
			inside = append(inside, x)
		}
	}
	slices.SortFunc(all, func(a, b sample) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) })
	slices.SortFunc(inside, func(a, b sample) int { return cmp.Compare(a.value, b.value) })
	switch {
	case t.kind == "count":
		return int64(len(inside)), true
	case t.kind == "distinct":
		different := map[string]bool{}
		for _, x := range inside {
			different[x.text] = true
		}
		return int64(len(different)), true
	case len(all) == 0:
		return nil, false
	}
	first, last := all[0], all[len(all)-1]
	switch t.kind {
	case "first":
		if t.prop != "" {
			return float64(first.value), true
		}
		return int64(first.at), true
	case "last":
		known := t.within == 0 || last.at > w.now-t.within
		if t.prop != "" {
			return float64(last.value), known
		}
		return int64(last.at), known
	case "sum":
		return float64(total(inside)), true
	}
	if len(inside) == 0 {
		return nil, false
	}
	switch t.kind {
	case "min":
		return float64(inside[0].value), true
	case "max":
		return float64(inside[len(inside)-1].value), true
	case "p50":
		return float64(inside[(len(inside)+1)/2-1].value), true
	case "p90":
		return float64(inside[(len(inside)*90+99)/100-1].value), true
	case "slope":
		return slope(t, inside)
	}
	return float64(total(inside)) / float64(len(inside)), true
}

// sample is one value of a trait.
type sample struct {
	at    gateway.Instant
	value int64
	text  string
}

func total(list []sample) (sum int64) {
	for _, x := range list {
		sum += x.value
	}
	return sum
}

// inWindow: counts, sums and last go by the exact time, the others by whole
// granules of 1/128 of the window.
func (w *world) inWindow(t *traitDef, at gateway.Instant) bool {
	if t.exact() {
		return at > w.now-t.within
	}
	granule := t.within / 128
	return at/granule > (w.now-t.within)/granule
}

// exact: counts, sums and last go by the exact time.
func (t *traitDef) exact() bool {
	return slices.Contains([]string{"count", "sum", "first", "last"}, t.kind)
}

// seeTraits notes the traits that a condition reads; it reports whether one has
// no data.
func (w *world) seeTraits(dec *decision, c *cond, who *customer, def *journeyDef, d gateway.DeviceID) (missing bool) {
	if c.root == "trait" {
		v, known := w.trait(who, def, d, c.key)
		if !known {
			v = "unknown"
		}
		dec.see("trait."+c.key, v)
		return !known
	}
	for _, sub := range c.subs {
		missing = w.seeTraits(dec, sub, who, def, d) || missing
	}
	return missing
}

// show writes a value as a correlation key.
func show(v any) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}

// slope is the line of least squares over time, in units per day; the events of
// one granule count with their mean time and value.
func slope(t *traitDef, inside []sample) (any, bool) {
	granules := map[gateway.Instant][]sample{}
	for _, x := range inside {
		g := x.at / (t.within / 128)
		granules[g] = append(granules[g], x)
	}
	if len(granules) < 2 {
		return nil, false
	}
	var n, time, value float64
	type point struct{ n, time, value float64 }
	var points []point
	for _, list := range granules {
		p := point{n: float64(len(list))}
		for _, x := range list {
			p.time += float64(x.at-start) / float64(day) / p.n
			p.value += float64(x.value) / p.n
		}
		points = append(points, p)
		n, time, value = n+p.n, time+p.n*p.time, value+p.n*p.value
	}
	var up, down float64
	for _, p := range points {
		up += p.n * (p.time - time/n) * (p.value - value/n)
		down += p.n * (p.time - time/n) * (p.time - time/n)
	}
	return up / down, down > 0
}
