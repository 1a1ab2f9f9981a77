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
	first   int                 // the counters that it brings along, by their ids: from first on
	foreign map[uint64]struct{} // passed on by others and counted since the publication
}

// own lists the counters that the fill of a version brings along. Those that
// another one is filling are not among them; see finishFill. A counter that has
// several names stands there as often; so it does in fresh.
func (v *version) own() (list []*trait) {
	for _, t := range v.traits {
		if t.id >= v.fill.first {
			list = append(list, t)
		}
	}
	return list
}

// filling yields the versions, and the rules, whose counters wait for history.
func (p *Partition) filling(yield func(*version) bool) {
	for _, rs := range p.classSets {
		if rs.v.fill != nil && !yield(rs.v) {
			return
		}
	}
	for _, j := range p.journeys {
		for _, v := range j.versions {
			if v.fill != nil && !yield(v) {
				return
			}
		}
	}
}

// waitsForOthers reports whether a version names counters that another fill
// brings along.
func (p *Partition) waitsForOthers(v *version) bool {
	for other := range p.filling {
		if other != v && slices.ContainsFunc(other.own(), func(t *trait) bool { return slices.Contains(v.traits, t) }) {
			return true
		}
	}
	return false
}

// fresh lists the counters of a version that are not armed yet.
func (v *version) fresh() (list []*trait) {
	for _, t := range v.traits {
		if t.awaits {
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
	for v := range p.filling {
		list = append(list, gateway.Filling{Partition: p.cfg.Partition, Journey: v.journey.name, Version: v.number, Needs: v.needs(),
			PublishedAt: v.fill.at, Seq: v.fill.seq, Index: v.fill.index, AfterAt: v.fill.afterAt, AfterN: v.fill.afterN})
	}
	return list
}

// needs lists from when on events of which type matter.
func (v *version) needs() (list []gateway.FillNeed) {
	for _, t := range v.own() {
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
	for v := range p.filling {
		if v.journey.name == name && v.number == number {
			return v
		}
	}
	return nil
}

// fillTraits counts events of before the publication.
func (p *Partition) fillTraits(c gateway.FillTraits) gateway.Outcome {
	v := p.fillingVersion(c.Journey, c.Version)
	if v == nil || c.AfterAt != v.fill.afterAt || c.AfterN != v.fill.afterN {
		return gateway.Outcome{Disposition: gateway.Duplicate}
	}
	own := v.own()
	for i := range c.Events {
		p.fillOne(v, own, &c.Events[i])
	}
	do(p, fillChange{version: v, stage: fillMoved, at: c.LastAt, n: c.LastN})
	return gateway.Outcome{}
}

func (p *Partition) fillOne(v *version, own []*trait, e *gateway.CustomerEvent) {
	ev := &e.Event
	et := p.types[ev.Type]
	if _, counted := v.fill.foreign[foreignHash(ev)]; counted || !p.Lives(e.Customer) {
		return
	}
	c := p.customers[e.Customer]
	isOwn := func(t *trait) bool { return slices.Contains(own, t) }
	if et != nil {
		p.look(c, nil, nil, ev)
		p.countInto(c, et, ev, isOwn)
	}
	p.countAny(c, ev, isOwn)
}

// finishFill lets the version become active. One that names counters which
// another one is filling waits for that: it is asked again.
func (p *Partition) finishFill(c gateway.FinishFill) gateway.Outcome {
	v := p.fillingVersion(c.Journey, c.Version)
	if v == nil || c.AfterAt != v.fill.afterAt || c.AfterN != v.fill.afterN || p.waitsForOthers(v) {
		return gateway.Outcome{Disposition: gateway.Duplicate}
	}
	do(p, fillChange{version: v, stage: fillDone, at: c.Since})
	switch {
	case !v.ofRules():
		p.settle(v.journey)
	case p.latestRules().v == v: // else others replaced them meanwhile
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonPublished, Rule: "rules"})
	}
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
	if tr.trait < 0 || v.traits[tr.trait].ignore == 0 {
		return
	}
	k := c.counter(v.traits[tr.trait], ev.Device)
	if k == nil || k.flags&watched != 0 {
		return
	}
	ref, flags := counterRef{c.id, v.traits[tr.trait], k.device}, k.flags|watched
	met := tr.kind == triggerMilestone && uint32(k.n) >= tr.nth || tr.kind == triggerThreshold && p.reached(v, c, k)
	switch {
	case met && tr.every:
		do(p, useUpChange{ref})
	case met:
		flags |= latched
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
		do(p, flagsChange{counterRef{c.id, v.traits[tr.trait], k.device}, k.flags | watched})
	}
}

// noteForeign remembers that an event that another partition accepted was
// counted live by counters that are being filled.
func (p *Partition) noteForeign(ev *gateway.Event) {
	for v := range p.filling {
		if slices.ContainsFunc(v.own(), func(t *trait) bool { return t.spec.hears(ev.Type) }) {
			do(p, foreignChange{v, foreignHash(ev)})
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
	e.filledVersion(c.version)
	e.byte(c.stage)
	e.at(c.at)
	e.uint(uint64(c.n))
}

func (d *decoder) fillChange(p *Partition) change {
	c := fillChange{d.filledVersion(p), d.byte(), d.at(), uint32(d.uint())}
	if c.stage < fillMoved || c.stage > fillArmed || c.stage < fillArmed && c.version.fill == nil {
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
		for _, t := range v.own() {
			t.since = c.at
		}
		v.fill = nil
		if v.ofRules() {
			p.rulesFilled(v)
			return
		}
		v.state = gateway.JourneyDraft
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
	e.filledVersion(c.version)
	e.fixed(c.hash)
}

func (d *decoder) foreignChange(p *Partition) change {
	c := foreignChange{d.filledVersion(p), d.fixed()}
	if d.bad || c.version.fill == nil {
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
	e.uint(uint64(f.first))
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
		first: int(d.uint()), foreign: map[uint64]struct{}{}}
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
