package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// People of a device
//
// Beside who has a device (device.go) it knows who uses it too, pays for it,
// sold it or looks after it. Events are never theirs. They are kept where the
// device is and travel with it. Who uses it or pays for it does so in the time of
// one holder: with that they end. A dealer and staff stay.

// The roles of a binding.
const (
	roleUser   = "user"
	rolePayer  = "payer"
	roleDealer = "dealer"
	roleStaff  = "staff"
)

// maxPeople bounds who is known beside the holder of one device: beyond it those
// go whose time ended first; while all last, another one is refused.
const maxPeople = 16

// bystander reports whether a role is one beside the owner's: who pays for a
// device, sold it or looks after it does not take it over. A user does so only
// where nobody has it.
func bystander(role string) bool { return role == rolePayer || role == roleDealer || role == roleStaff }

// people are who is known of a device beside its holders, by from.
func (f *facts) around() []ownership {
	if f == nil {
		return nil
	}
	return f.people
}

// lasts reports whether an interval holds at t.
func (o *ownership) lasts(t gateway.Instant) bool { return o.from <= t && (o.to == 0 || t < o.to) }

// bindPerson notes a person where the device is. done is false for a user of a
// device that nobody had: he takes it, as c now says.
func (p *Partition) bindPerson(c *gateway.BindDevice) (o gateway.Outcome, done bool) {
	if o, done := p.route(c.Device, &gateway.Input{Command: *c}); done {
		return o, true
	}
	d := p.devices.get(c.Device)
	if c.Role == roleUser {
		holder := gateway.CustomerID(0)
		if d != nil {
			holder = d.ownerAt(c.At)
		}
		if holder == 0 || holder == c.Customer {
			c.Holds = true
			return gateway.Outcome{}, false
		}
	}
	if d == nil || d.product == "" && c.Product != "" {
		known := deviceChange{device: c.Device, product: clone(c.Product), zone: clone(c.TimeZone)}
		if d != nil {
			known.owners, known.zone = slices.Clone(d.owners), cmp.Or(d.facts.where(), known.zone)
		}
		p.putDevice(known)
		d = p.devices.get(c.Device)
	}
	if !p.joinPeople(d, *c) {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}, true
	}
	return gateway.Outcome{Customer: c.Customer}, true
}

// joinPeople adds a person; false when there is no room.
func (p *Partition) joinPeople(d *device, c gateway.BindDevice) bool {
	n := ownership{customer: c.Customer, role: clone(c.Role), from: c.At}
	for _, o := range d.facts.around() { // he has the role then, or has it later
		if o.customer != n.customer || o.role != n.role {
			continue
		}
		if o.lasts(n.from) {
			p.announce(d.id, cmp.Or(d.product, c.Product), o)
			return true
		}
		if o.from > n.from { // they are sorted by it
			n.to = o.from
			break
		}
	}
	return p.putPeople(d, append(slices.Clone(d.facts.around()), n))
}

// putPeople records the people of a device: those who use it or pay for it stay
// no longer than the holder whom they belong to. It announces what is new.
func (p *Partition) putPeople(d *device, list []ownership) bool {
	before := d.facts.around()
	for i := range list {
		if o := &list[i]; o.role == roleUser || o.role == rolePayer {
			o.to = sooner(o.to, d.tenureEnd(o.from))
		}
	}
	slices.SortFunc(list, func(a, b ownership) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.customer, b.customer), cmp.Compare(a.role, b.role))
	})
	fresh := slices.DeleteFunc(slices.Clone(list), func(o ownership) bool { return slices.Contains(before, o) })
	if len(fresh) == 0 {
		return true
	}
	for len(list) > maxPeople {
		i := firstEnded(list)
		if i < 0 {
			return false
		}
		list = slices.Delete(list, i, i+1)
	}
	do(p, peopleChange{d.id, list})
	for _, o := range fresh {
		p.announce(d.id, d.product, o)
		if o.to != 0 {
			p.recallPerson(d, o.customer)
		}
	}
	return true
}

func firstEnded(list []ownership) int {
	at := -1
	for i := range list {
		if list[i].to != 0 && (at < 0 || list[i].to < list[at].to) {
			at = i
		}
	}
	return at
}

// tenureEnd is the end of the holder's interval that an instant belongs to: the
// one around it, else the next one. 0 = it lasts, or there is none.
func (d *device) tenureEnd(t gateway.Instant) gateway.Instant {
	for i := range d.owners {
		if to := d.owners[i].to; t < to {
			return to
		}
	}
	return 0
}

// settlePeople looks at the people anew after the holders of a device changed;
// more are users who held it where somebody else is known to have had it.
func (p *Partition) settlePeople(d *device, more []ownership) {
	p.putPeople(d, append(slices.Clone(d.facts.around()), more...))
}

// yieldUsers takes those users out of the holders behind the i-th whose time
// began in his: they had it beside him.
func yieldUsers(owners []ownership, i int) (rest, users []ownership) {
	for i+1 < len(owners) && owners[i+1].role == roleUser && owners[i+1].customer != owners[i].customer {
		users = append(users, owners[i+1])
		owners = slices.Delete(owners, i+1, i+2)
	}
	return owners, users
}

// yields reports whether who has the device gives way to one who came to have it
// at t: who came before, and a user also to who came earlier than he.
func (d *device) yields(t gateway.Instant) bool {
	for _, o := range slices.Backward(d.owners) {
		if o.from <= t {
			break
		}
		if o.role != roleUser {
			return false
		}
	}
	return true
}

// unbindPerson ends what somebody who does not have the device is to it; false
// when he is nothing to it.
func (p *Partition) unbindPerson(d *device, c gateway.UnbindDevice) bool {
	list := slices.Clone(d.facts.around())
	found := false
	for i := range list {
		if o := &list[i]; o.customer == c.Customer && (o.to == 0 || o.to > c.At) {
			o.to, found = max(c.At, o.from), true
		}
	}
	if found {
		p.putPeople(d, list)
	}
	return found
}

// People lists who is known of a device beside its holders.
func (p *Partition) People(id gateway.DeviceID) (list []gateway.Ownership) {
	if d := p.devices.get(id); d != nil {
		for _, o := range d.facts.around() {
			list = append(list, gateway.Ownership{Device: id, Product: d.product, Customer: o.customer, Role: o.role, From: o.from, To: o.to})
		}
	}
	return list
}

// setPeople changes the people; only changes call it.
func (d *device) setPeople(list []ownership) {
	if d.facts != nil || len(list) > 0 {
		d.fact().people = list
	}
}

// forgetPeople removes erased customers.
func (d *device) forgetPeople(gone func(gateway.CustomerID) bool) {
	if d.facts != nil {
		d.facts.people = slices.DeleteFunc(d.facts.people, func(o ownership) bool { return gone(o.customer) })
	}
}

// peopleChange puts the people of a device.
type peopleChange struct {
	device gateway.DeviceID
	people []ownership
}

func (c peopleChange) encode(e *encoder) {
	e.byte(opPeople)
	e.fixed(uint64(c.device))
	e.owners(c.people)
}

func (c peopleChange) apply(p *Partition) {
	if d := p.devices.get(c.device); d != nil {
		d.setPeople(c.people)
		p.internRoles(d)
	}
}
