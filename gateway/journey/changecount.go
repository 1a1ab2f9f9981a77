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
		if i < maxTraitsPerType && c.mask>>i&1 == 1 && t.spec.valued() {
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
	values := c.values
	next := 0 // counters and traits are in the same order
	for i, t := range c.typ.traits {
		if i >= maxTraitsPerType || c.mask>>i&1 == 0 {
			continue
		}
		value := int64(0)
		if t.spec.valued() && len(values) > 0 {
			value, values = values[0], values[1:]
		}
		for next < len(cust.counters) && cust.counters[next].trait.id < t.id {
			next++
		}
		var k *counter
		if !t.spec.perDev && next < len(cust.counters) && cust.counters[next].trait == t {
			k = &cust.counters[next]
		} else if k = cust.counter(t, c.device); k == nil {
			k = cust.addCounter(t, c.device)
		}
		k.count(p, c.at, value)
		if t.spec.silence > 0 {
			p.schedule(cust.silence(t))
		}
	}
}

// addCounter inserts a counter at its place.
func (c *customer) addCounter(t *trait, d gateway.DeviceID) *counter {
	if !t.spec.perDev {
		d = 0
	}
	i := 0
	for i < len(c.counters) && (c.counters[i].trait.id < t.id || c.counters[i].trait.id == t.id && c.counters[i].device < d) {
		i++
	}
	if len(c.counters) == cap(c.counters) { // grow by one: customers are many, traits few
		c.counters = append(make([]counter, 0, len(c.counters)+1), c.counters...)
	}
	c.counters = slices.Insert(c.counters, i, counter{trait: t, device: d})
	return &c.counters[i]
}

// count adds one event.
func (k *counter) count(p *Partition, at gateway.Instant, value int64) {
	spec := &k.trait.spec
	switch f := k.trait.form; f {
	case formPlain:
		k.countPlain(at)
	case formTimes, formSums:
		k.countTime(p.now, at, value)
	case formEnds:
		k.putEnds(at, value)
		k.countPlain(at)
	default:
		gone := spec.lastGone(p.now)
		k.expireCells(f, gone)
		if c := spec.cellOf(at, value); c.granule > gone {
			p.cells = k.put(f, c, p.cells)
		}
	}
}

// countPlain keeps the number of events, the first and the last time.
func (k *counter) countPlain(at gateway.Instant) {
	if k.n == 0 || at < k.first {
		k.first = at
	}
	if k.n == 0 || at > k.last {
		k.last = at
		if k.trait.spec.silence > 0 {
			k.flags &^= latched | pending | unobserved // the silence ended
		}
	}
	k.n++
}

// countTime adds one event to a window of exact times.
func (k *counter) countTime(now, at gateway.Instant, value int64) {
	spec := &k.trait.spec
	valued := k.trait.form == formSums
	if spec.within > 0 {
		end := spec.within.before(now)
		k.expire(end, valued)
		if at <= end {
			return
		}
	}
	limit := spec.limit
	if limit == 0 {
		limit = maxWindow
	}
	if k.n == limit && at <= k.first {
		return
	}
	k.add(at, value, valued)
	k.trim(limit, valued)
}
