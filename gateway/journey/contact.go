package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Touchpoint says that an event of a type stands for a contact which somebody
// else made: a letter that was sent, a call. It counts under the caps from when
// it occurred, as a message does from its display on.
type Touchpoint struct {
	Event   string `yaml:"event"`
	Channel string `yaml:"channel"`
	// Purpose and Tags are those of the contact; marketing unless set.
	Purpose gateway.Purpose `yaml:"purpose"`
	Tags    []string        `yaml:"tags"`
}

func (t Touchpoint) validate(at string) error {
	switch {
	case t.Event == "":
		return gateway.InvalidField(at+".event", "is missing; name the type of the event that staff log")
	case t.Channel == "":
		return gateway.InvalidField(at+".channel", "is missing; write a name such as letter or call")
	case t.Purpose != "" && t.Purpose != gateway.PurposeMarketing && t.Purpose != gateway.PurposeService && t.Purpose != gateway.PurposeSafety:
		return gateway.InvalidField(at+".purpose", "%q is not marketing, service or safety", string(t.Purpose))
	}
	return nil
}

// validateCapScope checks whose messages a cap counts.
func validateCapScope(at, scope string) error {
	if scope != "" && scope != "group" && scope != "customer" {
		return gateway.InvalidField(at+".scope", "%q is not group or customer", scope)
	}
	return nil
}

// contact is one that was made.
type contact struct {
	at    gateway.Instant
	event string
}

// indexContacts notes which types of events stand for contacts.
func (p *Partition) indexContacts() {
	for i := range p.cfg.Touchpoints {
		t := &p.cfg.Touchpoints[i]
		p.eventType(t.Event).contact = t
	}
}

// contacted notes a contact that an event stands for.
func (p *Partition) contacted(c *customer, ev *gateway.Event) {
	if !c.test {
		do(p, contactChange{c.id, contact{ev.OccurredAt, ev.Type}, p.retention(c).before(p.now)})
	}
}

// contactsUsed counts the contacts that hold a slot of the rule (nil = any).
func (p *Partition) contactsUsed(c *customer, from gateway.Instant, r *CapRule) (n int) {
	if c.more == nil {
		return 0
	}
	for i := range c.more.contacts {
		k := &c.more.contacts[i]
		et := p.types[k.event]
		if k.at <= from || et == nil || et.contact == nil {
			continue
		}
		if t := et.contact; r == nil || r.covers(t.Channel, t.Purpose, t.Tags) {
			n++
		}
	}
	return n
}

// contactChange notes a contact and forgets those that no cap asks for any more.
type contactChange struct {
	customer gateway.CustomerID
	contact  contact
	horizon  gateway.Instant
}

func (c contactChange) encode(e *encoder) {
	e.byte(opContact)
	e.fixed(uint64(c.customer))
	e.contact(c.contact)
	e.at(c.horizon)
}

func (d *decoder) contactChange() change {
	return contactChange{gateway.CustomerID(d.fixed()), d.contact(), d.at()}
}

func (c contactChange) apply(p *Partition) {
	m := p.customer(c.customer).grow()
	c.contact.event = p.intern(c.contact.event)
	m.contacts = slices.DeleteFunc(append(m.contacts, c.contact), func(k contact) bool { return k.at <= c.horizon })
}

func (e *encoder) contact(k contact) {
	e.at(k.at)
	e.string(k.event)
}

func (d *decoder) contact() contact { return contact{d.at(), d.string()} }
