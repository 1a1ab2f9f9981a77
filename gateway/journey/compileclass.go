package journey

import (
	"slices"
	"strings"
)

// segmentTrigger reads {enter: name} or {leave: name}.
func (c *compiler) segmentTrigger(o *object) {
	t := &classTrigger{segment: o.text("enter")}
	c.def.trigger.class = t
	switch left := o.text("leave"); {
	case t.segment != "" && left != "":
		o.fault("leave", "excludes enter; a trigger has one of them")
	case t.segment != "":
		c.declaredClass(o, "enter", "segment", t.segment, c.env.Segments)
	case left != "":
		t.segment, t.leave = left, true
		c.declaredClass(o, "leave", "segment", left, c.env.Segments)
	case !o.broken("leave"):
		o.fault("enter", "is missing; write enter: <segment> or leave: <segment>")
	}
	o.finish()
}

// stageTrigger reads {enter: name, from: [names]}.
func (c *compiler) stageTrigger(o *object) {
	t := &classTrigger{stage: o.required("enter", "name a stage")}
	c.def.trigger.class = t
	c.declaredClass(o, "enter", "stage", t.stage, c.env.Stages)
	for _, name := range o.words("from") {
		if name == t.stage {
			o.fault("from", "%q is the stage that he enters", name)
		}
		c.declaredClass(o, "from", "stage", name, c.env.Stages)
		t.from = append(t.from, name)
	}
	o.finish()
}

// declaredClass checks that the rules declare a segment or stage.
func (c *compiler) declaredClass(o *object, key, what, name string, known []string) {
	if name == "" || known == nil || slices.Contains(known, name) {
		return
	}
	switch s := closest(name, known); {
	case s != "":
		o.also(key, "%q is no %s; did you mean %q?", name, what, s)
	case len(known) == 0:
		o.also(key, "%q is no %s; the installation's rules declare none", name, what)
	default:
		o.also(key, "%q is no %s; declared are %s", name, what, strings.Join(known, ", "))
	}
}
