package journey

import (
	"regexp"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// Env declares what a definition may refer to.
type Env struct {
	// Events are the declared event types; nil means that any is allowed.
	Events map[string]EventType
	// Channels are those that the installation can send on; nil means any.
	Channels []string
	// Segments and Stages are those that the installation's rules declare; nil
	// means any.
	Segments, Stages []string
	// Traits are those that the installation's rules declare: a definition may
	// name them; see Standalone.
	Traits map[string]map[string]any
	// CheckTemplate checks the text of a template (its syntax and that it uses
	// the named values only); nil means no check.
	CheckTemplate func(text string, values []string) error
	// Categories maps an event type, or a property of it ("brew_finished" or
	// "brew_finished.water_ml"), to its data category.
	Categories map[string]string
	// Displays are what the models can show.
	Displays []Display
	// Trace hears which keys exist in each map of the definition, for tools that
	// compare a description of the language with it; nil means nobody listens.
	Trace func(path string, keys []string)
}

// EventType declares the properties of an event type.
type EventType struct {
	// Properties maps a name to "int", "float", "bool" or "string"; nil means that
	// any is allowed.
	Properties map[string]string
}

// compiler turns the tree of a text into a Definition.
type compiler struct {
	reader
	env Env
	def *Definition
	// targets remembers the places that name a step, resolved at the end.
	targets []target
	// read are the fields with a data category that conditions and texts use.
	read []fieldUse
	// untold says that the trigger is faulty, triggerLine where it stands: what it
	// declares for the rest of the definition is not known then.
	untold      bool
	triggerLine int
	lines       map[string]int // by step and field: where texts stand
	// untoldTraits says that the traits cannot be read.
	untoldTraits bool
}

type target struct {
	name, step, field string
	line              int
	to                *int
}

// maxWord is how long a name may be.
const maxWord = 63

var wordPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// Compile checks a definition and makes it ready to run. All faults of the text
// are reported together, each with step, field, line and what is allowed.
func Compile(yaml []byte, env Env) (*Definition, error) {
	root, err := parseYAML(yaml)
	if err != nil {
		return nil, err
	}
	return compileTree(root, env)
}

func compileTree(root *node, env Env) (*Definition, error) {
	c := &compiler{reader: reader{trace: env.Trace}, env: env, def: &Definition{Templates: map[string]map[string]Template{}, holdout: -1}}
	c.definition(c.object(root, ""))
	if len(c.violations) > 0 {
		slices.SortStableFunc(c.violations, func(a, b gateway.Violation) int { return compare(a.Line, b.Line) })
		return nil, &gateway.Error{Kind: gateway.Invalid, Violations: c.violations}
	}
	return c.def, nil
}

func (c *compiler) definition(o *object) {
	d := c.def
	d.Name = o.required("name", "write a short name such as descaling")
	if d.Name != "" {
		o.word("name", d.Name)
	}
	d.Purpose = gateway.Purpose(o.choice("purpose", "", "service", "marketing", "safety"))
	if d.Purpose == "" {
		o.fault("purpose", "is missing; write service, marketing or safety: it decides the consent that is needed")
	}
	o.text("description")
	d.maxAge = o.duration("max_event_age")
	if v, ok := o.share("holdout"); ok {
		d.holdout = v
	}
	o.text("holdout_reason") // for those who read the definition
	c.limits(o)
	c.traits(o)
	c.trigger(o)
	c.correlation(o)
	d.filter = c.condition(o, "filter", eventAtHand{d.trigger.event, c.untold})
	c.reentry(o)
	c.exits(o)
	c.goal(o)
	c.caps(o)
	d.quiet = c.quiet(o, "quiet_hours")
	c.pressure(o)
	c.steps(o)
	c.migrateTargets(o)
	o.finish()
	c.resolve()
	c.flow()
	c.texts()
	c.joins()
	c.displays()
	c.sequenceProperties()
}

// eventAtHand tells condition what `event` means where it stands: a type, or
// "" when there is no event, or when it is not known which.
type eventAtHand struct {
	event   string
	unknown bool
}

// onEvent is the event that a key names; when it names none, that is told
// there.
func onEvent(event string) eventAtHand { return eventAtHand{event, event == ""} }

// condition compiles the CEL text of a key, nil when it is not there.
func (c *compiler) condition(o *object, key string, at eventAtHand) *condition {
	text := o.text(key)
	if text == "" {
		return nil
	}
	cond, err := compileCondition(text, func(ref fieldRef) string { return c.undeclared(ref, at) })
	if err != nil {
		o.fault(key, "%s %s", quotedText(text), err)
		return nil
	}
	if whole := readWhole(cond.ast.Expr(), roots); whole != "" { // by which the checks of fields and of data would be passed
		o.fault(key, "%s reads %s as a whole, or by a computed name; name the field, as in has(%s.x)", quotedText(text), whole, whole)
		return nil
	}
	if problem := checkTypes(cond.ast, func(ref fieldRef) gateway.ValueKind { return c.fieldKind(ref, at) }); problem != "" {
		o.fault(key, "%s %s", quotedText(text), problem)
		return nil
	}
	cond.ast = nil
	if problem := cond.unknownClass(c.env.Segments, c.env.Stages); problem != "" {
		o.fault(key, "%s %s", quotedText(text), problem)
	}
	c.uses(o, key, cond.refs, at)
	for _, ref := range cond.refs {
		if ref.root == "trigger" {
			c.keepProperty(ref.key)
		}
	}
	return cond
}

// undeclared says what is wrong with a field, "" when it may be read.
func (c *compiler) undeclared(ref fieldRef, at eventAtHand) string {
	event := ""
	switch ref.root {
	case "event":
		if at.event == "" && !at.unknown {
			return "reads event, but no event is at hand here; trigger.… holds what started the enrollment"
		}
		event = at.event
	case "trigger":
		event = c.def.trigger.event
	case "device":
		if ref.key != "state" {
			return "reads device." + ref.key + "; write device.state, all that is known of a device"
		}
		return ""
	case "trait":
		if c.traitNamed(ref.key) < 0 && !c.untoldTraits && !(c.untold && traitKindName(ref.key)) {
			return c.unknownTrait(ref.key)
		}
	}
	if event == "" || c.env.Events == nil {
		return ""
	}
	declared := c.env.Events[event].Properties
	if declared == nil {
		return ""
	}
	if _, ok := declared[ref.key]; ok {
		return ""
	}
	names := sortedKeys(declared)
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, ref.key+".") }) {
		return ""
	}
	if s := closest(ref.key, names); s != "" {
		return "reads " + ref.root + "." + ref.key + ", which " + event + " does not have; did you mean " + ref.root + "." + s + "?"
	}
	return "reads " + ref.root + "." + ref.key + ", which " + event + " does not have; it has " + strings.Join(names, ", ")
}

// traitNames are those that a definition may read, its own first.
func (c *compiler) traitNames() (names []string) {
	for _, t := range c.def.traits {
		if t.name != "" {
			names = append(names, t.name)
		}
	}
	return append(names, c.projectTraitNames()...)
}

func (c *compiler) unknownTrait(name string) string {
	names := c.traitNames()
	if s := closest(name, names); s != "" {
		return "reads trait." + name + ", which is not declared; did you mean trait." + s + "?"
	}
	if len(names) == 0 {
		return "reads trait." + name + ", which is not declared under traits"
	}
	return "reads trait." + name + ", which is not declared under traits; there are " + strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (c *compiler) keepProperty(name string) {
	if !slices.Contains(c.def.keep, name) {
		c.def.keep = append(c.def.keep, name)
	}
}

// eventName checks the name of an event type.
func (c *compiler) eventName(o *object, key, name string) string {
	if name == "" || c.env.Events == nil {
		return name
	}
	if _, ok := c.env.Events[name]; ok {
		return name
	}
	names := sortedKeys(c.env.Events)
	if s := closest(name, names); s != "" {
		o.fault(key, "%q is no declared event type; did you mean %q?", name, s)
	} else {
		o.fault(key, "%q is no declared event type; declared are %s", name, strings.Join(names, ", "))
	}
	return name
}

// event reads a key that names an event type.
func (c *compiler) event(o *object, key string) string {
	return c.eventName(o, key, o.required(key, "name an event type such as brew_finished"))
}

func (c *compiler) reentry(o *object) {
	d := c.def
	n := o.get("reentry")
	d.reentry = reentry{mode: reentryAfterExit}
	if n == nil {
		if d.trigger.kind == triggerMilestone {
			d.reentry.mode = reentryOnce
		}
		return
	}
	if n.kind == nodeMap {
		r := c.object(n, "reentry")
		d.reentry = reentry{mode: reentryAfterGap, gap: r.length("after_exit_and_gap", "write a duration such as 30d")}
		r.finish()
		return
	}
	switch o.choice("reentry", "after_exit", "once", "after_exit", "concurrent_per_key", "after_exit_and_gap") {
	case "once":
		d.reentry.mode = reentryOnce
	case "concurrent_per_key":
		d.reentry.mode = reentryConcurrent
		if d.keyBy == "" {
			o.fault("reentry", "concurrent_per_key needs a key; add key: device or key: event.<property>")
		}
	case "after_exit_and_gap":
		o.fault("reentry", "needs the length of the gap; write reentry: {after_exit_and_gap: 30d}")
	}
}

func (c *compiler) exits(o *object) {
	for i, n := range o.list("exit") {
		e := c.object(n, indexed("exit", i))
		var l listener
		if e.get("when") != nil {
			l.where = c.condition(e, "when", eventAtHand{})
			e.without("when", "event", "where")
		} else {
			l.event = e.text("event")
			c.eventName(e, "event", l.event)
			l.where = c.condition(e, "where", onEvent(l.event))
		}
		if e.finish(); l.event == "" && l.where == nil && !e.strange() {
			e.fault("event", "is missing; name an event type such as brew_finished, or write when: and a condition")
		}
		c.def.exits = append(c.def.exits, l)
	}
}

func (c *compiler) goal(o *object) {
	n := o.get("goal")
	if n == nil {
		return
	}
	g := c.object(n, "goal")
	c.def.goal = &goal{within: g.length("within", "write how long after the entry the goal counts, such as 14d")}
	c.def.goal.event = c.event(g, "event")
	c.def.goal.where = c.condition(g, "where", onEvent(c.def.goal.event))
	g.finish()
}

func (c *compiler) caps(o *object) {
	c.def.obeys, c.def.counts = c.def.Purpose != gateway.PurposeSafety, true
	if n := o.get("caps"); n != nil {
		caps := c.object(n, "caps")
		c.def.obeys = caps.bool("obeys", c.def.obeys)
		c.def.counts = caps.bool("counts", true)
		caps.finish()
	}
}

func (c *compiler) quiet(o *object, key string) (out []QuietHours) {
	for i, n := range o.list(key) {
		q := c.object(n, indexed(o.field(key), i))
		h := QuietHours{OnHit: q.choice("on_hit", "hold", "hold", "discard"), Channels: q.words("channels")}
		h.From = c.localTime(q, "from")
		h.To = c.localTime(q, "to")
		h.Days = c.days(q, "days")
		if h.From == h.To && !q.broken("from") {
			q.fault("to", "equals from; the interval is empty")
		}
		c.channelNames(q, h.Channels)
		q.finish()
		out = append(out, h)
	}
	return out
}

func (c *compiler) localTime(o *object, key string) LocalTime {
	text := o.required(key, "write a time of day such as \"22:00\"")
	if text == "" {
		return 0
	}
	t, err := ParseLocalTime(text)
	if err != nil {
		o.fault(key, "%s", err)
	}
	return t
}

func (c *compiler) days(o *object, key string) (out []Weekday) {
	for _, w := range o.words(key) {
		var d Weekday
		if err := d.UnmarshalText([]byte(w)); err != nil {
			o.also(key, "%s", err)
		}
		out = append(out, d)
	}
	return out
}
