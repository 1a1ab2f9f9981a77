package journey

import (
	"regexp"
	"slices"
	"strings"
)

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
			c.noteLines(s, a)
		}
		t.finish()
		c.noteLines(s, t)
		byLocale[k.name] = tpl
	}
	c.def.Templates[s.id] = byLocale
}

var waitNames = [...]string{"", "for", "until_event", "until_local_time"}

// waitKeys are keys that go with one kind of wait.
var waitKeys = []struct {
	name string
	kind waitKind
}{{"where", waitEvent}, {"timeout", waitEvent}, {"on_timeout", waitEvent}, {"days", waitLocal}}

// noteLines remembers where the texts of an object stand.
func (c *compiler) noteLines(s *step, o *object) {
	if c.lines == nil {
		c.lines = map[string]int{}
	}
	c.lines[s.id+" "+o.path] = o.n.line
	for _, k := range o.n.keys {
		c.lines[s.id+" "+o.field(k.name)] = k.line
	}
}

// lineOfText is where a text of a step stands.
func (c *compiler) lineOfText(s *step, field string) int {
	if line := c.lines[s.id+" "+field]; line > 0 {
		return line
	}
	return s.line
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
			c.template(s, at+".title", t.Title)
			c.template(s, at+".body", t.Body)
			for j, a := range t.Actions {
				c.template(s, indexed(at+".actions", j)+".label", a.Label)
			}
		}
	}
	c.reader.step = ""
	slices.Sort(c.def.keep)
}

func (c *compiler) template(s *step, field, text string) {
	line := c.lineOfText(s, field)
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
