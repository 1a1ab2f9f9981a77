package journey

import (
	"maps"
	"slices"

	"touchpoint/gateway"
)

// The changes below put a whole thing as it stands: rarer than counting, and
// hard to get wrong.

// customerChange puts a customer's profile; it also makes him known.
type customerChange struct {
	id      gateway.CustomerID
	since   gateway.Instant
	profile *profile
}

func (c customerChange) encode(e *encoder) {
	e.byte(opCustomer)
	e.profile(c.id, c.since, c.profile)
}

func (c customerChange) apply(p *Partition) {
	cust := p.customer(c.id)
	cust.since, cust.profile = c.since, noProfile
	if !c.profile.isEmpty() {
		cust.profile = c.profile
		cust.locale, cust.zone, cust.country = p.intern(cust.locale), p.intern(cust.zone), p.intern(cust.country)
	}
}

// eraseChange removes a customer from everything on this partition.
type eraseChange struct{ id gateway.CustomerID }

func (c eraseChange) encode(e *encoder) {
	e.byte(opEraseCustomer)
	e.fixed(uint64(c.id))
}

func (c eraseChange) apply(p *Partition) {
	p.erased[c.id] = struct{}{}
	for d := range p.devices.all { // rare, and must miss none
		for i := range d.owners {
			if d.owners[i].customer == c.id {
				d.owners[i].customer = 0
			}
		}
		d.forgetPeople(p.gone)
		if d.owner != nil && d.owner.id == c.id {
			d.owner = nil
		}
	}
	for _, j := range p.journeys {
		j.dismiss(c.id)
		if j.limits != nil {
			j.limits.waiting = slices.DeleteFunc(j.limits.waiting, func(w *waiting) bool { return w.customer == c.id })
		}
	}
	p.forgetRecipient(c.id)
	p.dropCustomer(c.id)
	delete(p.left, c.id)
	delete(p.awaited, c.id)
	delete(p.strays, c.id)
}

// markChange puts a customer's history with a journey.
type markChange struct {
	customer gateway.CustomerID
	mark     mark
}

func (c markChange) encode(e *encoder) {
	e.byte(opMark)
	e.fixed(uint64(c.customer))
	e.mark(&c.mark)
}

func (c markChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	i, found := slices.BinarySearchFunc(cust.marks, c.mark.journey.index, func(m mark, index int) int {
		return compare(m.journey.index, index)
	})
	if !found {
		if len(cust.marks) == cap(cust.marks) {
			cust.marks = append(make([]mark, 0, len(cust.marks)+1), cust.marks...)
		}
		cust.marks = slices.Insert(cust.marks, i, mark{})
	}
	cust.marks[i] = c.mark
}

// enrollmentChange puts an enrollment.
type enrollmentChange struct {
	customer   gateway.CustomerID
	enrollment enrollment
}

func (c enrollmentChange) encode(e *encoder) {
	e.byte(opEnrollment)
	e.fixed(uint64(c.customer))
	e.enrollment(&c.enrollment)
}

func (c enrollmentChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	e := cust.enrollment(c.enrollment.id)
	if e == nil {
		e = &enrollment{extras: noExtras}
		cust.enrollments = append(cust.enrollments, e)
	} else if !e.ended() {
		e.v.running--
	}
	q := e.queued
	*e = c.enrollment
	e.c, e.queued = cust, q
	e.product, e.extras = p.intern(e.product), e.orNone()
	if !e.ended() {
		e.v.running++
	}
	p.schedule(e)
}

// forgetChange drops an ended enrollment.
type forgetChange struct {
	customer gateway.CustomerID
	id       gateway.EnrollmentID
}

func (c forgetChange) encode(e *encoder) {
	e.byte(opForget)
	e.fixed(uint64(c.customer))
	e.raw(c.id[:])
}

func (c forgetChange) apply(p *Partition) {
	cust := p.customers[c.customer]
	if cust == nil {
		return
	}
	cust.enrollments = slices.DeleteFunc(cust.enrollments, func(e *enrollment) bool {
		if e.id != c.id {
			return false
		}
		if !e.ended() {
			e.v.running--
		}
		e.due = 0
		return true
	})
}

// messageChange puts a message.
type messageChange struct {
	customer gateway.CustomerID
	message  message
}

func (c messageChange) encode(e *encoder) {
	e.byte(opMessage)
	e.fixed(uint64(c.customer))
	e.message(&c.message)
}

func (c messageChange) apply(p *Partition) {
	m := p.messages[c.message.id]
	if m == nil {
		m = &message{}
		p.messages[c.message.id] = m
		cust := p.customer(c.customer)
		cust.messages = append(cust.messages, m)
		m.c = cust
	}
	cust, q := m.c, m.queued
	*m = c.message
	m.c, m.queued = cust, q
	m.step, m.channel, m.purpose = p.intern(m.step), p.intern(m.channel), gateway.Purpose(p.intern(string(m.purpose)))
	p.schedule(m)
}

// forgetMessageChange drops a finished message.
type forgetMessageChange struct{ id gateway.MessageID }

func (c forgetMessageChange) encode(e *encoder) {
	e.byte(opForgetMessage)
	e.raw(c.id[:])
}

func (c forgetMessageChange) apply(p *Partition) {
	m := p.messages[c.id]
	if m == nil {
		return
	}
	m.due = 0
	delete(p.messages, c.id)
	m.c.messages = slices.DeleteFunc(m.c.messages, func(o *message) bool { return o == m })
}

// deviceChange puts a device's model and owners.
type deviceChange struct {
	device  gateway.DeviceID
	product string
	owners  []ownership
	zone    string
}

func (c deviceChange) encode(e *encoder) {
	e.byte(opDevice)
	e.fixed(uint64(c.device))
	e.string(c.product)
	e.owners(c.owners)
	e.string(c.zone)
}

func (c deviceChange) apply(p *Partition) {
	d := p.devices.get(c.device)
	if d == nil {
		d = &device{id: c.device}
		p.devices.put(d)
		delete(p.moved, c.device)
	}
	p.unlink(d)
	d.product, d.owners = p.intern(c.product), c.owners
	d.know(p.intern(c.zone), d.facts.doing())
	p.internRoles(d)
	p.link(d)
}

// internRoles keeps one copy of each role.
func (p *Partition) internRoles(d *device) {
	for i := range d.owners {
		d.owners[i].role = p.intern(d.owners[i].role)
	}
	for i := range d.facts.around() {
		d.facts.people[i].role = p.intern(d.facts.people[i].role)
	}
}

// link notes a device with its present owner, unlink takes it away.
func (p *Partition) link(d *device) {
	id := d.present()
	if id == 0 {
		return
	}
	if d.facts != nil {
		d.facts.told = nil
	}
	d.owner, d.ownedFrom = p.customers[id], d.owners[len(d.owners)-1].from
	if d.owner == nil {
		p.strays[id] = append(p.strays[id], d.id)
		return
	}
	if i, found := slices.BinarySearch(d.owner.devices, d.id); !found {
		d.owner.devices = slices.Insert(d.owner.devices, i, d.id)
	}
}

// linkStrays notes the devices that were here before their owner.
func (p *Partition) linkStrays(c *customer) {
	strays := p.strays[c.id]
	delete(p.strays, c.id)
	for _, id := range strays {
		p.link(p.devices.get(id))
	}
}

func (p *Partition) unlink(d *device) {
	if d.owner != nil {
		d.owner.devices = slices.DeleteFunc(d.owner.devices, func(id gateway.DeviceID) bool { return id == d.id })
		p.hurry(d.owner)
		d.owner = nil
	}
	id := d.present()
	if list := p.strays[id]; len(list) > 0 {
		if list = slices.DeleteFunc(list, func(s gateway.DeviceID) bool { return s == d.id }); len(list) == 0 {
			delete(p.strays, id)
		} else {
			p.strays[id] = list
		}
	}
}

// admitChange installs a device's state that came from another partition.
type admitChange struct{ device *device }

func (c admitChange) encode(e *encoder) {
	e.byte(opAdmit)
	e.device(c.device, 0)
}

func (c admitChange) apply(p *Partition) {
	if old := p.devices.get(c.device.id); old != nil {
		p.unlink(old)
	}
	c.device.product = p.intern(c.device.product)
	p.internRoles(c.device)
	p.devices.put(c.device)
	delete(p.moved, c.device.id)
	p.link(c.device)
}

// releaseChange drops a device and remembers where it went.
type releaseChange struct {
	device gateway.DeviceID
	to     int
}

func (c releaseChange) encode(e *encoder) {
	e.byte(opRelease)
	e.fixed(uint64(c.device))
	e.uint(uint64(c.to))
}

func (c releaseChange) apply(p *Partition) {
	if d := p.devices.get(c.device); d != nil {
		p.unlink(d)
		p.devices.remove(c.device)
	}
	p.moved[c.device] = c.to
}

// expectChange says that a device's state was asked for.
type expectChange struct{ device gateway.DeviceID }

func (c expectChange) encode(e *encoder) {
	e.byte(opExpect)
	e.fixed(uint64(c.device))
}

func (c expectChange) apply(p *Partition) {
	p.expected[c.device] = nil
	delete(p.moved, c.device)
}

// holdChange keeps an input until its device's state has come.
type holdChange struct {
	device gateway.DeviceID
	input  gateway.Input
}

func (c holdChange) encode(e *encoder) {
	e.byte(opHold)
	e.fixed(uint64(c.device))
	e.input(&c.input)
}

func (c holdChange) apply(p *Partition) {
	p.expected[c.device] = append(p.expected[c.device], c.input)
}

// unholdChange takes all inputs that were held; the device is expected no more.
type unholdChange struct{ device gateway.DeviceID }

func (c unholdChange) encode(e *encoder) {
	e.byte(opUnhold)
	e.fixed(uint64(c.device))
}

func (c unholdChange) apply(p *Partition) { delete(p.expected, c.device) }

// cursorChange notes how far the inputs of another partition were taken.
type cursorChange struct{ from gateway.Forwarded }

func (c cursorChange) encode(e *encoder) {
	e.byte(opCursor)
	e.uint(uint64(c.from.Partition))
	e.uint(c.from.Step)
	e.uint(uint64(c.from.Index))
}

func (c cursorChange) apply(p *Partition) { p.cursors[c.from.Partition] = c.from }

// sortedIDs returns the keys of a map in rising order.
func sortedIDs[K gateway.CustomerID | gateway.DeviceID | int | uint64, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
