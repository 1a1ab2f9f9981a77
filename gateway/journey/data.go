package journey

import (
	"regexp"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// Data categories
//
// What devices report carries a category, such as usage or location, declared
// with the product; what is known of the customer is of category customer. A
// journey that joins the two profiles him: it declares the categories, and
// excludes customers who did not consent to each of them, by the purpose
// "data:" and the category's name. What a definition uses is found at publish;
// what it declares holds at every decision.

// customerData is the category of all fields of the customer but those that
// only say how to address him.
const customerData = "customer"

// dataPurpose is the purpose of a consent to a category.
func dataPurpose(category string) gateway.Purpose { return gateway.Purpose("data:" + category) }

// addressing are the fields of a customer that every message may use.
var addressing = []string{"locale", "test", "time_zone"}

// fieldUse is one field that a definition reads, and where.
type fieldUse struct {
	category, name string
	step, field    string
	line           int
}

// consents lists the purposes that a journey needs beside its own, because it
// joins data of devices with those of the customer.
func (d *Definition) consents() []string {
	if len(d.data) < 2 || !slices.Contains(d.data, customerData) || d.Purpose == gateway.PurposeSafety {
		return nil
	}
	return d.data
}

// dataConsent names the first category that the customer did not consent to.
func dataConsent(c *customer, def *Definition) (rule string, missing bool) {
	for _, category := range def.consents() {
		if category != customerData && consentFor(c, dataPurpose(category), "") != "" {
			return string(dataPurpose(category)), true
		}
	}
	return "", false
}

// withdrawData takes back messages that need a consent which was revoked.
func (p *Partition) withdrawData(c *customer, purpose gateway.Purpose) {
	category, ok := strings.CutPrefix(string(purpose), "data:")
	if !ok {
		return
	}
	p.recallData(c)
	p.withdraw(c, string(gateway.ReasonNoConsent), func(m *message) bool {
		if m.full.Recipient != "" { // it tells of somebody else's run
			return false
		}
		v := m.journey.version(m.full.Version)
		if !slices.Contains(v.def.consents(), category) {
			return false
		}
		_, missing := dataConsent(c, v.def)
		return missing
	})
}

// uses notes the categories of the fields that a condition reads.
func (c *compiler) uses(o *object, key string, refs []fieldRef, at eventAtHand) {
	line := o.n.line
	if n := o.get(key); n != nil {
		line = n.line
	}
	for _, ref := range refs {
		c.use(ref, at.event, line, o.field(key))
	}
}

// use notes the category of a field; event is the type of the event at hand.
func (c *compiler) use(ref fieldRef, event string, line int, field string) {
	u := fieldUse{name: ref.root + "." + ref.key, step: c.reader.step, field: field, line: line}
	switch ref.root {
	case "customer":
		if !slices.Contains(addressing, ref.key) {
			u.category = customerData
		}
	case "event":
		u.category = c.category(event, ref.key)
	case "trigger":
		u.category = c.category(c.def.trigger.event, ref.key)
	case "trait":
		if i := c.def.traitIndex(ref.key); i >= 0 {
			u.category = c.category(c.def.traits[i].event, c.def.traits[i].property)
		}
	}
	if u.category != "" {
		c.read = append(c.read, u)
	}
}

// category is that of a property, else of its event type, "" when none is
// declared.
func (c *compiler) category(event, property string) string {
	for key := event + "." + property; key != event; key = key[:strings.LastIndexByte(key, '.')] {
		if k := c.env.Categories[key]; k != "" {
			return k
		}
	}
	return c.env.Categories[event]
}

var customerPattern = regexp.MustCompile(`\bcustomer\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`)

// data reads what the journey declares and compares it with what it uses.
func (c *compiler) data(o *object) {
	for _, w := range o.words("data") {
		if o.word("data", w) {
			c.knownCategory(o, w)
		}
		if !slices.Contains(c.def.data, w) {
			c.def.data = append(c.def.data, w)
		}
	}
	slices.Sort(c.def.data)
}

// knownCategory checks that the products declare a category.
func (c *compiler) knownCategory(o *object, name string) {
	known := []string{customerData}
	for _, key := range sortedKeys(c.env.Categories) {
		if k := c.env.Categories[key]; !slices.Contains(known, k) {
			known = append(known, k)
		}
	}
	if len(known) == 1 || slices.Contains(known, name) {
		return
	}
	if s := closest(name, known); s != "" {
		o.also("data", "%q is no category of data; did you mean %q?", name, s)
	} else {
		o.also("data", "%q is no category of data; there are %s", name, strings.Join(known, ", "))
	}
}

// joins reports the fields that make a join which the journey does not declare.
func (c *compiler) joins() {
	if event := c.def.trigger.event; c.env.Categories[event] != "" {
		c.read = append(c.read, fieldUse{category: c.env.Categories[event], name: event, field: "trigger", line: c.triggerLine})
	}
	ofCustomer := slices.ContainsFunc(c.read, func(u fieldUse) bool { return u.category == customerData })
	ofDevice := slices.ContainsFunc(c.read, func(u fieldUse) bool { return u.category != customerData })
	if !ofCustomer || !ofDevice || c.def.Purpose == gateway.PurposeSafety {
		return
	}
	var said []string
	for _, u := range c.read {
		if slices.Contains(c.def.data, u.category) || slices.Contains(said, u.category) {
			continue
		}
		said = append(said, u.category)
		c.reader.step = u.step
		c.fault(u.line, u.field, "reads %s, which is %s data, and the journey joins data of devices with data of the customer: declare data: [%s]; customers without consent to it are left out",
			u.name, u.category, strings.Join(c.categories(), ", "))
	}
	c.reader.step = ""
}

// categories lists all that the definition uses.
func (c *compiler) categories() (out []string) {
	for _, u := range c.read {
		if !slices.Contains(out, u.category) {
			out = append(out, u.category)
		}
	}
	slices.Sort(out)
	return out
}
