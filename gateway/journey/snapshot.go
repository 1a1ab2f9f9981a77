package journey

import (
	"touchpoint/gateway"
)

// A snapshot holds, after the version byte: time; definitions with the counters
// they define; customers; devices; moves; cursors; tombstones. Everything is in
// rising order of ids, so that equal states have equal snapshots.

// AppendSnapshot appends the state to dst.
func (p *Partition) AppendSnapshot(dst []byte) []byte {
	e := encoder{b: dst}
	e.byte(formatVersion)
	e.at(p.now)
	e.at(p.observed)
	e.fixed(p.rules.noted)
	e.int(p.rules.day)
	p.encodeJourneys(&e)
	ids := sortedIDs(p.customers)
	e.uint(uint64(len(ids)))
	for _, id := range ids {
		e.customer(p, p.customers[id], p.oldestDay())
	}
	devices := p.devices.sorted()
	e.uint(uint64(len(devices)))
	for _, d := range devices {
		e.device(d, p.oldestDay())
	}
	p.encodeMoves(&e)
	earlyChange{p.early}.body(&e)
	return e.b
}

func (p *Partition) encodeJourneys(e *encoder) {
	e.uint(uint64(len(p.traits)))
	for _, t := range p.traits {
		e.at(t.since)
		e.bool(t.awaits)
		e.at(t.ignore)
	}
	e.classRules(p)
	e.uint(uint64(len(p.journeys)))
	for _, j := range p.journeys {
		e.string(j.name)
		e.uint(uint64(len(j.versions)))
		for _, v := range j.versions {
			e.uint(uint64(v.number))
			e.bytes(v.text)
			e.bool(v.existing)
			e.string(v.migrate)
			e.uint(uint64(v.pace))
			e.fill(v.fill)
			e.uint(uint64(len(v.traits)))
			for _, t := range v.traits {
				e.uint(uint64(t.id))
			}
		}
		j.put().encodeBody(e)
		e.limits(j.limits)
	}
	brakeChange{p.brake.on, p.brake.reason, p.brake.since}.body(e)
	sweepChange{p.brake.sweeps}.body(e)
}

func (p *Partition) encodeMoves(e *encoder) {
	moved := sortedIDs(p.moved)
	e.uint(uint64(len(moved)))
	for _, id := range moved {
		e.fixed(uint64(id))
		e.uint(uint64(p.moved[id]))
	}
	expected := sortedIDs(p.expected)
	e.uint(uint64(len(expected)))
	for _, id := range expected {
		e.fixed(uint64(id))
		e.uint(uint64(len(p.expected[id])))
		for i := range p.expected[id] {
			e.input(&p.expected[id][i])
		}
	}
	sources := sortedIDs(p.cursors)
	e.uint(uint64(len(sources)))
	for _, s := range sources {
		e.uint(uint64(s))
		e.uint(p.cursors[s].Step)
		e.uint(uint64(p.cursors[s].Index))
	}
	p.encodeResidences(e)
	gone := sortedIDs(p.erased)
	e.uint(uint64(len(gone)))
	for _, id := range gone {
		e.fixed(uint64(id))
	}
}

// customer encodes all that is known of one customer.
func (e *encoder) customer(p *Partition, c *customer, oldest uint16) {
	e.profile(c.id, c.since, c.profile)
	e.uint(uint64(len(c.counters)))
	for i := range c.counters {
		e.counter(p, c, &c.counters[i])
	}
	e.uint(uint64(len(c.marks)))
	for i := range c.marks {
		e.mark(&c.marks[i])
	}
	e.uint(uint64(len(c.enrollments)))
	for _, v := range c.enrollments {
		e.enrollment(v)
	}
	e.uint(uint64(len(c.messages)))
	for _, m := range c.messages {
		e.message(m)
	}
	touched := c.touched()
	e.bool(touched != nil)
	if touched != nil {
		e.seen(touched, oldest)
	}
	e.more(c.more)
	e.member(c.membership())
}

// Restore replaces the state by that of a snapshot. A broken snapshot leaves
// the partition empty.
func (p *Partition) Restore(data []byte) error {
	p.reset()
	d := decoder{b: data, texts: p.texts}
	if d.byte() != formatVersion {
		return gateway.Errorf(gateway.Internal, "journey: the snapshot was written by a later version or is broken")
	}
	p.now, p.observed = d.at(), d.at()
	p.rules.noted, p.rules.day = d.fixed(), d.int()
	d.journeys(p)
	customers := d.length(20)
	p.customers = make(map[gateway.CustomerID]*customer, customers)
	for range customers {
		d.customer(p)
	}
	devices := d.length(10)
	p.devices.reserve(devices)
	for range devices {
		if d.bad {
			break
		}
		admitChange{d.device()}.apply(p)
	}
	d.moves(p)
	d.earlyChange().apply(p)
	if err := d.err("snapshot"); err != nil {
		p.reset()
		return err
	}
	for _, j := range p.journeys {
		p.schedule(j)
	}
	if p.classRules != nil {
		p.schedule(p.classRules)
	}
	return nil
}

func (d *decoder) journeys(p *Partition) {
	since := make([]trait, d.length(3))
	for i := range since {
		since[i] = trait{since: d.at(), awaits: d.bool(), ignore: d.at()}
	}
	p.traits = make([]*trait, len(since))
	d.classRules(p, since)
	for range d.length(2) {
		d.oneJourney(p, since)
		if d.bad {
			return
		}
	}
	for _, t := range p.traits { // every counter is one of a version
		if t == nil {
			d.fail()
			return
		}
		p.eventType(t.spec.event).add(t)
	}
	p.indexTriggers()
	p.indexRules()
	d.brakeChange().apply(p)
	d.sweepChange(p).apply(p)
}

func (d *decoder) oneJourney(p *Partition, since []trait) {
	j := &journey{p: p, index: len(p.journeys), name: d.string()}
	p.journeys = append(p.journeys, j)
	for range d.length(3) {
		v := &version{journey: j, number: d.uint32(), text: d.bytes(), existing: d.bool(), migrate: d.string(),
			pace: int(d.uint()), fill: d.fill()}
		def, err := d.texts.compileAs(j.name, v.text)
		if n := d.length(1); err != nil || n != len(def.traits) {
			d.fail()
			return
		}
		v.def = def
		d.traitsOf(p, v, since)
		j.versions = append(j.versions, v)
	}
	c := d.journeyBody(j)
	if d.bad {
		return
	}
	j.state, j.changes, j.scan, j.pause = c.state, c.changes, c.scan, c.pause
	if c.active >= 0 {
		j.active = j.versions[c.active]
	}
	for i, v := range j.versions {
		v.state = c.states[i]
	}
	j.limits = d.limits()
}

// traitsOf reads the ids of the counters beside a definition's traits.
func (d *decoder) traitsOf(p *Partition, v *version, since []trait) {
	for i := range v.def.traits {
		id := d.uint()
		if id >= uint64(len(p.traits)) {
			d.fail()
			return
		}
		if p.traits[id] == nil {
			t := p.newTrait(int(id), &v.def.traits[i], since[id].since)
			t.awaits, t.ignore = since[id].awaits, since[id].ignore
			p.traits[id] = t
		}
		d.must(p.traits[id].key == traitKey(&v.def.traits[i]))
		v.traits = append(v.traits, p.traits[id])
	}
}

func (d *decoder) customer(p *Partition) {
	if d.bad {
		return
	}
	c := d.profile()
	c.apply(p)
	cust := p.customers[c.id]
	cust.counters = make([]counter, 0, d.length(10))
	p.regained.all = p.regained.all[:0]
	for range cap(cust.counters) {
		d.counter(p, cust)
		if d.bad {
			return
		}
	}
	p.writeRegained(cust)
	for range d.length(5) {
		markChange{c.id, d.mark(p)}.apply(p)
	}
	for range d.length(30) {
		e := d.enrollment(p)
		if d.bad {
			return
		}
		enrollmentChange{c.id, e}.apply(p)
	}
	for range d.length(40) {
		m := d.message(p)
		if d.bad {
			return
		}
		messageChange{c.id, m}.apply(p)
	}
	if d.bool() {
		s := d.seen()
		cust.grow().seen = &s
	}
	d.more(p, cust)
	if m := d.member(); m != nil {
		memberChange{c.id, m}.apply(p)
	}
	for i := range cust.counters {
		if t := p.traits[cust.counters[i].trait]; t.spec.silence > 0 {
			p.schedule(cust.silence(t))
		}
	}
}

func (d *decoder) moves(p *Partition) {
	for range d.length(9) {
		p.moved[gateway.DeviceID(d.fixed())] = int(d.uint())
	}
	for range d.length(9) {
		id := gateway.DeviceID(d.fixed())
		p.expected[id] = nil
		for range d.length(2) {
			p.expected[id] = append(p.expected[id], d.input())
		}
	}
	for range d.length(3) {
		f := gateway.Forwarded{Partition: int(d.uint()), Step: d.uint(), Index: d.uint32()}
		p.cursors[f.Partition] = f
	}
	d.residences(p)
	for range d.length(8) {
		p.erased[gateway.CustomerID(d.fixed())] = struct{}{}
	}
}
