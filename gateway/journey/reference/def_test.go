package reference

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// The definitions of the reference: plain values that it reads itself and
// renders for the core.

const (
	minute = gateway.Instant(60_000)
	hour   = 60 * minute
	day    = 24 * hour

	legalBasis = "a recall"
)

// cond is a condition: a comparison of a field with a constant, has(), or a
// combination.
type cond struct {
	op        string // == != < <= > >= has and or not
	root, key string
	val       any // int64, string or bool
	subs      []*cond
}

func (c *cond) cel() string {
	field := c.root + "." + c.key
	if c.key == "" {
		field = c.root
	}
	switch c.op {
	case "and":
		return "(" + c.subs[0].cel() + " && " + c.subs[1].cel() + ")"
	case "or":
		return "(" + c.subs[0].cel() + " || " + c.subs[1].cel() + ")"
	case "not":
		return "!(" + c.subs[0].cel() + ")"
	case "has":
		return "has(" + field + ")"
	case "in":
		return "'" + c.key + "' in customer.segments"
	}
	if s, ok := c.val.(string); ok {
		return fmt.Sprintf("%s %s '%s'", field, c.op, s)
	}
	return fmt.Sprintf("%s %s %v", field, c.op, c.val)
}

type listener struct {
	event string
	where *cond // with event "": the condition alone
}

type traitDef struct {
	name, kind, event, prop string
	where                   *cond
	within                  gateway.Instant
	perDevice               bool
	most                    int64 // of a trigger: it counts no further
}

type triggerDef struct {
	kind      string // event threshold milestone absence silence api sequence segment stage schedule
	event     string
	where     *cond
	sum       string // property; "" counts
	atLeast   int64
	every     bool
	nth       int
	within    gateway.Instant
	unless    string
	perDevice bool
	// A sequence: the events of the chain in their order, none of without in between.
	chain, without []listener
	// Of a segment or stage.
	segment, stage string
	leave          bool
	from           []string
	schedule       *scheduleDef
}

type quietDef struct {
	from, to int // minutes of the day
	days     []int
	channels []string
	discard  bool
}

type armDef struct {
	name    string
	when    *cond
	percent int
	to      string
}

type stepDef struct {
	id   string
	kind string // send wait_for wait_event wait_local branch split set end start_journey stop_journey task
	next string

	channels []string
	expires  gateway.Instant
	quiet    []quietDef
	tags     []string
	context  *gateDef
	fallback gateway.Instant

	length    gateway.Instant
	until     listener
	onTimeout string
	local     int
	days      []int

	arms  []armDef
	attr  string
	value int64
	other string // the journey to start or stop
}

type goalDef struct {
	listener
	within gateway.Instant
}

type journeyDef struct {
	name     string
	version  uint32
	purpose  string
	maxAge   gateway.Instant
	holdout  int // percent, -1 = the project's
	keyBy    string
	traits   []traitDef
	trigger  triggerDef
	filter   *cond
	reentry  string
	gap      gateway.Instant
	exits    []listener
	goal     *goalDef
	obeys    bool
	counts   bool
	quiet    []quietDef
	steps    []stepDef
	priority int
	window   gateway.Instant
	tags     []string
	context  *gateDef
	data     []string
	places   *placesDef
	ramp     *rampDef
	forecast *forecastDef
	text     []byte // as YAML, when it was written already
}

// tagsOf are the journey's tags and the step's.
func (d *journeyDef) tagsOf(s *stepDef) []string { return slices.Concat(d.tags, s.tags) }

// step returns the index of a step, len(steps) for the end.
func (d *journeyDef) step(id string) int {
	for i := range d.steps {
		if d.steps[i].id == id {
			return i
		}
	}
	return len(d.steps)
}

// after returns the index of the step behind i.
func (d *journeyDef) after(i int) int {
	if d.steps[i].next != "" {
		return d.step(d.steps[i].next)
	}
	return i + 1
}

// rule names a listener in a decision.
func (o *listener) rule() string {
	switch {
	case o.where == nil:
		return o.event
	case o.event == "":
		return o.where.cel()
	}
	return o.event + " where " + o.where.cel()
}

// speaks lists the properties of the trigger that a journey's conditions read.
func (d *journeyDef) speaks() (out []string) {
	var look func(c *cond)
	look = func(c *cond) {
		if c == nil {
			return
		}
		if c.root == "trigger" {
			out = append(out, c.key)
		}
		for _, sub := range c.subs {
			look(sub)
		}
	}
	look(d.filter)
	look(d.trigger.where)
	for i := range d.steps {
		for _, a := range d.steps[i].arms {
			look(a.when)
		}
	}
	return out
}

// span writes a length of time.
func span(d gateway.Instant) (out string) {
	for _, unit := range []struct {
		name string
		ms   gateway.Instant
	}{{"d", day}, {"h", hour}, {"m", minute}, {"s", 1000}, {"ms", 1}} {
		if n := d / unit.ms; n > 0 {
			out += fmt.Sprint(int64(n)) + unit.name
			d -= n * unit.ms
		}
	}
	return out
}

// silent reports whether a trigger waits for the end of a silence.
func (t *triggerDef) silent() bool { return t.kind == "absence" || t.kind == "silence" }

// looksAt reports whether a trigger looks at events of a type.
func (t *triggerDef) looksAt(typ string) bool {
	is := func(l listener) bool { return l.event == typ }
	return t.kind != "api" && t.event == typ || slices.ContainsFunc(t.chain, is) || slices.ContainsFunc(t.without, is)
}

// counter is the trait that a trigger counts by.
func (t *triggerDef) counter() (own traitDef, ok bool) {
	own = traitDef{name: "count", kind: "count", event: t.event, where: t.where, within: t.within, perDevice: t.perDevice, most: t.atLeast}
	if t.sum != "" {
		own.name, own.kind, own.prop = "sum", "sum", t.sum
	}
	return own, t.kind == "threshold" || t.kind == "milestone"
}
