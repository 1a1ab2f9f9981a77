package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Where a customer lives
//
// A customer lives at his home, the partition that his id gives, or, as a
// member of a group, at the group's. He moves with his whole state and his
// devices, in the way in which devices move (device.go):
//
//   - The partition that wants him notes that it expects him and sends
//     ReleaseCustomer: along the mark that it left when he went away, else to
//     his home. It holds what comes for him.
//   - The partition where he lives exports him with AdmitCustomer and leaves a
//     mark. What still arrives there goes on along the mark.
//
// Marks lead forward along the way that he took, so that of two partitions
// that want him each gets him in turn, and an input reaches him wherever it
// was sent. The mark of his home stays for as long as he is away.

// locateCustomer finds a customer. One whom nobody has seen is made at his home.
func (p *Partition) locateCustomer(id gateway.CustomerID) (at place, to int) {
	if p.customers[id] != nil {
		return here, 0
	}
	if _, ok := p.awaited[id]; ok {
		return awaited, 0
	}
	if to, ok := p.left[id]; ok {
		return elsewhere, to
	}
	if home := gateway.HomeOf(id, 0, p.cfg.Partitions); home != p.cfg.Partition {
		return elsewhere, home
	}
	return here, 0
}

// routeCustomer sends an input of a customer to where he lives; done is false
// when that is here and the input is to be applied.
func (p *Partition) routeCustomer(id gateway.CustomerID, in *gateway.Input) (o gateway.Outcome, done bool) {
	switch at, to := p.locateCustomer(id); at {
	case awaited:
		do(p, holdCustomerChange{id, cloneInput(in)})
		return gateway.Outcome{Disposition: gateway.Held, Customer: id}, true
	case elsewhere:
		p.forward(to, *in)
		return gateway.Outcome{Disposition: gateway.Passed, Customer: id}, true
	}
	return o, false
}

// credit gives an event that a device's partition accepted to its owner.
func (p *Partition) credit(owner gateway.CustomerID, ev *gateway.Event) {
	in := gateway.Input{Command: gateway.CustomerEvent{Customer: owner, Event: *ev}}
	if _, done := p.routeCustomer(owner, &in); !done {
		p.take(p.meet(owner), ev)
	}
}

// releaseCustomer gives a customer's state to the partition that expects it.
func (p *Partition) releaseCustomer(in *gateway.Input, c gateway.ReleaseCustomer) gateway.Outcome {
	if c.Customer == 0 || c.To == p.cfg.Partition || c.To < 0 || c.To >= p.cfg.Partitions || p.gone(c.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	if o, done := p.routeCustomer(c.Customer, in); done {
		return o
	}
	p.exportCustomer(p.meet(c.Customer), c.To)
	return gateway.Outcome{Customer: c.Customer}
}

// exportCustomer sends a customer away with his devices and leaves marks.
func (p *Partition) exportCustomer(c *customer, to int) {
	p.settleActions() // what this input put off for him
	e := encoder{b: []byte{formatVersion}}
	e.uint(uint64(len(c.devices)))
	for _, d := range c.devices {
		e.device(p.devices.get(d), p.oldestDay())
	}
	p.encodeNames(&e, c.id)
	moved := *c
	moved.counters = p.usedCounters(c)
	e.customer(p, &moved, p.oldestDay())
	p.forward(to, gateway.Input{Command: gateway.AdmitCustomer{Customer: c.id, State: e.b}})
	var versions []*version
	for _, e := range c.enrollments {
		if !e.ended() {
			versions = append(versions, e.v)
		}
	}
	for _, d := range slices.Clone(c.devices) {
		do(p, releaseChange{d, to})
		p.out.Routes = append(p.out.Routes, gateway.Route{Device: d, Partition: to, Customer: c.id})
	}
	do(p, departChange{c.id, to})
	for _, v := range versions {
		p.drained(v)
	}
}

// admitCustomer takes in a customer's state and then what waited for him. When
// it speaks of a definition that this partition has not seen yet, it waits.
func (p *Partition) admitCustomer(in *gateway.Input, c gateway.AdmitCustomer) gateway.Outcome {
	a := p.readArrival(c.Customer, c.State)
	switch {
	case a == nil || c.Customer == 0 || p.customers[c.Customer] != nil:
		return gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	case !a.known && !p.gone(c.Customer):
		do(p, holdCustomerChange{c.Customer, cloneInput(in)})
		return gateway.Outcome{Disposition: gateway.Held, Customer: c.Customer}
	}
	devices := p.install(a.devices)
	if a.known {
		do(p, arriveChange{c.Customer, slices.Clone(c.State)})
		p.welcome(p.customers[c.Customer])
		if p.brake.on { // what he brought along is held back, too
			do(p, sweepChange{append(slices.Clone(p.brake.sweeps), sweep{journey: -1})})
		}
	}
	if p.gone(c.Customer) { // erased while he was on his way
		p.eraseHere(c.Customer)
	} else {
		p.settleIn(p.customers[c.Customer], a)
	}
	p.takeHeldFor(c.Customer)
	p.goWhereHeBelongs(c.Customer)
	for _, d := range devices {
		p.takeHeldForDevice(d)
	}
	return gateway.Outcome{Customer: c.Customer}
}

// goWhereHeBelongs sends a customer on who was called by a partition that has
// no need of him any more.
func (p *Partition) goWhereHeBelongs(id gateway.CustomerID) {
	c := p.customers[id]
	if c == nil {
		return
	}
	if to := gateway.HomeOf(id, c.groupOf(), p.cfg.Partitions); to != p.cfg.Partition {
		p.exportCustomer(c, to)
	}
}

// install takes in the devices that came with a customer, and returns them.
func (p *Partition) install(devices []*device) (ids []gateway.DeviceID) {
	for _, d := range devices {
		if p.devices.get(d.id) == nil {
			p.installDevice(d)
			ids = append(ids, d.id)
		}
	}
	return ids
}

// takeHeldFor takes what waited for a customer.
func (p *Partition) takeHeldFor(id gateway.CustomerID) {
	held, expected := p.awaited[id]
	if !expected {
		return
	}
	do(p, unholdCustomerChange{id})
	p.takeHeld(held)
}

// takeHeld takes inputs that were held; one of them may send its subject on:
// dispatch looks again.
func (p *Partition) takeHeld(held []gateway.Input) {
	for i := range held {
		in := &held[i]
		outcome := p.dispatch(in)
		if in.Command == nil && outcome.Disposition != gateway.Passed && outcome.Disposition != gateway.Held {
			p.out.Late = append(p.out.Late, gateway.LateEvent{Event: in.Event, Outcome: outcome, AppliedAt: p.now})
		}
	}
}

// settleIn tells delivery about the messages of a customer who came, and makes
// good what the scans of this partition were past already.
func (p *Partition) settleIn(c *customer, a *arrival) {
	for _, m := range c.messages {
		if m.full != nil && m.state != gateway.MessageMissedWindow {
			p.out.MovedIn = append(p.out.MovedIn, *m.full)
		}
	}
	for _, e := range c.enrollments {
		if !e.ended() {
			p.runsAgain(e.v)
		}
	}
	p.ids = nil // a scan under way looks anew for who is there
	for _, s := range a.scanned {
		p.catchUp(s, c)
	}
	for _, w := range a.waiting {
		if j := w.journey; j.active != nil && j.state != gateway.JourneyPaused {
			p.enter(w.entry.entry(j.active, c))
		} else {
			do(p, waitChange{j, w.entry})
		}
	}
}

// runsAgain takes back that a version is finished: somebody came who is inside.
func (p *Partition) runsAgain(v *version) {
	if v.state != gateway.JourneyFinished {
		return
	}
	change := v.journey.put()
	change.states[slices.Index(v.journey.versions, v)] = gateway.JourneyDraining
	if v == v.journey.active {
		change.state = gateway.JourneyDraining
	}
	do(p, change)
	p.status(v, gateway.JourneyDraining)
}

// catchUp does for a customer what a scan did for the others before he came.
func (p *Partition) catchUp(s scanned, c *customer) {
	j := s.journey
	if j.active == nil || s.done && s.active == j.active.number {
		return
	}
	if j.scan.kind != scanNone && j.scan.next <= c.id {
		return // it will come to him
	}
	if j.active.migrate != "" && j.active.migrate != "pin" {
		p.migrate(j, c)
	}
	switch {
	case j.state == gateway.JourneyPaused && j.active.existing && !j.scansPaused():
		p.invite(j, c, 0)
	case !p.enterExisting(j, c, true):
		p.invite(j, c, p.now)
	}
}

// retryArrivals takes the customers again whose state spoke of a definition
// that was unknown here.
func (p *Partition) retryArrivals() {
	for _, id := range sortedIDs(p.awaited) {
		held := p.awaited[id]
		i := slices.IndexFunc(held, func(in gateway.Input) bool {
			_, is := in.Command.(gateway.AdmitCustomer)
			return is
		})
		if i < 0 {
			continue
		}
		admit := held[i].Command.(gateway.AdmitCustomer)
		if a := p.readArrival(id, admit.State); a != nil && a.known {
			rest := slices.Delete(slices.Clone(held), i, i+1)
			do(p, expectCustomerChange{id})
			for j := range rest {
				do(p, holdCustomerChange{id, rest[j]})
			}
			p.admitCustomer(&gateway.Input{Command: admit}, admit)
		}
	}
}

func (p *Partition) encodeResidences(e *encoder) {
	left := sortedIDs(p.left)
	e.uint(uint64(len(left)))
	for _, id := range left {
		e.fixed(uint64(id))
		e.uint(uint64(p.left[id]))
	}
	held := sortedIDs(p.awaited)
	e.uint(uint64(len(held)))
	for _, id := range held {
		e.fixed(uint64(id))
		e.uint(uint64(len(p.awaited[id])))
		for i := range p.awaited[id] {
			e.input(&p.awaited[id][i])
		}
	}
}

func (d *decoder) residences(p *Partition) {
	for range d.length(9) {
		p.left[gateway.CustomerID(d.fixed())] = int(d.uint())
	}
	for range d.length(9) {
		id := gateway.CustomerID(d.fixed())
		p.awaited[id] = nil
		for range d.length(2) {
			p.awaited[id] = append(p.awaited[id], d.input())
		}
	}
}
