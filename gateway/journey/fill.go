package journey

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// Filling new counters from history
//
// A counter that a version brings along knows nothing of before. When the
// publication asks for it, the version waits (state filling) until the events of
// before were brought to its counters: those that the partition applied before
// the publication. From the publication on the counters count what comes, so
// that nothing is missing and nothing is counted twice. Events that another
// partition accepted and passed on are told apart by their identity.
//
// What a filled counter meets already fires only with `existing: enroll`: else
// it is as if the trigger had fired, until the condition ceases to hold.

// fill is a version whose counters wait for history.
type fill struct {
	at      gateway.Instant // of the publication
	seq     uint64          // and its place
	index   uint32
	afterAt gateway.Instant // the fill goes on behind this place
	afterN  uint32
	foreign map[uint64]struct{} // passed on by others and counted since the publication
}

// fresh lists the counters of a version that are not armed yet.
func (v *version) fresh() (list []*trait) {
	for _, t := range v.traits {
		if t.awaits && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

// newCounters reports whether a definition brings counters along that nobody
// has yet.
func (p *Partition) newCounters(def *Definition) bool {
	for i := range def.traits {
		key := traitKey(&def.traits[i])
		if !slices.ContainsFunc(p.traits, func(t *trait) bool { return t.key == key && !t.awaits }) {
			return true
		}
	}
	return false
}

// Fillings lists the versions whose counters wait for history.
func (p *Partition) Fillings() (list []gateway.Filling) {
	for _, j := range p.journeys {
		for _, v := range j.versions {
			if v.fill == nil {
				continue
			}
			list = append(list, gateway.Filling{Partition: p.cfg.Partition, Journey: j.name, Version: v.number, Needs: v.needs(),
				PublishedAt: v.fill.at, Seq: v.fill.seq, Index: v.fill.index, AfterAt: v.fill.afterAt, AfterN: v.fill.afterN})
		}
	}
	return list
}

// needs lists from when on events of which type matter.
func (v *version) needs() (list []gateway.FillNeed) {
	for _, t := range v.fresh() {
		from := gateway.Instant(0)
		if t.spec.within > 0 {
			from = max(t.spec.within.before(v.fill.at), 1)
		}
		i := slices.IndexFunc(list, func(n gateway.FillNeed) bool { return n.Type == t.spec.event })
		if i < 0 {
			list = append(list, gateway.FillNeed{Type: t.spec.event, From: from})
			continue
		}
		list[i].From = min(list[i].From, from)
	}
	slices.SortFunc(list, func(a, b gateway.FillNeed) int { return cmp.Compare(a.Type, b.Type) })
	return list
}

func (p *Partition) fillingVersion(name string, number uint32) *version {
	j := p.journeyNamed(name)
	if j == nil {
		return nil
	}
	v := j.version(number)
	if v == nil || v.fill == nil {
		return nil
	}
	return v
}

// fillTraits counts events of before the publication.
func (p *Partition) fillTraits(c gateway.FillTraits) gateway.Outcome {
	v := p.fillingVersion(c.Journey, c.Version)
	if v == nil || c.AfterAt != v.fill.afterAt || c.AfterN != v.fill.afterN {
		return gateway.Outcome{Disposition: gateway.Duplicate}
	}
	fresh := v.fresh()
	for i := range c.Events {
		p.fillOne(v, fresh, &c.Events[i])
	}
	do(p, fillChange{version: v, stage: fillMoved, at: c.LastAt, n: c.LastN})
	return gateway.Outcome{}
}

func (p *Partition) fillOne(v *version, fresh []*trait, e *gateway.CustomerEvent) {
	ev := &e.Event
	et := p.types[ev.Type]
	if _, counted := v.fill.foreign[foreignHash(ev)]; counted || et == nil && p.any == nil || e.Customer == 0 || !p.Lives(e.Customer) {
		return
	}
	c := p.customers[e.Customer]
	isFresh := func(t *trait) bool { return slices.Contains(fresh, t) }
	if et != nil {
		p.look(c, nil, nil, ev)
		p.countInto(c, et, ev, isFresh)
	}
	p.countAny(c, ev, isFresh)
}

// finishFill lets the version become active.
func (p *Partition) finishFill(c gateway.FinishFill) gateway.Outcome {
	v := p.fillingVersion(c.Journey, c.Version)
	if v == nil || c.AfterAt != v.fill.afterAt || c.AfterN != v.fill.afterN {
		return gateway.Outcome{Disposition: gateway.Duplicate}
	}
	do(p, fillChange{version: v, stage: fillDone, at: c.Since})
	p.settle(v.journey)
	return gateway.Outcome{}
}

// arm lets the counters of a version that becomes active fire its trigger. What
// they meet already is as if it had fired, unless existing customers enter.
func (p *Partition) arm(v *version) {
	if len(v.fresh()) == 0 {
		return
	}
	ignore := p.now
	if v.existing {
		ignore = 0
	}
	do(p, fillChange{version: v, stage: fillArmed, at: ignore})
}

// ignoreExisting marks, at the first event since the trigger became active, what
// met it before as if it had fired.
func (p *Partition) ignoreExisting(v *version, c *customer, ev *gateway.Event) {
	tr := &v.def.trigger
	if tr.trait < 0 || v.traits[tr.trait].ignore == 0 || tr.kind != triggerThreshold && tr.kind != triggerMilestone {
		return
	}
	k := c.counter(v.traits[tr.trait], ev.Device)
	if k == nil || k.flags&watched != 0 {
		return
	}
	ref, flags := counterRef{c.id, k.trait, k.device}, k.flags|watched
	met := tr.kind == triggerMilestone && uint32(k.n) >= tr.nth || tr.kind == triggerThreshold && p.reached(v, c, k)
	if met && flags&pending == 0 {
		if tr.every {
			do(p, useUpChange{ref})
		} else {
			flags |= latched
		}
	}
	do(p, flagsChange{ref, flags})
}

// watch notes that a counter that just came into being is looked at from its
// beginning.
func (p *Partition) watch(v *version, c *customer, ev *gateway.Event) {
	tr := &v.def.trigger
	if tr.trait < 0 || v.traits[tr.trait].ignore == 0 {
		return
	}
	if k := c.counter(v.traits[tr.trait], ev.Device); k != nil && k.flags&watched == 0 {
		do(p, flagsChange{counterRef{c.id, k.trait, k.device}, k.flags | watched})
	}
}

// noteForeign remembers that an event that another partition accepted was
// counted live by counters that are being filled.
func (p *Partition) noteForeign(ev *gateway.Event) {
	for _, j := range p.journeys {
		for _, v := range j.versions {
			if v.fill != nil && slices.ContainsFunc(v.fresh(), func(t *trait) bool { return t.spec.hears(ev.Type) }) {
				do(p, foreignChange{v, foreignHash(ev)})
			}
		}
	}
}

// foreignHash is the identity of an event across devices.
func foreignHash(ev *gateway.Event) uint64 {
	id := identify(ev)
	if id.numbered {
		return mix(uint64(ev.Device)^mix(id.seq^mix(uint64(id.boot)))) | 1
	}
	return mix(uint64(ev.Device)^id.hash) | 1
}

// The stages of a fill.
const (
	fillMoved = iota + 1 // at and n are the place behind which it goes on
	fillDone             // at is from when on everything is known
	fillArmed            // at is until when what is met does not count
)

// fillChange goes on with a fill.
type fillChange struct {
	version *version
	stage   uint8
	at      gateway.Instant
	n       uint32
}

func (c fillChange) encode(e *encoder) {
	e.byte(opFill)
	e.version(c.version)
	e.byte(c.stage)
	e.at(c.at)
	e.uint(uint64(c.n))
}

func (d *decoder) fillChange(p *Partition) change {
	c := fillChange{d.version(p), d.byte(), d.at(), uint32(d.uint())}
	if d.bad || c.stage == 0 || c.stage > fillArmed || c.stage < fillArmed && c.version.fill == nil {
		d.fail()
		return nil
	}
	return c
}

func (c fillChange) apply(p *Partition) {
	v := c.version
	switch c.stage {
	case fillMoved:
		v.fill.afterAt, v.fill.afterN = c.at, c.n
	case fillDone:
		v.fill = nil
		v.state = gateway.JourneyDraft
		for _, t := range v.fresh() {
			t.since = c.at
		}
		p.schedule(v.journey)
	case fillArmed:
		for _, t := range v.fresh() {
			t.awaits, t.ignore = false, c.at
		}
	}
}

// foreignChange notes an event that was counted already.
type foreignChange struct {
	version *version
	hash    uint64
}

func (c foreignChange) encode(e *encoder) {
	e.byte(opForeign)
	e.version(c.version)
	e.fixed(c.hash)
}

func (d *decoder) foreignChange(p *Partition) change {
	c := foreignChange{d.version(p), d.fixed()}
	if d.bad || c.version.fill == nil {
		d.fail()
		return nil
	}
	return c
}

func (c foreignChange) apply(*Partition) { c.version.fill.foreign[c.hash] = struct{}{} }

func (e *encoder) fill(f *fill) {
	e.bool(f != nil)
	if f == nil {
		return
	}
	e.at(f.at)
	e.uint(f.seq)
	e.uint(uint64(f.index))
	e.at(f.afterAt)
	e.uint(uint64(f.afterN))
	list := sortedIDs(f.foreign)
	e.uint(uint64(len(list)))
	for _, h := range list {
		e.fixed(h)
	}
}

func (d *decoder) fill() *fill {
	if !d.bool() {
		return nil
	}
	f := &fill{at: d.at(), seq: d.uint(), index: uint32(d.uint()), afterAt: d.at(), afterN: uint32(d.uint()),
		foreign: map[uint64]struct{}{}}
	for range d.length(8) {
		f.foreign[d.fixed()] = struct{}{}
	}
	return f
}

// Lives reports whether a customer lives on this partition.
func (p *Partition) Lives(c gateway.CustomerID) bool { return p.customers[c] != nil }

// FillWants reports whether an event of history is one that a version which is
// being filled has to count, if its customer lives there; the place is where it
// was accepted.
func FillWants(f *gateway.Filling, partition int, seq uint64, index uint32, ev *gateway.Event) bool {
	if partition == f.Partition && (seq > f.Seq || seq == f.Seq && index >= f.Index) {
		return false
	}
	return slices.ContainsFunc(f.Needs, func(n gateway.FillNeed) bool {
		return (n.Type == ev.Type || n.Type == gateway.AnyEvent) && ev.OccurredAt >= n.From
	})
}
