package journey

import (
	"slices"

	"touchpoint/gateway"
)

// maxTraitsPerType bounds the counters that one event can move.
const maxTraitsPerType = 64

// countChange adds an event to the counters of its type whose bit is set in
// mask, in the order in which the counters were defined.
type countChange struct {
	customer gateway.CustomerID
	device   gateway.DeviceID
	at       gateway.Instant
	typ      *eventType
	mask     uint64
	values   []int64   // of the counters with values
	cust     *customer // where he is known already
}

func (c countChange) encode(e *encoder) {
	e.byte(opCount)
	e.fixed(uint64(c.customer))
	e.fixed(uint64(c.device))
	e.at(c.at)
	e.uint(uint64(c.typ.traits[0].id)) // names the type
	e.uint(c.mask)
	for _, v := range c.values {
		e.int(v)
	}
}

func (d *decoder) countChange(p *Partition) change {
	c := countChange{customer: gateway.CustomerID(d.fixed()), device: gateway.DeviceID(d.fixed()), at: d.at()}
	t := d.trait(p)
	if t == nil {
		return nil
	}
	c.typ, c.mask = p.types[t.spec.event], d.uint()
	for i, t := range c.typ.traits {
		if c.mask>>i&1 == 1 && t.spec.valued() {
			c.values = append(c.values, d.int())
		}
	}
	return c
}

func (c countChange) apply(p *Partition) {
	cust := c.cust
	if cust == nil {
		cust = p.customer(c.customer)
	}
	next := 0              // counters and traits are in the same order
	var shared, own uint64 // counters of exact times: of the customer, of the device
	values := c.values
	for i, t := range c.typ.traits {
		if c.mask>>i&1 == 0 {
			continue
		}
		value := int64(0)
		if t.spec.valued() {
			value, values = values[0], values[1:]
		}
		for next < len(cust.counters) && int(cust.counters[next].trait) < t.id {
			next++
		}
		var k *counter
		if !t.spec.perDev && next < len(cust.counters) && int(cust.counters[next].trait) == t.id {
			k = &cust.counters[next]
		} else if k = cust.counter(t, c.device); k == nil {
			if k = p.addCounter(cust, t, c.device); k == nil {
				continue
			}
		}
		switch {
		case !t.form.timed():
			p.countOther(cust, k, t, c.at, value)
		case t.spec.perDev:
			own |= 1 << i
		default:
			shared |= 1 << i
		}
		if t.spec.silence > 0 {
			p.schedule(cust.silence(t))
		}
	}
	if shared != 0 {
		p.countTimes(cust, &c, shared)
	}
	if own != 0 {
		p.countTimes(cust, &c, own)
	}
}

// addCounter puts a new counter at its place, nil when there is no room for it.
func (p *Partition) addCounter(c *customer, t *trait, d gateway.DeviceID) *counter {
	if !t.spec.perDev {
		d = 0
	}
	i := 0
	for i < len(c.counters) && (int(c.counters[i].trait) < t.id || int(c.counters[i].trait) == t.id && c.counters[i].device < d) {
		i++
	}
	k, ok := p.newCounter(c, t, d)
	if !ok {
		return nil
	}
	if len(c.counters) == cap(c.counters) { // grow by one: customers are many, traits few
		c.counters = append(make([]counter, 0, len(c.counters)+1), c.counters...)
	}
	c.counters = slices.Insert(c.counters, i, k)
	return &c.counters[i]
}

// maxStores bounds the logs, and the windows, of one customer: their numbers are
// small. What goes beyond, of some ten thousand devices, is not counted.
const maxStores = 1 << 16

// newCounter makes a counter, with room for what it keeps beside itself; ok is
// false when there is none.
func (p *Partition) newCounter(c *customer, t *trait, d gateway.DeviceID) (k counter, ok bool) {
	store := 0
	switch {
	case t.form.timed():
		store = p.logFor(c, t, d)
	case t.form != formPlain:
		m := c.grow()
		if store = len(m.windows); store < maxStores {
			m.windows = append(m.windows, window{})
		}
	}
	return counter{trait: uint32(t.id), device: d, store: uint16(store)}, store < maxStores
}

// logFor returns the number of the log of an event type and device, making it
// when it is new; maxStores when there is no room for it.
func (p *Partition) logFor(c *customer, t *trait, d gateway.DeviceID) int {
	used := false
	for i := range c.counters {
		o := p.traits[c.counters[i].trait]
		if o.form.timed() && o.typ == t.typ && c.counters[i].device == d {
			return int(c.counters[i].store)
		}
		used = used || o.form.timed()
	}
	if !used {
		return 0
	}
	m := c.grow()
	if len(m.logs) == maxStores-1 { // the first one is the customer's
		return maxStores
	}
	m.logs = append(m.logs, timeLog{})
	return len(m.logs)
}

// window returns what a counter keeps that has no log.
func (c *customer) window(k *counter) *window { return &c.more.windows[k.store] }

// countOther adds one event to a counter without exact times.
func (p *Partition) countOther(c *customer, k *counter, t *trait, at gateway.Instant, value int64) {
	switch t.form {
	case formPlain:
		k.countPlain(t, at)
	case formEnds:
		k.putEnds(c.window(k), at, value)
		k.countPlain(t, at)
	default:
		w, gone := c.window(k), t.spec.lastGone(p.now)
		w.expireCells(t.form, gone)
		if cell := t.spec.cellOf(at, value); cell.granule > gone {
			p.cells = w.put(t.form, cell, p.cells)
		}
		k.n = w.n
	}
}

// countPlain keeps the number of events, the first and the last time.
func (k *counter) countPlain(t *trait, at gateway.Instant) {
	if k.n == 0 || at < k.first {
		k.first = at
	}
	if k.n == 0 || at > k.last {
		k.last = at
		if t.spec.silence > 0 {
			k.flags &^= latched | pending | unobserved // the silence ended
		}
	}
	k.n++
}
