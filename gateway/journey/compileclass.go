package journey

import (
	"slices"
	"strings"
)

// segmentTrigger reads {enter: name} or {leave: name}.
func (c *compiler) segmentTrigger(o *object) {
	t := &classTrigger{segment: o.text("enter")}
	c.def.trigger.class = t
	if left := o.text("leave"); left != "" {
		if t.segment != "" {
			o.fault("leave", "excludes enter; a trigger has one of them")
		}
		t.segment, t.leave = left, true
	}
	if t.segment == "" && !o.broken("enter") && !o.broken("leave") {
		o.fault("enter", "is missing; write enter: <segment> or leave: <segment>")
	}
	key := "enter"
	if t.leave {
		key = "leave"
	}
	c.declaredClass(o, key, "segment", t.segment, c.env.Segments)
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
		o.fault(key, "%q is no %s; did you mean %q?", name, what, s)
	case len(known) == 0:
		o.fault(key, "%q is no %s; the installation's rules declare none", name, what)
	default:
		o.fault(key, "%q is no %s; declared are %s", name, what, strings.Join(known, ", "))
	}
}
