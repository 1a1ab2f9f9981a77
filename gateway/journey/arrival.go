package journey

import (
	"slices"

	"touchpoint/gateway"
)

// A customer's state in transit: the version byte, his devices, the names of
// journeys and counters, and his state as a snapshot holds it. Snapshots name
// journeys and counters by numbers that each partition gives itself; the names
// translate them.

// translation maps the numbers of another partition to what they mean here.
type translation struct {
	journeys []*journey
	traits   []*trait
}

// arrival is the head of a state in transit.
type arrival struct {
	translation
	devices []*device
	scanned []scanned
	waiting []waitingAt // entries that ask for a place under a limit
	body    []byte
	known   bool // this partition has seen every definition that it speaks of
}

// waitingAt is an entry that waits for a grant.
type waitingAt struct {
	journey *journey
	entry   *waiting
}

// scanned says how far the other partition's scans of a journey were.
type scanned struct {
	journey *journey
	active  uint32 // the version that was active there, 0 for none
	done    bool   // the customer was looked at
}

// encodeNames writes what translates journeys and counters.
func (p *Partition) encodeNames(e *encoder, c gateway.CustomerID) {
	e.uint(uint64(len(p.journeys)))
	for _, j := range p.journeys {
		e.string(j.name)
		e.uint(uint64(j.versions[len(j.versions)-1].number))
		active := uint32(0)
		if j.active != nil {
			active = j.active.number
		}
		e.uint(uint64(active))
		e.bool((j.scan.kind == scanNone || j.scan.next > c) && !slices.Contains(j.scan.guests, c))
	}
	e.uint(uint64(len(p.traits)))
	for _, t := range p.traits {
		if p.inUse(t) {
			e.string(t.key)
		} else {
			e.string("")
		}
	}
	p.encodeWaiting(e, c)
}

// inUse reports whether a stored definition or the rules in force have the
// counter. Others stay behind when a customer moves.
func (p *Partition) inUse(t *trait) bool {
	if slices.ContainsFunc(p.classSets, func(rs *classRules) bool {
		return (rs == p.classRules || rs.v.fill != nil) && slices.Contains(rs.v.traits, t)
	}) {
		return true
	}
	return slices.ContainsFunc(p.journeys, func(j *journey) bool {
		return slices.ContainsFunc(j.versions, func(v *version) bool { return slices.Contains(v.traits, t) })
	})
}

// usedCounters are the counters that move with a customer.
func (p *Partition) usedCounters(c *customer) (list []counter) {
	for i := range c.counters {
		if p.inUse(p.traits[c.counters[i].trait]) {
			list = append(list, c.counters[i])
		}
	}
	return list
}

// encodeWaiting writes the entries of a customer that wait for a grant.
func (p *Partition) encodeWaiting(e *encoder, c gateway.CustomerID) {
	var list []waitingAt
	for _, j := range p.journeys {
		if j.limits == nil {
			continue
		}
		for _, w := range j.limits.waiting {
			if w.customer == c {
				list = append(list, waitingAt{j, w})
			}
		}
	}
	e.uint(uint64(len(list)))
	for _, w := range list {
		e.uint(uint64(w.journey.index))
		e.waiting(w.entry)
	}
}

func (d *decoder) names(p *Partition, a *arrival) {
	a.known = true
	for range d.length(4) {
		s := scanned{journey: p.journeyNamed(d.string())}
		latest := uint32(d.uint())
		s.active, s.done = uint32(d.uint()), d.bool()
		a.journeys = append(a.journeys, s.journey)
		a.scanned = append(a.scanned, s)
		if s.journey == nil || s.journey.versions[len(s.journey.versions)-1].number < latest {
			a.known = false
		}
	}
	for range d.length(1) {
		t := (*trait)(nil) // one that stayed behind
		if key := d.string(); key != "" {
			t = p.traitOf(key)
			a.known = a.known && t != nil
		}
		a.traits = append(a.traits, t)
	}
	for range d.length(10) {
		i, w := d.uint(), d.waiting()
		if i >= uint64(len(a.journeys)) {
			d.fail()
			return
		}
		a.waiting = append(a.waiting, waitingAt{a.journeys[i], w})
	}
}

// readArrival decodes the head of a state in transit, and looks whether the rest
// reads as that of the customer; nil when it is broken.
func (p *Partition) readArrival(id gateway.CustomerID, state []byte) *arrival {
	d := decoder{b: state}
	if d.byte() != formatVersion {
		return nil
	}
	a := &arrival{}
	for range d.length(10) {
		dev := d.device()
		if d.bad {
			return nil
		}
		a.devices = append(a.devices, dev)
	}
	d.names(p, a)
	if d.bad {
		return nil
	}
	a.body = d.b
	if a.known && !p.reads(a, id) {
		return nil
	}
	return a
}

// reads reports whether a body is the whole state of a customer. It reads it into
// a partition that has nothing else but the definitions.
func (p *Partition) reads(a *arrival, id gateway.CustomerID) bool {
	q := Partition{cfg: p.cfg, words: p.words}
	q.reset()
	q.now, q.journeys, q.traits, q.types, q.classRules = p.now, p.journeys, p.traits, p.types, p.classRules
	d := decoder{b: a.body, translate: &a.translation}
	d.customer(&q)
	came := q.customers[id] != nil
	for other := range q.customers {
		q.dropCustomer(other) // the definitions count who is inside
	}
	return came && d.err("customer") == nil
}

// arriveChange installs a customer who came from another partition.
type arriveChange struct {
	customer gateway.CustomerID
	state    []byte
}

func (c arriveChange) encode(e *encoder) {
	e.byte(opArrive)
	e.fixed(uint64(c.customer))
	e.bytes(c.state)
}

func (c arriveChange) apply(p *Partition) {
	a := p.readArrival(c.customer, c.state)
	if a == nil || !a.known || p.customers[c.customer] != nil {
		return
	}
	d := decoder{b: a.body, translate: &a.translation}
	d.customer(p)
	delete(p.left, c.customer)
}

// departChange drops a customer and remembers where he went.
type departChange struct {
	customer gateway.CustomerID
	to       int
}

func (c departChange) encode(e *encoder) {
	e.byte(opDepart)
	e.fixed(uint64(c.customer))
	e.uint(uint64(c.to))
}

func (c departChange) apply(p *Partition) {
	p.dropCustomer(c.customer)
	p.left[c.customer] = c.to
	for _, j := range p.journeys { // they wait where he goes
		j.dismiss(c.customer)
		if j.limits != nil {
			j.limits.waiting = slices.DeleteFunc(j.limits.waiting, func(w *waiting) bool { return w.customer == c.customer })
		}
	}
}

// dropCustomer removes a customer's state; the heaps find nothing due any more.
func (p *Partition) dropCustomer(id gateway.CustomerID) {
	cust := p.customers[id]
	if cust == nil {
		return
	}
	for _, e := range cust.enrollments {
		if !e.ended() {
			e.v.running--
		}
		e.due = 0
	}
	for _, m := range cust.messages {
		m.due = 0
		delete(p.messages, m.id)
	}
	cust.counters = nil // its timers find nothing
	cust.more.leave()
	p.leaveIndex(cust)
	delete(p.customers, id)
}

// expectCustomerChange says that a customer's state was asked for.
type expectCustomerChange struct{ customer gateway.CustomerID }

func (c expectCustomerChange) encode(e *encoder) {
	e.byte(opExpectCustomer)
	e.fixed(uint64(c.customer))
}

func (c expectCustomerChange) apply(p *Partition) {
	p.awaited[c.customer] = nil
	delete(p.left, c.customer)
}

// holdCustomerChange keeps an input until its customer's state has come.
type holdCustomerChange struct {
	customer gateway.CustomerID
	input    gateway.Input
}

func (c holdCustomerChange) encode(e *encoder) {
	e.byte(opHoldCustomer)
	e.fixed(uint64(c.customer))
	e.input(&c.input)
}

func (c holdCustomerChange) apply(p *Partition) {
	p.awaited[c.customer] = append(p.awaited[c.customer], c.input)
	delete(p.left, c.customer)
}

// unholdCustomerChange takes all inputs that were held; the customer is
// expected no more.
type unholdCustomerChange struct{ customer gateway.CustomerID }

func (c unholdCustomerChange) encode(e *encoder) {
	e.byte(opUnholdCustomer)
	e.fixed(uint64(c.customer))
}

func (c unholdCustomerChange) apply(p *Partition) { delete(p.awaited, c.customer) }
