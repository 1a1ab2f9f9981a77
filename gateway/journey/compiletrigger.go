package journey

import (
	"fmt"
	"strings"

	"touchpoint/gateway"
)

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func (c *compiler) trigger(o *object) {
	before := len(c.violations)
	defer func() { c.untold = len(c.violations) > before }()
	n := o.get("trigger")
	if n == nil {
		o.fault("trigger", "is missing; write one of %s", strings.Join(triggerNames[1:], ", "))
		return
	}
	t := c.object(n, "trigger")
	c.triggerLine = n.line
	tr := &c.def.trigger
	*tr = trigger{trait: -1, unless: -1}
	for kind := triggerEvent; kind < triggerKinds; kind++ {
		name := triggerNames[kind]
		v := t.get(name)
		if v == nil {
			continue
		}
		if tr.kind != 0 {
			t.fault(name, "excludes %s; a journey has one trigger", triggerNames[tr.kind])
			tr.event = "" // of either
			continue
		}
		tr.kind = kind
		c.triggerOf(t, name, v)
	}
	switch tr.kind {
	case 0, triggerEvent:
		tr.where = c.condition(t, "where", onEvent(tr.event))
	case triggerThreshold, triggerMilestone, triggerAbsence, triggerSchedule, triggerSilence:
		if t.has("where") {
			t.fault("where", "belongs to event; write it inside %s", triggerNames[tr.kind])
		}
	}
	t.finish()
	if tr.kind == 0 && !t.strange() {
		t.fault("event", "is missing; a trigger is one of %s", strings.Join(triggerNames[1:], ", "))
	}
}

func (c *compiler) triggerOf(t *object, name string, v *node) {
	tr := &c.def.trigger
	switch tr.kind {
	case triggerEvent:
		tr.event = c.event(t, name)
	case triggerThreshold:
		c.threshold(c.object(v, "trigger.threshold"))
	case triggerMilestone:
		m := c.object(v, "trigger.milestone")
		tr.event = c.event(m, "event")
		tr.nth = 1
		if n, ok := m.whole("nth", 1, 1e9); ok {
			tr.nth = uint32(n)
		}
		spec := traitSpec{name: "count", kind: traitCount, event: tr.event, owner: c.def.Name}
		spec.perDev = m.choice("per", "customer", "customer", "device") == "device"
		spec.where = c.condition(m, "where", onEvent(tr.event))
		m.finish()
		tr.trait = c.ownTrait(m, spec)
	case triggerAbsence:
		a := c.object(v, "trigger.absence")
		tr.event = c.event(a, "event")
		tr.within = a.length("for", "write a duration such as 14d")
		spec := traitSpec{kind: traitLast, event: tr.event, owner: c.def.Name, silence: tr.within}
		spec.where = c.condition(a, "where", onEvent(tr.event))
		a.finish()
		tr.trait = c.ownTrait(a, spec)
	case triggerSilence:
		c.silence(c.object(v, "trigger.silence"))
	case triggerAPI:
		c.nothing(v, "trigger.api")
	case triggerSequence:
		c.sequence(c.object(v, "trigger.sequence"))
	case triggerSegment:
		c.segmentTrigger(c.object(v, "trigger.segment"))
	case triggerStage:
		c.stageTrigger(c.object(v, "trigger.stage"))
	case triggerSchedule:
		c.schedule(c.object(v, "trigger.schedule"))
	}
}

// nothing reads {}, which is all that some keys hold.
func (c *compiler) nothing(v *node, path string) {
	if v.kind == nodeMap {
		c.object(v, path).finish()
		return
	}
	c.fault(v.line, path, "holds nothing but {}; write %s: {}", path[strings.LastIndexByte(path, '.')+1:])
}

// silence is an absence that is acted on although a device may yet tell. Without
// an event it is that of everything that the customer's devices send.
func (c *compiler) silence(o *object) {
	tr := &c.def.trigger
	spec := traitSpec{kind: traitLast, event: gateway.AnyEvent, owner: c.def.Name, anyway: true}
	if o.get("event") != nil {
		tr.event = c.event(o, "event")
		spec.event = tr.event
	}
	tr.within = o.length("for", "write a duration such as 14d")
	spec.silence = tr.within
	spec.where = c.condition(o, "where", onEvent(tr.event))
	if o.finish(); spec.where != nil && tr.event == "" && !o.broken("event") && !o.strange() {
		o.fault("where", "needs an event whose properties it compares")
	}
	tr.trait = c.ownTrait(o, spec)
}

// length reads a duration that must be there.
func (o *object) length(key, hint string) Duration {
	o.required(key, hint)
	return o.duration(key)
}

// ownTrait adds the counter that a trigger watches and returns its index.
func (c *compiler) ownTrait(o *object, spec traitSpec) int {
	if spec.name != "" && c.def.traitIndex(spec.name) >= 0 {
		c.fault(o.n.line, "traits."+spec.name, "is the name of the trigger's own counter; take another one")
	}
	c.def.traits = append(c.def.traits, spec)
	return len(c.def.traits) - 1
}
