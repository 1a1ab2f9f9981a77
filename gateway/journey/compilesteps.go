package journey

import (
	"regexp"
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
	if s.id != "" && (!wordPattern.MatchString(s.id) || s.id == "end") {
		o.fault("id", "%q may hold a-z, 0-9, - and _ only, starts with a letter and is not \"end\"", s.id)
	}
	if slices.ContainsFunc(c.def.steps[:i], func(other step) bool { return other.id == s.id && s.id != "" }) {
		o.fault("id", "%q is the id of an earlier step", s.id)
	}
	c.reader.step, o.path = s.id, ""
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
		c.send(s, c.object(v, "send"))
	case stepWait:
		c.wait(s, c.object(v, "wait"))
	case stepBranch:
		c.branch(s, o)
	case stepSplit:
		c.split(s, o)
	case stepSet:
		c.set(s, c.object(v, "set"))
	case stepEnd:
		s.next = toEnd
	case stepTask:
		c.task(s, c.object(v, "task"))
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
	if s.send.fallbackAfter = o.duration("fallback_after"); s.send.fallbackAfter > 0 && len(s.send.channels) == 1 {
		o.fault("fallback_after", "has no channel to fall back to; name a second one in channels")
	}
	c.channelNames(o, s.send.channels)
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
		c.templates(s, c.object(n, "send.texts"))
	}
	o.finish()
}

func (c *compiler) templates(s *step, o *object) {
	if len(o.n.keys) == 0 {
		o.fault("en", "is missing; write at least one locale")
	}
	byLocale := map[string]Template{}
	for _, k := range o.n.keys {
		t := c.object(o.get(k.name), o.field(k.name))
		tpl := Template{Title: t.required("title", "every message has a title"), Body: t.text("body")}
		for i, n := range s.actions(t) {
			a := c.object(n, indexed(t.field("actions"), i))
			tpl.Actions = append(tpl.Actions, Action{
				ID:    a.required("id", "receipts name the action by it"),
				Label: a.required("label", "it is what the button shows")})
			a.finish()
		}
		t.finish()
		byLocale[k.name] = tpl
	}
	c.def.Templates[s.id] = byLocale
}

func (c *compiler) wait(s *step, o *object) {
	w := &s.wait
	for i, key := range []string{"for", "until_event", "until_local_time"} {
		if o.get(key) == nil {
			continue
		}
		if w.kind != 0 {
			o.fault(key, "excludes the other kinds; a wait is one of for, until_event, until_local_time")
			continue
		}
		w.kind = waitKind(i + 1)
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
		b := c.object(n, indexed("branch", i))
		a := &s.arms[i]
		if b.get("otherwise") != nil {
			a.name = "otherwise"
			c.goTo(b, "otherwise", &a.to)
			if i < len(list)-1 {
				b.fault("otherwise", "must be the last arm; later ones are never reached")
			}
		} else {
			a.name = b.required("when", "write a condition, or otherwise: <step> in the last arm")
			a.when = c.condition(b, "when", eventAtHand{})
			if !c.goTo(b, "go", &a.to) {
				b.fault("go", "is missing; name the step to go to, or end")
			}
		}
		b.finish()
	}
	if len(list) == 0 {
		o.fault("branch", "has no arm; write a list of {when: …, go: …}")
	}
}

func (c *compiler) split(s *step, o *object) {
	list := o.list("split")
	s.arms = make([]arm, len(list))
	sum, known := 0, true
	for i, n := range list {
		b := c.object(n, indexed("split", i))
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
	state := make([]int8, len(c.def.steps)) // 1 = on the path, 2 = done
	var visit func(i int) bool
	visit = func(i int) bool {
		if i == toEnd || state[i] == 2 || c.def.steps[i].kind == stepWait {
			return true
		}
		s := &c.def.steps[i]
		if state[i] == 1 {
			c.reader.step = s.id
			c.fault(s.line, "next", "the steps lead in a circle without a wait")
			return false
		}
		state[i] = 1
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
		state[i] = 2
		return ok
	}
	for i := range c.def.steps {
		if !visit(i) {
			break
		}
	}
	c.reader.step = ""
}

var valuePattern = regexp.MustCompile(`\b(event|trigger|trait)\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`)

// texts checks what the templates refer to and keeps what they need of the
// event that started the enrollment.
func (c *compiler) texts() {
	for i := range c.def.steps {
		s := &c.def.steps[i]
		byLocale := c.def.Templates[s.id]
		c.reader.step = s.id
		for _, locale := range sortedKeys(byLocale) {
			t := byLocale[locale]
			at := stepNames[s.kind] + ".texts." + locale
			c.template(s.line, at+".title", t.Title)
			c.template(s.line, at+".body", t.Body)
			for j, a := range t.Actions {
				c.template(s.line, indexed(at+".actions", j)+".label", a.Label)
			}
		}
	}
	c.reader.step = ""
	slices.Sort(c.def.keep)
}

func (c *compiler) template(line int, field, text string) {
	for _, part := range liquidParts(text) {
		for _, m := range valuePattern.FindAllStringSubmatch(part, -1) {
			root, key := m[1], m[2]
			if root != "trait" {
				c.keepProperty(key)
				root = "trigger"
			}
			c.use(fieldRef{root, key}, "", line, field)
			if n := len(c.read); n > 0 { // named as the author wrote it
				c.read[n-1].name = strings.Replace(c.read[n-1].name, "trigger.", m[1]+".", 1)
			}
			if problem := c.undeclared(fieldRef{root, key}, eventAtHand{}); problem != "" {
				c.fault(line, field, "%s", strings.ReplaceAll(problem, root+".", m[1]+"."))
			}
		}
	}
	for _, part := range liquidParts(text) {
		for _, m := range customerPattern.FindAllStringSubmatch(part, -1) {
			c.use(fieldRef{"customer", m[1]}, "", line, field)
		}
	}
	if c.env.CheckTemplate == nil {
		return
	}
	if err := c.env.CheckTemplate(text, c.def.ValueNames()); err != nil {
		c.fault(line, field, "%s", firstLine(err.Error()))
	}
}

// liquidParts returns what stands inside {{ }} and {% %}.
func liquidParts(text string) (parts []string) {
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 || i+1 >= len(text) {
			return parts
		}
		closing := map[byte]string{'{': "}}", '%': "%}"}[text[i+1]]
		if closing == "" {
			text = text[i+1:]
			continue
		}
		body, rest, found := strings.Cut(text[i+2:], closing)
		if !found {
			return parts
		}
		parts, text = append(parts, body), rest
	}
}

// ValueNames lists the open values that a message of the journey carries.
func (d *Definition) ValueNames() []string {
	names := []string{"product", "customer.locale", "customer.country"}
	for _, k := range d.keep {
		names = append(names, "event."+k)
	}
	for _, t := range d.traits {
		if t.name != "" {
			names = append(names, "trait."+t.name)
		}
	}
	return names
}
