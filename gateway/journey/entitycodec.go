package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// profile encodes what a customer or a service set.
func (e *encoder) profile(id gateway.CustomerID, since gateway.Instant, c *profile) {
	e.fixed(uint64(id))
	e.at(since)
	e.string(c.locale)
	e.string(c.zone)
	e.string(c.country)
	e.strings(c.channels)
	e.strings(c.reachable)
	e.properties(c.attributes)
	e.uint(uint64(len(c.consents)))
	for _, k := range c.consents {
		e.string(string(k.Purpose))
		e.string(k.Channel)
		e.bool(k.Granted)
		e.string(k.Source)
		e.at(k.At)
	}
	e.bool(c.test)
	e.uint(uint64(c.capCount))
	e.int(int64(c.capWindow))
	e.quietHours(c.quiet)
}

func (d *decoder) profile() customerChange {
	var c profile
	out := customerChange{id: gateway.CustomerID(d.fixed()), since: d.at(), profile: noProfile}
	c.locale, c.zone, c.country = d.string(), d.string(), d.string()
	c.channels, c.reachable = d.strings(), d.strings()
	c.attributes = d.properties()
	for range d.length(5) {
		c.consents = append(c.consents, gateway.Consent{Purpose: gateway.Purpose(d.string()), Channel: d.string(),
			Granted: d.bool(), Source: d.string(), At: d.at()})
	}
	c.test = d.bool()
	c.capCount, c.capWindow = int(d.uint()), Duration(d.int())
	c.quiet = d.quietHours()
	if !c.isEmpty() {
		kept := c
		out.profile = &kept
	}
	return out
}

// isEmpty reports whether nothing is set.
func (c *profile) isEmpty() bool {
	return c.locale == "" && c.zone == "" && c.country == "" && len(c.channels) == 0 && len(c.reachable) == 0 &&
		len(c.attributes) == 0 && len(c.consents) == 0 && !c.test && c.capCount == 0 && c.capWindow == 0 && len(c.quiet) == 0
}

func (e *encoder) mark(m *mark) {
	e.uint(uint64(m.journey.index))
	e.byte(byte(m.arm))
	e.uint(uint64(m.entries))
	e.int(int64(m.active))
	e.at(m.exitedAt)
	e.uint(uint64(len(m.keys)))
	for _, k := range m.keys {
		e.fixed(k.hash)
		e.at(k.at)
		e.raw(k.enrollment[:])
	}
	e.splits(m.splits)
}

func (d *decoder) mark(p *Partition) (m mark) {
	m.journey = d.journey(p)
	m.arm = arm8(d.byte())
	m.entries, m.active, m.exitedAt = d.uint32(), int32(d.int()), d.at()
	var keys []apiKey
	for range d.length(25) {
		keys = append(keys, apiKey{d.fixed(), d.at(), d.id16()})
	}
	m.past = pastOf(keys, d.splits())
	d.must(m.arm <= armHoldout)
	return m
}

// journey reads the index of a journey.
func (d *decoder) journey(p *Partition) *journey {
	i, list := d.uint(), p.journeys
	if d.translate != nil {
		list = d.translate.journeys
	}
	if i >= uint64(len(list)) {
		d.fail()
		return &journey{}
	}
	return list[i]
}

// trait reads the id of a counter.
func (d *decoder) trait(p *Partition) *trait {
	i, list := d.uint(), p.traits
	if d.translate != nil {
		list = d.translate.traits
	}
	if i >= uint64(len(list)) {
		d.fail()
		return nil
	}
	return list[i]
}

func (e *encoder) counter(p *Partition, c *customer, k *counter) {
	e.uint(uint64(k.trait))
	e.fixed(uint64(k.device))
	e.byte(byte(k.flags))
	switch f := p.traits[k.trait].form; f {
	case formTimes, formSums:
		w := p.times(c, k)
		e.times(&w)
	case formPlain, formEnds:
		e.uint(uint64(k.n))
		e.at(k.first)
		e.at(k.last)
		if f == formEnds {
			e.bytes(c.window(k).buf)
		}
	default:
		e.granular(c.window(k))
	}
}

func (d *decoder) counterFlags() counterFlags { return counterFlags(d.flags(byte(watched<<1 - 1))) }

// counter reads a counter of a customer and gives it to him.
func (d *decoder) counter(p *Partition, c *customer) {
	t, device, flags := d.trait(p), gateway.DeviceID(d.fixed()), d.counterFlags()
	if d.bad || t == nil || t.place >= maxTraitsPerType || c.counter(t, device) != nil || device != 0 && !t.spec.perDev {
		d.fail()
		return
	}
	k := p.addCounter(c, t, device)
	if k == nil {
		d.fail()
		return
	}
	k.flags = flags
	switch t.form {
	case formTimes, formSums:
		if p.had = d.samples(t, p.had[:0]); !d.bad {
			p.restoreTimes(c, k, p.had)
		}
	case formPlain, formEnds:
		k.n, k.first, k.last = int32(d.uint()), d.at(), d.at()
		if t.form == formEnds {
			*c.window(k) = d.ends()
		}
	default:
		w := d.granular(t.form)
		*c.window(k), k.n = w, w.n
	}
}

// The flags of an enrollment.
const (
	enrollmentWaiting = 1 << iota
	enrollmentAbsence
	enrollmentConverted
	enrollmentStands
	enrollmentOverdue
	enrollmentOfOther   // a recipient's
	enrollmentAddresses // others were addressed
)

func (e *encoder) enrollment(v *enrollment) {
	e.raw(v.id[:])
	e.uint(uint64(v.v.journey.index))
	e.uint(uint64(v.v.number))
	e.fixed(uint64(v.device))
	e.string(v.product)
	e.string(v.key)
	e.int(int64(v.step))
	e.uint(uint64(boolInt(v.waiting)*enrollmentWaiting | boolInt(v.absence)*enrollmentAbsence |
		boolInt(v.converted)*enrollmentConverted | boolInt(v.stand != nil)*enrollmentStands |
		boolInt(v.overdue)*enrollmentOverdue | boolInt(v.origin != nil)*enrollmentOfOther |
		boolInt(v.addressed != nil)*enrollmentAddresses | int(v.hold)<<7))
	e.byte(byte(v.arm))
	e.uint(uint64(v.visits))
	e.uint(v.done)
	e.uint(v.skip)
	e.string(v.split)
	at := v.enteredAt
	e.at(at)
	for _, t := range v.instants() {
		e.bool(*t != 0)
		if *t != 0 {
			e.at(*t - at)
		}
	}
	e.string(string(v.endReason))
	e.properties(v.props)
	if v.stand != nil {
		e.standing(v.stand)
	}
	if v.origin != nil {
		e.origin(v.origin)
	}
	if v.addressed != nil {
		e.addressed(v.addressed)
	}
}

// instants lists the times that are stored relative to the entry.
func (v *enrollment) instants() [6]*gateway.Instant {
	return [6]*gateway.Instant{&v.changedAt, &v.since, &v.due, &v.waitFrom, &v.holdFrom, &v.endedAt}
}

func (d *decoder) enrollment(p *Partition) (v enrollment) {
	var x extras // instants points into it
	v.id, v.extras = d.id16(), &x
	j := d.journey(p)
	if v.v = j.version(d.uint32()); v.v == nil {
		d.fail()
		return
	}
	v.device, v.product, x.key = gateway.DeviceID(d.fixed()), d.string(), d.string()
	step := d.int()
	v.step = int32(step)
	flags := d.uint()
	v.overdue = flags&enrollmentOverdue != 0
	v.waiting, v.absence, v.converted = flags&enrollmentWaiting != 0, flags&enrollmentAbsence != 0, flags&enrollmentConverted != 0
	v.arm, v.visits, v.done, x.skip, x.split = arm8(d.byte()), d.uint32(), d.uint(), d.uint(), p.intern(d.string())
	v.enteredAt = d.at()
	for _, t := range v.instants() {
		if d.bool() {
			*t = v.enteredAt + d.at()
		}
	}
	x.endReason, x.props = gateway.Reason(d.string()), d.properties()
	v.hold = holdKind(flags >> 7)
	if flags&enrollmentStands != 0 {
		x.stand = d.standing()
	}
	if flags&enrollmentOfOther != 0 {
		x.origin = d.origin()
	}
	if flags&enrollmentAddresses != 0 {
		x.addressed = d.addressed()
	}
	d.must(step >= toEnd && step < int64(len(v.v.def.steps)) && v.arm <= armHoldout && flags>>7 <= uint64(holdCase))
	v.extras = x.orNone()
	return v
}

func (e *encoder) message(m *message) {
	e.raw(m.id[:])
	e.raw(m.enrollment[:])
	e.uint(uint64(m.journey.index))
	e.string(m.step)
	e.fixed(uint64(m.device))
	e.string(m.channel)
	e.string(string(m.purpose))
	e.strings(m.tags)
	e.byte(byte(m.hold))
	e.bool(m.instead != gateway.MessageID{})
	if (m.instead != gateway.MessageID{}) {
		e.raw(m.instead[:])
	}
	e.byte(byte(m.state))
	e.byte(byte(m.slot))
	e.at(m.slotAt)
	e.at(m.due)
	e.bool(m.full != nil)
	if f := m.full; f != nil {
		e.fullMessage(f)
	}
}

// fullMessage encodes what message does not hold already.
func (e *encoder) fullMessage(f *gateway.Message) {
	e.uint(uint64(f.Version))
	e.uint(uint64(f.Visit))
	e.fixed(uint64(f.Customer))
	e.string(f.Product)
	e.strings(f.Fallback)
	e.string(f.Template)
	e.string(f.Locale)
	e.properties(f.Values)
	e.bool(f.Holdout)
	for _, t := range []gateway.Instant{f.DecidedAt, f.NotBefore, f.NotAfter, f.ExpiresAt, f.CauseReceivedAt} {
		e.at(t)
	}
	e.string(f.Cause)
	e.string(f.Recipient)
}

func (d *decoder) message(p *Partition) (m message) {
	m.id, m.enrollment, m.journey = d.id16(), d.id16(), d.journey(p)
	m.step, m.device, m.channel, m.purpose = d.string(), gateway.DeviceID(d.fixed()), d.string(), gateway.Purpose(d.string())
	m.tags, m.hold = d.strings(), holdKind(d.byte())
	if d.bool() {
		m.instead = d.id16()
	}
	m.state, m.slot, m.slotAt, m.due = gateway.MessageState(d.byte()), slot(d.byte()), d.at(), d.at()
	d.must(int(m.state) < len(rank) && m.slot <= slotReleased && m.hold <= holdCase)
	if !d.bool() {
		return m
	}
	f := &gateway.Message{ID: m.id, Enrollment: m.enrollment, Journey: m.journey.name, Step: m.step,
		Device: m.device, Channel: m.channel, Purpose: m.purpose, State: m.state}
	f.Version, f.Visit, f.Customer = d.uint32(), d.uint32(), gateway.CustomerID(d.fixed())
	f.Product, f.Fallback, f.Template, f.Locale = d.string(), d.strings(), d.string(), d.string()
	f.Values, f.Holdout = d.properties(), d.bool()
	for _, t := range []*gateway.Instant{&f.DecidedAt, &f.NotBefore, &f.NotAfter, &f.ExpiresAt, &f.CauseReceivedAt} {
		*t = d.at()
	}
	f.Cause, f.Recipient = d.string(), d.string()
	if m.full = f; !d.bad && m.journey.version(f.Version) == nil {
		d.fail()
	}
	return m
}

func (e *encoder) owners(v []ownership) {
	e.uint(uint64(len(v)))
	for _, o := range v {
		e.fixed(uint64(o.customer))
		e.string(o.role)
		e.at(o.from)
		e.at(o.to)
	}
}

func (d *decoder) owners() (v []ownership) {
	for range d.length(11) {
		v = append(v, ownership{gateway.CustomerID(d.fixed()), d.string(), d.at(), d.at()})
	}
	d.must(slices.IsSortedFunc(v, func(a, b ownership) int { return cmp.Compare(a.from, b.from) }))
	return v
}

// device encodes a device's whole state; sequence numbers and hashes of days
// before oldest are left out.
func (e *encoder) device(v *device, oldest uint16) {
	e.fixed(uint64(v.id))
	e.string(v.product)
	e.owners(v.owners)
	e.seen(&v.seen, oldest)
	e.string(v.facts.where())
	e.activity(v.facts.doing())
	e.heard(v.facts.hearing())
	e.told(v.facts.unownedFor())
	e.owners(v.facts.around())
}

func (d *decoder) device() *device {
	v := &device{id: gateway.DeviceID(d.fixed()), product: d.string(), owners: d.owners(), seen: d.seen()}
	v.know(d.string(), d.activity())
	if h := d.heard(); h != (heard{}) {
		v.fact().heard = h
	}
	if told := d.told(); told != nil {
		v.fact().told = told
	}
	v.setPeople(d.owners())
	d.must(len(v.facts.around()) <= maxPeople)
	return v
}
