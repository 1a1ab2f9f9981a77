package journey

import (
	"slices"

	"touchpoint/gateway"
)

func cloneAddress(c gateway.AddressRecipient) gateway.AddressRecipient {
	c.Journey, c.Step, c.Role, c.Product, c.Cause = clone(c.Journey), clone(c.Step), clone(c.Role), clone(c.Product), clone(c.Cause)
	c.Values = cloneProperties(c.Values)
	return c
}

func (e *encoder) address(c *gateway.AddressRecipient) {
	e.fixed(uint64(c.Customer))
	e.string(c.Journey)
	e.uint(uint64(c.Version))
	e.string(c.Step)
	e.raw(c.Origin[:])
	e.uint(uint64(c.Visit))
	e.string(c.Role)
	e.fixed(uint64(c.Device))
	e.string(c.Product)
	e.bool(c.Holdout)
	e.properties(c.Values)
	e.string(c.Cause)
	e.at(c.CauseReceivedAt)
	e.at(c.CauseAt)
	e.at(c.At)
}

func (d *decoder) address() gateway.AddressRecipient {
	return gateway.AddressRecipient{Customer: gateway.CustomerID(d.fixed()), Journey: d.string(), Version: uint32(d.uint()),
		Step: d.string(), Origin: d.id16(), Visit: uint32(d.uint()), Role: d.string(), Device: gateway.DeviceID(d.fixed()),
		Product: d.string(), Holdout: d.bool(), Values: d.properties(), Cause: d.string(), CauseReceivedAt: d.at(),
		CauseAt: d.at(), At: d.at()}
}

func (e *encoder) origin(o *origin) {
	e.raw(o.enrollment[:])
	e.string(o.step)
	e.string(o.role)
	e.properties(o.values)
	e.string(o.cause)
	e.at(o.received)
	e.at(o.occurred)
}

func (d *decoder) origin() *origin {
	return &origin{enrollment: d.id16(), step: d.string(), role: d.string(), values: d.properties(), cause: d.string(), received: d.at(), occurred: d.at()}
}

func (e *encoder) addressed(a *addressed) {
	e.string(a.step)
	e.at(a.until)
	e.uint(uint64(len(a.list)))
	for _, id := range a.list {
		e.fixed(uint64(id))
	}
}

func (d *decoder) addressed() *addressed {
	a := &addressed{step: d.string(), until: d.at()}
	for range d.length(8) {
		a.list = append(a.list, gateway.CustomerID(d.fixed()))
	}
	return a
}

// earlyChange puts the runs whose version is not known here yet.
type earlyChange struct{ list []gateway.AddressRecipient }

func (c earlyChange) encode(e *encoder) {
	e.byte(opEarly)
	c.body(e)
}

func (c earlyChange) body(e *encoder) {
	e.uint(uint64(len(c.list)))
	for i := range c.list {
		e.address(&c.list[i])
	}
}

func (d *decoder) earlyChange() (c earlyChange) {
	for range d.length(40) {
		c.list = append(c.list, d.address())
	}
	return c
}

func (c earlyChange) apply(p *Partition) { p.early = c.list }

// forgetRecipient removes an erased customer from all that names him.
func (p *Partition) forgetRecipient(id gateway.CustomerID) {
	p.early = slices.DeleteFunc(slices.Clone(p.early), func(a gateway.AddressRecipient) bool { return a.Customer == id })
	for _, c := range p.customers {
		for _, e := range c.enrollments {
			if e.addressed != nil {
				next := *e.addressed
				next.list = slices.DeleteFunc(slices.Clone(next.list), func(o gateway.CustomerID) bool { return o == id })
				e.own().addressed = &next
			}
		}
	}
}

// recipientChange decodes the changes of people and recipients.
func (d *decoder) recipientChange() change {
	switch d.op {
	case opPeople:
		return peopleChange{gateway.DeviceID(d.fixed()), d.owners()}
	case opEarly:
		return d.earlyChange()
	}
	return nil
}
