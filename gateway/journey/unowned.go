package journey

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// Events that belong to nobody
//
// Traits are a customer's: of a device that nobody has nothing is counted. An
// event trigger decides about each of its events; the triggers that count or
// wait say `no_customer` once per journey, at the first event that they would
// have looked at, until the device is bound. The others are counted.

// nobody decides about an event that no customer had the device for.
func (p *Partition) nobody(ev *gateway.Event) {
	for _, v := range p.listeners(ev.Type) {
		switch {
		case !p.concerns(v, ev):
			p.filteredOut(v)
		case v.def.trigger.kind == triggerEvent || p.tellUnowned(v, ev):
			p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonNoCustomer}, ev)
		default:
			p.countUnowned(v)
		}
	}
}

// concerns reports whether a trigger would look at an event, as far as that can
// be said without a customer.
func (p *Partition) concerns(v *version, ev *gateway.Event) bool {
	tr := &v.def.trigger
	switch {
	case tr.kind == triggerEvent:
		return p.mayHold(tr.where, v, ev)
	case tr.sequence != nil:
		return slices.ContainsFunc(tr.sequence.steps, func(l listener) bool {
			return l.event == ev.Type && p.mayHold(l.where, v, ev)
		})
	}
	return p.mayHold(v.def.traits[tr.trait].where, v, ev)
}

// mayHold reports whether a condition holds of an event, or would depend on who
// the customer is.
func (p *Partition) mayHold(c *condition, v *version, ev *gateway.Event) bool {
	switch c.eval(p.look(nil, v, nil, ev)) {
	case yes:
		return true
	case unavailable:
		return slices.ContainsFunc(c.refs, func(r fieldRef) bool { return r.root == "customer" || r.root == "trait" })
	}
	return false
}

// tellUnowned reports whether nothing was said yet of a journey and a device
// that nobody has, and notes that it is said now.
func (p *Partition) tellUnowned(v *version, ev *gateway.Event) bool {
	d, name := p.devices.get(ev.Device), xxhash.Sum64String(v.journey.name)
	if d == nil || d.present() != 0 || slices.Contains(d.facts.unownedFor(), name) {
		return false
	}
	do(p, toldChange{d.id, name})
	return true
}

// countUnowned counts an event about which no decision is made.
func (p *Partition) countUnowned(v *version) {
	p.counting(v)
	v.unowned++
}

// unownedFor lists the journeys that said they found no customer.
func (f *facts) unownedFor() []uint64 {
	if f == nil {
		return nil
	}
	return f.told
}

// toldChange notes that a journey said so.
type toldChange struct {
	device  gateway.DeviceID
	journey uint64 // hash of the name: a device may move
}

func (c toldChange) encode(e *encoder) {
	e.byte(opTold)
	e.fixed(uint64(c.device))
	e.fixed(c.journey)
}

func (c toldChange) apply(p *Partition) {
	if d := p.devices.get(c.device); d != nil {
		f := d.fact()
		f.told = append(f.told, c.journey)
	}
}

func (e *encoder) told(list []uint64) {
	e.uint(uint64(len(list)))
	for _, h := range list {
		e.fixed(h)
	}
}

func (d *decoder) told() (list []uint64) {
	for range d.length(8) {
		list = append(list, d.fixed())
	}
	return list
}
