package journey

import (
	"slices"

	"touchpoint/gateway"
)

// waiting is an entry that asks for a place under the entry cap.
type waiting struct {
	customer gateway.CustomerID
	device   gateway.DeviceID
	trigger  string
	key      string
	since    gateway.Instant
	apiKey   uint64
	values   gateway.Properties
	props    gateway.Properties
	event    *gateway.Event
}

// grant says whether an entry that waited got a place.
type grant uint8

const (
	notAsked grant = iota
	granted
	denied
)

// waits makes what is kept of an entry that waits.
func (en *entry) waits() *waiting {
	w := &waiting{customer: en.c.id, device: en.device, trigger: clone(en.trigger), key: clone(en.key), since: en.since,
		apiKey: en.apiKey, values: cloneProperties(en.values), props: cloneProperties(en.props)}
	if en.ev != nil {
		in := cloneInput(&gateway.Input{Event: *en.ev})
		w.event = &in.Event
	}
	return w
}

// entry makes the attempt that w stands for.
func (w *waiting) entry(v *version, c *customer) *entry {
	return &entry{v: v, c: c, ev: w.event, trigger: w.trigger, key: w.key, device: w.device, since: w.since,
		apiKey: w.apiKey, values: w.values, props: w.props}
}

func (e *encoder) waiting(w *waiting) {
	e.fixed(uint64(w.customer))
	e.fixed(uint64(w.device))
	e.string(w.trigger)
	e.string(w.key)
	e.at(w.since)
	e.fixed(w.apiKey)
	e.properties(w.values)
	e.properties(w.props)
	e.bool(w.event != nil)
	if w.event != nil {
		e.event(w.event)
	}
}

func (d *decoder) waiting() *waiting {
	w := &waiting{customer: gateway.CustomerID(d.fixed()), device: gateway.DeviceID(d.fixed()), trigger: d.string(),
		key: d.string(), since: d.at(), apiKey: d.fixed(), values: d.properties(), props: d.properties()}
	if d.bool() {
		ev := d.event()
		w.event = &ev
	}
	return w
}

// ledgerChange moves the coordinator's account of a limit.
type ledgerChange struct {
	journey   *journey
	kind      gateway.Limit
	partition int // whose outstanding units change by out
	out       int
	at        gateway.Instant // n units were used
	n         int
	bound     gateway.Instant // uses up to here count no more
}

func (c ledgerChange) encode(e *encoder) {
	e.byte(opLedger)
	e.uint(uint64(c.journey.index))
	e.uint(uint64(c.kind))
	e.uint(uint64(c.partition))
	e.int(int64(c.out))
	e.at(c.at)
	e.uint(uint64(c.n))
	e.at(c.bound)
}

func (d *decoder) ledgerChange(p *Partition) change {
	return ledgerChange{d.journey(p), d.limitKind(), int(d.uint()), int(d.int()), d.at(), int(d.uint()), d.at()}
}

func (d *decoder) limitKind() gateway.Limit {
	return gateway.Limit(d.upTo(uint64(limitKinds - 1)))
}

func (c ledgerChange) apply(p *Partition) {
	l := &c.journey.limitsOf().ledgers[c.kind]
	l.move(c.partition, c.out)
	if c.n > 0 {
		l.use(c.at, c.n)
	}
	i := 0
	for i < len(l.used) && l.used[i].at <= c.bound {
		i++
	}
	l.used = l.used[i:]
}

func (l *ledger) move(partition, n int) {
	if n == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(l.out, partition, func(o portion, p int) int { return compare(o.partition, p) })
	if !found {
		l.out = slices.Insert(l.out, i, portion{partition: partition})
	}
	if l.out[i].n += n; l.out[i].n <= 0 {
		l.out = slices.Delete(l.out, i, i+1)
	}
}

func (l *ledger) use(at gateway.Instant, n int) {
	i, found := slices.BinarySearchFunc(l.used, at, func(u use, t gateway.Instant) int { return compare(int64(u.at), int64(t)) })
	if !found {
		l.used = slices.Insert(l.used, i, use{at: at})
	}
	l.used[i].n += n
}

// askChange notes that units were asked for, or that the answer is here.
type askChange struct {
	journey *journey
	asked   int
	at      gateway.Instant
	closed  gateway.Instant
	version uint32
}

func (c askChange) encode(e *encoder) {
	e.byte(opAsk)
	e.uint(uint64(c.journey.index))
	e.uint(uint64(c.asked))
	e.at(c.at)
	e.at(c.closed)
	e.uint(uint64(c.version))
}

func (d *decoder) askChange(p *Partition) change {
	return askChange{d.journey(p), int(d.uint()), d.at(), d.at(), uint32(d.uint())}
}

func (c askChange) apply(p *Partition) {
	l := c.journey.limitsOf()
	l.asked, l.askedAt = c.asked, c.at
	l.closed, l.closedVersion = c.closed, c.version
	p.schedule(c.journey)
}

// waitChange lets an entry wait, unwaitChange takes the first ones up.
type waitChange struct {
	journey *journey
	waiting *waiting
}

func (c waitChange) encode(e *encoder) {
	e.byte(opWaitGrant)
	e.uint(uint64(c.journey.index))
	e.waiting(c.waiting)
}

func (c waitChange) apply(p *Partition) {
	l := c.journey.limitsOf()
	l.waiting = append(l.waiting, c.waiting)
	p.schedule(c.journey)
}

type unwaitChange struct {
	journey *journey
	n       int
}

func (c unwaitChange) encode(e *encoder) {
	e.byte(opUnwait)
	e.uint(uint64(c.journey.index))
	e.uint(uint64(c.n))
}

func (c unwaitChange) apply(*Partition) {
	l := c.journey.limitsOf()
	l.waiting = l.waiting[min(c.n, len(l.waiting)):]
}

// unitsChange puts what the scan of existing customers has and used.
type unitsChange struct {
	journey     *journey
	units, used int
}

func (c unitsChange) encode(e *encoder) {
	e.byte(opUnits)
	e.uint(uint64(c.journey.index))
	e.uint(uint64(c.units))
	e.uint(uint64(c.used))
}

func (c unitsChange) apply(*Partition) {
	l := c.journey.limitsOf()
	l.units, l.used = c.units, c.used
}

// rampChange puts when the ramp began and when it grows next.
type rampChange struct {
	journey *journey
	at, due gateway.Instant
}

func (c rampChange) encode(e *encoder) {
	e.byte(opRamp)
	e.uint(uint64(c.journey.index))
	e.at(c.at)
	e.at(c.due)
}

func (c rampChange) apply(p *Partition) {
	l := c.journey.limitsOf()
	l.rampAt, l.rampDue = c.at, c.due
	p.schedule(c.journey)
}

// limitChange decodes the changes of this file and of brake.go.
func (d *decoder) limitChange(p *Partition) change {
	switch d.op {
	case opLedger:
		return d.ledgerChange(p)
	case opAsk:
		return d.askChange(p)
	case opWaitGrant:
		return waitChange{d.journey(p), d.waiting()}
	case opUnwait:
		return unwaitChange{d.journey(p), int(d.uint32())}
	case opUnits:
		return unitsChange{d.journey(p), int(d.uint()), int(d.uint())}
	case opRamp:
		return rampChange{d.journey(p), d.at(), d.at()}
	case opBrake:
		return d.brakeChange()
	case opSweep:
		return d.sweepChange(p)
	case opFill:
		return d.fillChange(p)
	case opForeign:
		return d.foreignChange(p)
	}
	return nil
}

// encodeLimits encodes a journey's limits for a snapshot.
func (e *encoder) limits(l *limits) {
	e.bool(l != nil && !l.empty())
	if l == nil || l.empty() {
		return
	}
	for i := range l.ledgers {
		e.uint(uint64(len(l.ledgers[i].out)))
		for _, o := range l.ledgers[i].out {
			e.uint(uint64(o.partition))
			e.uint(uint64(o.n))
		}
		e.uint(uint64(len(l.ledgers[i].used)))
		for _, u := range l.ledgers[i].used {
			e.at(u.at)
			e.uint(uint64(u.n))
		}
	}
	e.uint(uint64(l.asked))
	e.at(l.askedAt)
	e.uint(uint64(len(l.waiting)))
	for _, w := range l.waiting {
		e.waiting(w)
	}
	e.uint(uint64(l.units))
	e.uint(uint64(l.used))
	e.at(l.closed)
	e.uint(uint64(l.closedVersion))
	e.at(l.rampAt)
	e.at(l.rampDue)
}

// empty reports whether l says nothing. What is closed was asked for, and what
// grows began.
func (l *limits) empty() bool {
	for i := range l.ledgers {
		if len(l.ledgers[i].out)+len(l.ledgers[i].used) > 0 {
			return false
		}
	}
	return len(l.waiting)+l.units+l.used == 0 && l.askedAt == 0 && l.rampAt == 0
}

func (d *decoder) limits() *limits {
	if !d.bool() {
		return nil
	}
	l := &limits{}
	for i := range l.ledgers {
		for range d.length(2) {
			l.ledgers[i].out = append(l.ledgers[i].out, portion{int(d.uint()), int(d.uint())})
		}
		for range d.length(2) {
			l.ledgers[i].used = append(l.ledgers[i].used, use{d.at(), int(d.uint())})
		}
	}
	l.asked, l.askedAt = int(d.uint()), d.at()
	for range d.length(20) {
		l.waiting = append(l.waiting, d.waiting())
	}
	l.units, l.used, l.closed, l.closedVersion = int(d.uint()), int(d.uint()), d.at(), uint32(d.uint())
	l.rampAt, l.rampDue = d.at(), d.at()
	return l
}
