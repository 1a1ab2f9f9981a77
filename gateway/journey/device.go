package journey

import (
	"slices"

	"touchpoint/gateway"
)

// place says where a device's inputs go.
type place uint8

const (
	here      place = iota // its state is here
	awaited                // its state was asked for: hold
	elsewhere              // forward
)

// locate finds the device. A device that nobody has seen is made at its home.
func (p *Partition) locate(id gateway.DeviceID) (at place, to int) {
	if p.devices.get(id) != nil {
		return here, 0
	}
	if _, ok := p.expected[id]; ok {
		return awaited, 0
	}
	if to, ok := p.moved[id]; ok {
		return elsewhere, to
	}
	if home := gateway.DeviceSubject(id).Partition(p.cfg.Partitions); home != p.cfg.Partition {
		return elsewhere, home
	}
	return here, 0
}

// route sends an input of a device to where it belongs; done is false when the
// device is here and the input is to be applied.
func (p *Partition) route(id gateway.DeviceID, in *gateway.Input) (o gateway.Outcome, done bool) {
	switch at, to := p.locate(id); at {
	case awaited:
		do(p, holdChange{id, cloneInput(in)})
		return gateway.Outcome{Disposition: gateway.Held}, true
	case elsewhere:
		p.forward(to, *in)
		p.out.Routes = append(p.out.Routes, gateway.Route{Device: id, Partition: to})
		return gateway.Outcome{Disposition: gateway.Passed}, true
	}
	return o, false
}

// deviceEvent takes an event of a device: is it known already, whose is it,
// what does it mean for him.
func (p *Partition) deviceEvent(in *gateway.Input) gateway.Outcome {
	ev := &in.Event
	d := p.devices.get(ev.Device)
	if d == nil {
		if o, done := p.route(ev.Device, in); done {
			return o
		}
	}
	if ev.OccurredAt < p.cfg.DedupWindow.before(p.now) {
		return p.tooOld(ev, d)
	}
	id := identify(ev)
	if d == nil || d.product != ev.Product && ev.Product != "" {
		d = p.meetDevice(d, ev)
	}
	if d.seen.has(id, p.oldestDay()) {
		return gateway.Outcome{Disposition: gateway.Duplicate, Customer: d.ownerAt(ev.OccurredAt)}
	}
	do(p, seenChange{ev.Device, id, d})
	changed := p.noteState(d, ev)
	if len(p.cfg.Uploads) > 0 {
		p.hearDevice(d, ev)
	}
	if d.owner != nil && ev.OccurredAt >= d.ownedFrom { // the plain case
		owner := d.owner.id
		p.take(d.owner, ev)
		p.stateNoted(changed, d)
		return gateway.Outcome{Customer: owner}
	}
	owner := d.ownerAt(ev.OccurredAt)
	switch {
	case owner == 0:
		p.nobody(ev)
	case d.owner != nil && d.owner.id == owner:
		p.take(d.owner, ev)
	default:
		p.credit(owner, ev)
	}
	p.stateNoted(changed, d)
	return gateway.Outcome{Customer: owner}
}

// meetDevice notes a device or its model for the first time.
func (p *Partition) meetDevice(d *device, ev *gateway.Event) *device {
	c := deviceChange{device: ev.Device, product: clone(ev.Product)}
	if d != nil {
		c.owners, c.zone = slices.Clone(d.owners), d.facts.where()
	}
	do(p, c)
	return p.devices.get(ev.Device)
}

// tooOld credits an event that lies before the duplicate window to its owner,
// for history alone.
func (p *Partition) tooOld(ev *gateway.Event, d *device) gateway.Outcome {
	o := gateway.Outcome{Disposition: gateway.TooOld}
	if d != nil {
		o.Customer = d.ownerAt(ev.OccurredAt)
	}
	for _, v := range p.listeners(ev.Type) {
		if v.def.trigger.kind == triggerEvent && v.def.trigger.where.eval(p.look(nil, v, nil, ev)) == yes {
			p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonTooOldToDedup, Customer: o.Customer}, ev)
		}
	}
	return o
}

// bindDevice gives a device to a customer of this partition.
func (p *Partition) bindDevice(in *gateway.Input, c gateway.BindDevice) gateway.Outcome {
	if c.Customer == 0 || c.Device == 0 || p.gone(c.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if c.At == 0 {
		c.At = p.now
	}
	if bystander(c.Role) || c.Role == roleUser && !c.Holds {
		if o, done := p.bindPerson(&c); done {
			return o
		}
	}
	if o, done := p.routeCustomer(c.Customer, &gateway.Input{Command: c}); done {
		return o
	}
	at, to := p.locate(c.Device)
	switch at {
	case here:
		p.bindHere(c)
		return gateway.Outcome{Customer: c.Customer}
	case elsewhere:
		p.expect(c, to)
	}
	held := *in
	held.Command = c
	do(p, holdChange{c.Device, cloneInput(&held)})
	return gateway.Outcome{Disposition: gateway.Held, Customer: c.Customer}
}

// expect asks for the device's state: along the mark that this partition left
// when it gave the device away, else at the device's home. Both lead forward
// along the way that the device took, so that of two partitions that want it
// one always gets it. The command's Holder could lead to a third one that only
// waits itself, and round in a circle: it is not used.
func (p *Partition) expect(c gateway.BindDevice, to int) {
	do(p, expectChange{c.Device})
	p.forward(to, gateway.Input{Command: gateway.ReleaseDevice{Device: c.Device, To: p.cfg.Partition, At: c.At}})
}

// bindHere gives a device that is here to a customer.
func (p *Partition) bindHere(c gateway.BindDevice) {
	d := p.devices.get(c.Device)
	if d != nil && c.Role == roleUser && d.ownerAt(c.At) != 0 && d.ownerAt(c.At) != c.Customer { // somebody came to have it
		p.joinPeople(d, c)
		return
	}
	p.meet(c.Customer)
	change := deviceChange{device: c.Device, product: clone(c.Product), zone: clone(c.TimeZone)}
	before := gateway.CustomerID(0)
	if d != nil {
		change.owners = slices.Clone(d.owners)
		before = d.present()
		if c.Product == "" {
			change.product = d.product
		}
		if c.TimeZone == "" {
			change.zone = d.facts.where()
		}
	}
	if before == c.Customer && d.owners[len(d.owners)-1].from <= c.At {
		p.bindAgain(d, change, c.Role)
		return
	}
	i, users := p.insertOwner(&change, c)
	p.putDevice(change)
	p.announce(c.Device, change.product, change.owners[i])
	p.settlePeople(p.devices.get(c.Device), users)
	now := p.devices.get(c.Device).present()
	if before != 0 && before != now && p.customers[before] != nil {
		p.deviceLeft(p.customers[before], c.Device)
	}
	p.out.Routes = append(p.out.Routes, gateway.Route{Device: c.Device, Partition: p.cfg.Partition, Customer: now})
}

// putDevice changes a device's owners, model or zone; the schedules of those who
// had it and have it follow their clocks.
func (p *Partition) putDevice(c deviceChange) {
	var before *customer
	if d := p.devices.get(c.device); d != nil {
		before = d.owner
	}
	do(p, c)
	p.rezone(before)
	p.rezone(p.devices.get(c.device).owner)
}

// bindAgain takes what is told of a device to who has it already: its model, its
// zone, and that its user is its owner.
func (p *Partition) bindAgain(d *device, change deviceChange, role string) {
	last := &change.owners[len(change.owners)-1]
	promoted := last.role == roleUser && role != roleUser
	if promoted {
		last.role = clone(role)
	}
	if promoted || change.product != d.product || change.zone != d.facts.where() {
		p.putDevice(change)
	}
	p.announce(d.id, change.product, *last)
}

// insertOwner puts an interval at its place among the device's owners: it ends
// the one before and lasts until the next. It returns the place, and the users
// who held the device meanwhile.
func (p *Partition) insertOwner(change *deviceChange, c gateway.BindDevice) (i int, users []ownership) {
	o := ownership{customer: c.Customer, role: clone(c.Role), from: c.At}
	i = len(change.owners)
	for i > 0 && change.owners[i-1].from >= c.At {
		i--
	}
	if i > 0 {
		if prev := &change.owners[i-1]; prev.to == 0 || prev.to > c.At {
			prev.to = c.At
			p.announce(c.Device, change.product, *prev)
		}
	}
	if i < len(change.owners) && change.owners[i].from == c.At && (change.owners[i].role != roleUser || change.owners[i].customer == c.Customer) {
		replaced := change.owners[i]
		replaced.to = c.At
		p.announce(c.Device, change.product, replaced)
		change.owners[i] = o
	} else {
		change.owners = slices.Insert(change.owners, i, o)
	}
	change.owners, users = yieldUsers(change.owners, i)
	if i+1 < len(change.owners) {
		change.owners[i].to = change.owners[i+1].from
	}
	return i, users
}

// announce tells the read model about an interval.
func (p *Partition) announce(d gateway.DeviceID, product string, o ownership) {
	if o.customer == 0 {
		return
	}
	p.out.Ownerships = append(p.out.Ownerships, gateway.Ownership{Device: d, Product: product,
		Customer: o.customer, Role: o.role, From: o.from, To: o.to})
}

// unbindDevice ends the ownership; the device's state goes home.
func (p *Partition) unbindDevice(in *gateway.Input, c gateway.UnbindDevice) gateway.Outcome {
	if o, done := p.route(c.Device, in); done {
		return o
	}
	d := p.devices.get(c.Device)
	if d == nil {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if c.At == 0 {
		c.At = p.now
	}
	owner := d.present()
	if c.Customer != owner && p.unbindPerson(d, c) {
		return gateway.Outcome{Customer: c.Customer}
	}
	if owner == 0 || c.Customer != 0 && c.Customer != owner {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	}
	owners := slices.Clone(d.owners)
	last := &owners[len(owners)-1]
	last.to = max(c.At, last.from)
	p.putDevice(deviceChange{device: d.id, product: d.product, owners: owners, zone: d.facts.where()})
	p.announce(d.id, d.product, *last)
	p.settlePeople(d, nil)
	if cust := p.customers[owner]; cust != nil {
		p.deviceLeft(cust, d.id)
	}
	if home := gateway.DeviceSubject(d.id).Partition(p.cfg.Partitions); home != p.cfg.Partition {
		p.export(d, home)
	} else {
		p.out.Routes = append(p.out.Routes, gateway.Route{Device: d.id, Partition: home})
	}
	return gateway.Outcome{Customer: owner}
}

// export sends a device's state away and leaves a forwarding mark.
func (p *Partition) export(d *device, to int) {
	e := encoder{b: []byte{formatVersion}}
	e.device(d, p.oldestDay())
	p.forward(to, gateway.Input{Command: gateway.AdmitDevice{Device: d.id, State: e.b}})
	owner := d.owner
	do(p, releaseChange{d.id, to})
	p.rezone(owner)
	p.out.Routes = append(p.out.Routes, gateway.Route{Device: d.id, Partition: to})
}

// releaseDevice gives a device's state to the partition that expects it.
func (p *Partition) releaseDevice(in *gateway.Input, c gateway.ReleaseDevice) gateway.Outcome {
	if c.To == p.cfg.Partition || c.To < 0 || c.To >= p.cfg.Partitions {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if o, done := p.route(c.Device, in); done {
		return o
	}
	d := p.devices.get(c.Device)
	if d == nil { // nobody has seen it: its state is empty
		d = &device{id: c.Device}
	}
	if owner := p.customers[d.present()]; owner != nil && d.yields(c.At) {
		p.deviceLeft(owner, d.id) // unless the new owner was one before him: then it comes back
	}
	p.export(d, c.To)
	return gateway.Outcome{}
}

// admitDevice takes in a device's state and then what waited for it.
func (p *Partition) admitDevice(c gateway.AdmitDevice) gateway.Outcome {
	d := decoder{b: c.State}
	if d.byte() != formatVersion {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	dev := d.device()
	if d.err("device") != nil || dev.id != c.Device || p.devices.get(c.Device) != nil {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	p.installDevice(dev)
	p.takeHeldForDevice(c.Device)
	return gateway.Outcome{}
}

// installDevice takes in a device's state.
func (p *Partition) installDevice(dev *device) {
	for i := range dev.owners {
		if p.gone(dev.owners[i].customer) {
			dev.owners[i].customer = 0
		}
	}
	dev.forgetPeople(p.gone)
	do(p, admitChange{dev})
	p.rezone(dev.owner)
	p.out.Routes = append(p.out.Routes, gateway.Route{Device: dev.id, Partition: p.cfg.Partition, Customer: dev.present()})
}

// takeHeldForDevice takes what waited for a device. When its owner does not
// live here, it goes on to where he does.
func (p *Partition) takeHeldForDevice(id gateway.DeviceID) {
	if held, expected := p.expected[id]; expected {
		do(p, unholdChange{id})
		p.takeHeld(held)
	}
	d := p.devices.get(id)
	if d == nil || d.present() == 0 {
		return
	}
	if at, to := p.locateCustomer(d.present()); at == elsewhere {
		p.export(d, to)
	}
}

// deviceLeft ends what the customer's journeys do on a device that he no longer
// has, and takes back what it did not show yet.
func (p *Partition) deviceLeft(c *customer, d gateway.DeviceID) {
	for _, e := range slices.Clone(c.enrollments) {
		if e.device == d && !e.ended() && e.origin == nil {
			p.endEnrollment(e, gateway.ReasonUnbound, nil, "")
		}
	}
	p.withdraw(c, string(gateway.ReasonUnbound), func(m *message) bool { return m.device == d && m.channel == productChannel })
}
