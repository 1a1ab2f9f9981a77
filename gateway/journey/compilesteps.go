package journey

import (
	"slices"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// maxSteps bounds a journey; a stored position fits two bytes.
const maxSteps = 1000

func (c *compiler) steps(o *object) {
	list := o.list("steps")
	if len(list) == 0 {
		o.fault("steps", "is missing; a journey has at least one step")
	}
	if len(list) > maxSteps {
		o.fault("steps", "has %d entries; %d are allowed", len(list), maxSteps)
		return
	}
	c.def.steps = make([]step, len(list)) // targets point into it
	for i, n := range list {
		c.step(i, n)
	}
	c.reader.step = ""
	if slices.ContainsFunc(c.def.steps, func(s step) bool { return s.kind == stepSend && len(s.send.channels) == 0 }) {
		c.def.Channels = nil // that step may use any
	}
}

func (c *compiler) step(i int, n *node) {
	s := &c.def.steps[i]
	s.line, s.next = n.line, i+1
	if i == len(c.def.steps)-1 {
		s.next = toEnd
	}
	c.reader.step = ""
	o := c.object(n, indexed("steps", i))
	s.id = o.required("id", "every step has a stable id")
	switch earlier := slices.IndexFunc(c.def.steps[:i], func(other step) bool { return other.id == s.id }); {
	case s.id == "": // its place names it
	case s.id == "end":
		o.fault("id", "\"end\" is where a journey ends; take another id")
	case earlier >= 0:
		o.fault("id", "%q is the id of the step in line %d; take another one", s.id, c.def.steps[earlier].line)
	default:
		o.word("id", s.id)
	}
	if s.id != "" {
		c.reader.step, o.path = s.id, ""
	}
	for kind := stepSend; kind < stepKinds; kind++ {
		v := o.get(stepNames[kind])
		if v == nil {
			continue
		}
		if s.kind != 0 {
			o.fault(stepNames[kind], "excludes %s; a step does one thing", stepNames[s.kind])
			continue
		}
		s.kind = kind
		c.stepOf(s, o, v)
	}
	c.goTo(o, "next", &s.next)
	o.finish()
	if s.kind == 0 && !o.strange() {
		o.fault("send", "is missing; a step is one of %s", strings.Join(stepNames[1:], ", "))
	}
}

func (c *compiler) stepOf(s *step, o *object, v *node) {
	switch s.kind {
	case stepSend:
		c.send(s, c.object(v, o.field("send")))
	case stepWait:
		c.wait(s, c.object(v, o.field("wait")))
	case stepBranch:
		c.branch(s, o)
	case stepSplit:
		c.split(s, o)
	case stepSet:
		c.set(s, c.object(v, o.field("set")))
	case stepEnd:
		c.nothing(v, o.field("end"))
		s.next = toEnd
	case stepTask:
		c.task(s, c.object(v, o.field("task")))
	case stepStart, stepStop:
		c.otherJourney(s, o, stepNames[s.kind])
	}
}

// goTo notes that a key names a step; nothing changes when it is not there.
func (c *compiler) goTo(o *object, key string, to *int) bool {
	name := o.text(key)
	if name == "" {
		return false
	}
	line := o.get(key).line
	c.targets = append(c.targets, target{name: name, step: c.reader.step, field: o.field(key), line: line, to: to})
	return true
}

// resolve fills in the indexes of the steps that were named.
func (c *compiler) resolve() {
	for _, t := range c.targets {
		if t.name == "end" {
			*t.to = toEnd
			continue
		}
		if *t.to = c.def.stepIndex(t.name); *t.to >= 0 {
			continue
		}
		c.reader.step = t.step
		ids := []string{"end"}
		for _, s := range c.def.steps {
			ids = append(ids, s.id)
		}
		if s := closest(t.name, ids); s != "" {
			c.fault(t.line, t.field, "%q is no step; did you mean %q?", t.name, s)
		} else {
			c.fault(t.line, t.field, "%q is no step of this journey; there are %s", t.name, strings.Join(ids[1:], ", "))
		}
	}
	c.reader.step = ""
}

func (c *compiler) send(s *step, o *object) {
	s.send = send{channels: o.words("channels"), template: s.id, expiresAfter: o.duration("expires_after")}
	c.recipient(s, o)
	s.send.quiet = c.quiet(o, "quiet_hours")
	s.send.tags = c.stepTags(o)
	s.send.context = c.gate(o)
	c.channelNames(o, s.send.channels)
	if s.send.fallbackAfter = o.duration("fallback_after"); s.send.fallbackAfter > 0 && len(s.send.channels) == 1 && !o.broken("channels") {
		o.fault("fallback_after", "has no channel to fall back to; name a second one in channels")
	}
	c.reach(s, o)
	for _, ch := range s.send.channels {
		if !slices.Contains(c.def.Channels, ch) {
			c.def.Channels = append(c.def.Channels, ch)
		}
	}
	n := o.get("texts")
	if n == nil {
		o.fault("texts", "is missing; write title and body per locale, such as texts: {en: {title: …, body: …}}")
	} else {
		c.templates(s, c.object(n, o.field("texts")))
	}
	o.finish()
}

func (c *compiler) wait(s *step, o *object) {
	w, excluded := &s.wait, false
	for i, key := range waitNames[1:] {
		if o.get(key) == nil {
			continue
		}
		if w.kind != 0 {
			o.fault(key, "excludes %s; a wait is one of for, until_event, until_local_time", waitNames[w.kind])
			excluded = true
			continue
		}
		w.kind = waitKind(i + 1)
	}
	for _, k := range waitKeys {
		switch {
		case w.kind == 0 || excluded:
			o.get(k.name) // said with the kind
		case w.kind != k.kind && o.has(k.name):
			o.fault(k.name, "goes with %s only", waitNames[k.kind])
		}
	}
	switch w.kind {
	case waitFor:
		w.duration = o.length("for", "write a duration such as 3d")
	case waitEvent:
		w.until.event = c.event(o, "until_event")
		w.until.where = c.condition(o, "where", onEvent(w.until.event))
		w.duration = o.length("timeout", "write a duration such as 7d")
		w.onTimeout = s.next
		c.goTo(o, "on_timeout", &w.onTimeout)
	case waitLocal:
		w.local = c.localTime(o, "until_local_time")
		w.days = c.days(o, "days")
	}
	o.finish()
	if w.kind == 0 && !o.strange() {
		o.fault("for", "is missing; a wait is one of for, until_event, until_local_time")
	}
}

func (c *compiler) branch(s *step, o *object) {
	list := o.list("branch")
	s.arms = make([]arm, len(list)) // targets point into it
	for i, n := range list {
		b := c.object(n, indexed(o.field("branch"), i))
		c.armOf(b, &s.arms[i], i == len(list)-1)
	}
	if len(list) == 0 {
		o.fault("branch", "has no arm; write a list of {when: …, go: …}")
	}
}

// armOf reads {when: condition, go: step}, or {otherwise: step} in the last arm.
func (c *compiler) armOf(b *object, a *arm, last bool) {
	if b.get("otherwise") != nil {
		a.name = "otherwise"
		if !c.goTo(b, "otherwise", &a.to) {
			b.fault("otherwise", "is missing; name the step to go to, or end")
		}
		if !last {
			b.fault("otherwise", "must be the last arm; later ones are never reached")
		}
		b.without("otherwise", "when", "go")
		b.finish()
		return
	}
	if a.name = b.text("when"); a.name != "" {
		a.when = c.condition(b, "when", eventAtHand{})
	}
	leads := c.goTo(b, "go", &a.to)
	b.finish()
	if b.strange() {
		return
	}
	if a.name == "" {
		b.fault("when", "is missing; write a condition, or otherwise: <step> in the last arm")
	}
	if !leads {
		b.fault("go", "is missing; name the step to go to, or end")
	}
}

func (c *compiler) split(s *step, o *object) {
	list := o.list("split")
	s.arms = make([]arm, len(list))
	sum, known := 0, true
	for i, n := range list {
		b := c.object(n, indexed(o.field("split"), i))
		a := &s.arms[i]
		a.name = b.required("arm", "reports name it")
		if slices.ContainsFunc(s.arms[:i], func(o arm) bool { return o.name == a.name && a.name != "" }) {
			b.fault("arm", "%q is there twice; reports tell arms apart by their names", a.name)
		}
		percent, ok := b.share("percent")
		if !ok {
			b.fault("percent", "is missing; write the arm's share, such as percent: 50")
		}
		sum, known = sum+percent, known && ok
		a.upTo = sum
		a.to = s.next
		c.goTo(b, "go", &a.to)
		b.finish()
	}
	if sum != 10000 && known {
		o.fault("split", "the arms sum up to %s %%; they must make 100 %%", strconv.FormatFloat(float64(sum)/100, 'f', -1, 64))
	}
	if len(list) > 100 {
		o.fault("split", "has %d arms; 100 are allowed", len(list))
	}
}

func (c *compiler) set(s *step, o *object) {
	for i, k := range o.n.keys {
		v := o.n.values[i]
		o.get(k.name)
		if customerKind(k.name) != anyKind || k.name == "segments" {
			o.fault(k.name, "is no attribute: a service sets it, or the rules do; take another name")
		}
		switch {
		case v.kind == nodeNull:
			s.set = append(s.set, gateway.Property{Key: k.name})
		case v.kind != nodeScalar:
			o.fault(k.name, "is %s, not a value", nodeKindNames[v.kind])
		case v.text == "true" || v.text == "false":
			s.set = append(s.set, gateway.Property{Key: k.name, Value: gateway.Bool(v.text == "true")})
		default:
			s.set = append(s.set, gateway.Property{Key: k.name, Value: scalar(v.text)})
		}
	}
	if len(o.n.keys) == 0 {
		o.fault("", "sets nothing; write attribute: value")
	}
	s.set.Sort()
}

func scalar(text string) gateway.Value {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return gateway.Int(i)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == f {
		return gateway.Float(f)
	}
	return gateway.String(text)
}

// flow reports a loop that holds no wait: it would never rest.
func (c *compiler) flow() {
	if len(c.violations) > 0 {
		return
	}
	done := make([]bool, len(c.def.steps))
	var way []string // to the step at hand
	var visit func(i int) bool
	visit = func(i int) bool {
		if i == toEnd || done[i] || c.def.steps[i].kind == stepWait {
			return true
		}
		s := &c.def.steps[i]
		way = append(way, s.id)
		if from := slices.Index(way, s.id); from < len(way)-1 {
			c.reader.step = s.id
			c.fault(s.line, "next", "the steps lead in a circle without a wait: %s; put a wait between them", strings.Join(way[from:], " → "))
			return false
		}
		ok := true
		if s.kind != stepBranch && s.kind != stepSplit {
			ok = visit(s.next)
		}
		for _, a := range s.arms {
			ok = ok && visit(a.to)
		}
		if s.kind == stepBranch {
			ok = ok && visit(s.next)
		}
		way, done[i] = way[:len(way)-1], true
		return ok
	}
	for i := range c.def.steps {
		if !visit(i) {
			break
		}
	}
	c.reader.step = ""
}
