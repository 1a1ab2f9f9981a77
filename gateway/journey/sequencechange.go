package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// sequenceChange takes an event into a sequence.
type sequenceChange struct {
	customer gateway.CustomerID
	version  *version
	device   gateway.DeviceID
	horizon  gateway.Instant
	event    sequenceEvent
}

func (c sequenceChange) encode(e *encoder) {
	e.byte(opSequence)
	e.fixed(uint64(c.customer))
	e.version(c.version)
	e.fixed(uint64(c.device))
	e.at(c.horizon)
	e.sequenceEvent(&c.event, c.horizon)
}

func (d *decoder) sequenceChange(p *Partition) change {
	c := sequenceChange{customer: gateway.CustomerID(d.fixed()), version: d.sequenceVersion(p), device: gateway.DeviceID(d.fixed()), horizon: d.at()}
	c.event = d.sequenceEvent(c.horizon)
	return c
}

func (c sequenceChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	st := cust.sequence(c.version, c.device)
	if st == nil {
		st = cust.openSequence(c.version, c.device)
	}
	st.v = c.version
	st.add(c.event, c.horizon)
}

// openSequence starts a sequence, in place of one that another text gathered.
func (c *customer) openSequence(v *version, d gateway.DeviceID) *sequenceState {
	if !v.def.trigger.sequence.perDev {
		d = 0
	}
	s := newSequenceState(v, d)
	c.grow().putSequence(s)
	return s
}

// putSequence puts a sequence at its place.
func (m *more) putSequence(s *sequenceState) {
	i, found := slices.BinarySearchFunc(m.sequences, s, func(a, b *sequenceState) int {
		return cmp.Or(cmp.Compare(a.v.journey.index, b.v.journey.index), cmp.Compare(a.device, b.device))
	})
	if !found {
		m.sequences = slices.Insert(m.sequences, i, nil)
	}
	m.sequences[i] = s
}

// sequenceFiredChange notes that an event was decided about.
type sequenceFiredChange struct {
	customer gateway.CustomerID
	version  *version
	device   gateway.DeviceID
	at       gateway.Instant
	key      string
}

func (c sequenceFiredChange) encode(e *encoder) {
	e.byte(opSequenceFired)
	e.fixed(uint64(c.customer))
	e.version(c.version)
	e.fixed(uint64(c.device))
	e.at(c.at)
	e.string(c.key)
}

func (d *decoder) sequenceFiredChange(p *Partition) change {
	return sequenceFiredChange{gateway.CustomerID(d.fixed()), d.sequenceVersion(p), gateway.DeviceID(d.fixed()), d.at(), d.string()}
}

func (c sequenceFiredChange) apply(p *Partition) {
	cust := p.customers[c.customer]
	if cust == nil {
		return
	}
	st := cust.sequence(c.version, c.device)
	if st == nil {
		return
	}
	for i := range st.recent {
		if e := &st.recent[i]; e.at == c.at && e.key == c.key {
			e.fired, e.ev = true, nil
		}
	}
}

// version names a version by its journey and number.
func (e *encoder) version(v *version) {
	e.uint(uint64(v.journey.index))
	e.uint(uint64(v.number))
}

// sequenceVersion reads a version whose trigger is a sequence.
func (d *decoder) sequenceVersion(p *Partition) *version {
	v := d.journey(p).version(d.uint32())
	if v == nil || v.def.trigger.sequence == nil {
		d.fail()
		return nil
	}
	return v
}

// The flags of an event of a sequence.
const (
	sequenceBlocks = 1 << iota
	sequenceFired
	sequenceKept
)

// sequenceEvent writes an event; its time is relative to base.
func (e *encoder) sequenceEvent(v *sequenceEvent, base gateway.Instant) {
	e.at(v.at - base)
	e.string(v.key)
	e.byte(v.steps)
	e.byte(byte(boolInt(v.blocks)*sequenceBlocks | boolInt(v.fired)*sequenceFired | boolInt(v.ev != nil)*sequenceKept))
	if v.ev != nil {
		e.string(v.ev.ID)
		e.string(v.ev.Type)
		e.fixed(uint64(v.ev.Device))
		e.string(v.ev.Product)
		e.at(v.ev.ReceivedAt - v.at)
		e.properties(v.ev.Properties)
	}
}

func (d *decoder) sequenceEvent(base gateway.Instant) (v sequenceEvent) {
	v.at, v.key, v.steps = base+d.at(), d.string(), d.byte()
	flags := d.flags(sequenceBlocks | sequenceFired | sequenceKept)
	v.blocks, v.fired = flags&sequenceBlocks != 0, flags&sequenceFired != 0
	if flags&sequenceKept != 0 {
		v.ev = &gateway.Event{ID: d.string(), Type: d.string(), Device: gateway.DeviceID(d.fixed()), Product: d.string(),
			OccurredAt: v.at, ReceivedAt: v.at + d.at(), Properties: d.properties()}
	}
	return v
}

func (e *encoder) sequence(s *sequenceState) {
	e.version(s.v)
	e.fixed(uint64(s.device))
	for _, at := range append(slices.Clone(s.open), s.blocked) {
		e.bool(at != never)
		if at != never {
			e.at(at)
		}
	}
	e.uint(uint64(len(s.recent)))
	base := gateway.Instant(0)
	for i := range s.recent {
		e.sequenceEvent(&s.recent[i], base)
		base = s.recent[i].at
	}
}

func (d *decoder) sequence(p *Partition) *sequenceState {
	v := d.sequenceVersion(p)
	if v == nil {
		return nil
	}
	s := newSequenceState(v, gateway.DeviceID(d.fixed()))
	instant := func() gateway.Instant {
		if d.bool() {
			return d.at()
		}
		return never
	}
	for i := range s.open {
		s.open[i] = instant()
	}
	s.blocked = instant()
	base := gateway.Instant(0)
	for range d.length(4) {
		e := d.sequenceEvent(base)
		if n := len(s.recent); n > 0 {
			d.must(s.recent[n-1].before(&e) < 0)
		}
		s.recent, base = append(s.recent, e), e.at
	}
	return s
}
