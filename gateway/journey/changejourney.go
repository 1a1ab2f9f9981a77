package journey

import (
	"slices"

	"touchpoint/gateway"
)

// publishChange stores a version of a journey. Its text is compiled again when
// it is replayed; what was valid once stays valid.
type publishChange struct {
	name     string
	number   uint32
	text     []byte
	existing bool
	migrate  string
	pace     int
	fill     *fill // nil = nothing is filled
	def      *Definition
}

func (c publishChange) encode(e *encoder) {
	e.byte(opPublish)
	e.string(c.name)
	e.uint(uint64(c.number))
	e.bytes(c.text)
	e.bool(c.existing)
	e.string(c.migrate)
	e.uint(uint64(c.pace))
	e.fill(c.fill)
}

func (d *decoder) publishChange() change {
	c := publishChange{name: d.string(), number: d.uint32(), text: d.bytes(), existing: d.bool(), migrate: d.string(),
		pace: int(d.uint()), fill: d.fill()}
	var err error
	c.def, err = d.texts.compileAs(c.name, c.text)
	d.must(err == nil)
	return c
}

func (c publishChange) apply(p *Partition) {
	j := p.journeyNamed(c.name)
	if j == nil {
		j = &journey{p: p, index: len(p.journeys), name: c.name, state: gateway.JourneyDraft}
		p.journeys = append(p.journeys, j)
	}
	v := &version{journey: j, number: c.number, def: c.def, text: c.text, existing: c.existing,
		migrate: c.migrate, state: gateway.JourneyDraft, pace: c.pace, fill: c.fill}
	if v.fill != nil {
		v.state = gateway.JourneyFilling
	}
	known := len(p.traits)
	for i := range c.def.traits {
		t := p.defineTrait(&c.def.traits[i])
		t.awaits = t.awaits || c.fill != nil && t.id >= known
		v.traits = append(v.traits, t)
	}
	if v.fill != nil {
		v.fill.first = known
	}
	j.versions = append(j.versions, v)
}

// defineTrait returns the counter of a spec, making it when it is new. Counters
// stay when their journey is archived: published again, it finds them up to date.
func (p *Partition) defineTrait(spec *traitSpec) *trait {
	if t := p.traitOf(traitKey(spec)); t != nil {
		return t
	}
	t := p.newTrait(len(p.traits), spec, p.now)
	p.traits = append(p.traits, t)
	p.eventType(spec.event).add(t)
	return t
}

// traitOf returns the counter of a key, nil when there is none.
func (p *Partition) traitOf(key string) *trait {
	for _, t := range p.traits {
		if t.key == key {
			return t
		}
	}
	return nil
}

// eventType returns the index entry of a type, making it when it is new.
func (p *Partition) eventType(name string) *eventType {
	et := p.types[name]
	if et == nil {
		et = &eventType{name: name}
		p.types[name] = et
		if name == gateway.AnyEvent {
			p.any = et
		}
	}
	return et
}

// typeOf returns the index entry of a type, nil when nobody cares. Events of one
// type tend to come together.
func (p *Partition) typeOf(name string) *eventType {
	if p.latest == nil || p.latest.name != name {
		et := p.types[name]
		if et == nil {
			return nil
		}
		p.latest = et
	}
	return p.latest
}

func (p *Partition) journeyNamed(name string) *journey {
	i := slices.IndexFunc(p.journeys, func(j *journey) bool { return j.name == name })
	if i < 0 {
		return nil
	}
	return p.journeys[i]
}

// journeyChange puts a journey's state, its active version, the states of its
// versions, its pending changes and its scan.
type journeyChange struct {
	index   int
	state   gateway.JourneyState
	active  int // index of the version, -1 = none
	states  []gateway.JourneyState
	changes []pendingChange
	scan    scan
	pause   pause
}

// pause says since when a journey stands still, and why when it stopped itself.
type pause struct {
	since  gateway.Instant
	reason gateway.Reason
	rule   string
}

// put makes the change that leaves j as it is; callers alter the copy.
func (j *journey) put() journeyChange {
	c := journeyChange{index: j.index, state: j.state, active: slices.Index(j.versions, j.active),
		changes: slices.Clone(j.changes), scan: j.scan, pause: j.pause}
	for _, v := range j.versions {
		c.states = append(c.states, v.state)
	}
	return c
}

func (c journeyChange) encode(e *encoder) {
	e.byte(opJourney)
	e.uint(uint64(c.index))
	c.encodeBody(e)
}

func (c journeyChange) encodeBody(e *encoder) {
	e.string(string(c.state))
	e.int(int64(c.active))
	e.uint(uint64(len(c.states)))
	for _, s := range c.states {
		e.string(string(s))
	}
	e.uint(uint64(len(c.changes)))
	for _, pc := range c.changes {
		e.at(pc.at)
		e.uint(uint64(pc.version))
		e.string(string(pc.state))
		e.bool(pc.withdraw)
		e.string(string(pc.reason))
		e.string(pc.rule)
	}
	e.scan(c.scan)
	e.at(c.pause.since)
	e.string(string(c.pause.reason))
	e.string(c.pause.rule)
}

func (d *decoder) journeyChange(p *Partition) change {
	index := d.uint()
	if index >= uint64(len(p.journeys)) {
		return nil
	}
	c := d.journeyBody(p.journeys[index])
	c.index = int(index)
	return c
}

// journeyBody reads what a change puts of a journey with some versions.
func (d *decoder) journeyBody(j *journey) (c journeyChange) {
	c.state, c.active = gateway.JourneyState(d.string()), int(d.int())
	for range d.length(1) {
		c.states = append(c.states, gateway.JourneyState(d.string()))
	}
	for range d.length(3) {
		c.changes = append(c.changes, pendingChange{at: d.at(), version: d.uint32(), state: gateway.JourneyState(d.string()),
			withdraw: d.bool(), reason: gateway.Reason(d.string()), rule: d.string()})
	}
	c.scan = d.scan()
	c.pause = pause{since: d.at(), reason: gateway.Reason(d.string()), rule: d.string()}
	d.must(len(c.states) == len(j.versions) && c.active >= -1 && c.active < len(j.versions))
	return c
}

func (c journeyChange) apply(p *Partition) {
	j := p.journeys[c.index]
	j.state, j.changes, j.scan, j.pause = c.state, c.changes, c.scan, c.pause
	j.active = nil
	if c.active >= 0 {
		j.active = j.versions[c.active]
	}
	for i, v := range j.versions {
		v.state = c.states[i]
	}
	p.indexTriggers()
	p.schedule(j)
	if j.state != gateway.JourneyPaused {
		for _, t := range j.parked { // what fell due in a pause runs on
			p.schedule(t)
		}
		j.parked = nil
	}
}

// indexTriggers rebuilds the index from event type to triggers.
func (p *Partition) indexTriggers() {
	for _, et := range p.types {
		et.journeys, et.unless = nil, nil
	}
	for _, j := range p.journeys {
		v := j.active
		if v == nil || j.state != gateway.JourneyPublished && j.state != gateway.JourneyPaused {
			continue
		}
		tr := &v.def.trigger
		if tr.sequence != nil {
			for _, name := range tr.sequence.types() {
				et := p.eventType(name)
				et.journeys = append(et.journeys, v)
			}
		} else if tr.event != "" {
			et := p.eventType(tr.event)
			et.journeys = append(et.journeys, v)
		}
		if tr.unless >= 0 {
			et := p.eventType(v.traits[tr.unless].spec.event)
			et.unless = append(et.unless, v.traits[tr.trait])
		}
	}
}
