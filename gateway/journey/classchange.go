package journey

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// adoptRules takes up the installation's rules when they differ from those
// that the state was made by: at the first record after a start. A scan then
// looks at every customer.
func (p *Partition) adoptRules() {
	text := p.ruleText
	latest := p.latestRules()
	if latest == nil && text == "" || latest != nil && latest.text == text {
		return
	}
	rs, err := p.texts.compileRules(text)
	if err == nil {
		if event := p.tooManyCounters(rs.v.def); event != "" {
			err = gateway.InvalidField("traits", "event type %s would move more than %d counters", event, maxTraitsPerType)
		}
	}
	if err != nil {
		p.ruleText = "" // said once; Config.Validate has said it before
		if latest != nil {
			p.ruleText = latest.text
		}
		p.decide(gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonInvalid, Rule: "rules: " + err.Error()})
		return
	}
	fill := p.fillRules(rs)
	do(p, classRulesChange{text: text, set: rs, fill: fill})
	p.rulesDecision(fill)
	p.retryArrivals()
}

// classRulesChange puts rules in force.
type classRulesChange struct {
	text string
	set  *classRules
	fill *fill // nil = they are in force at once
}

func (c classRulesChange) encode(e *encoder) {
	e.byte(opClassRules)
	e.string(c.text)
	e.fill(c.fill)
}

func (d *decoder) classRulesChange() change {
	c := classRulesChange{text: d.string(), fill: d.fill()}
	var err error
	c.set, err = d.texts.compileRules(c.text)
	d.must(err == nil)
	return c
}

func (c classRulesChange) apply(p *Partition) {
	rs, known := c.set, len(p.traits)
	for i := range rs.v.def.traits {
		t := p.defineTrait(&rs.v.def.traits[i])
		t.awaits = t.awaits || c.fill != nil && t.id >= known
		rs.v.traits = append(rs.v.traits, t)
	}
	p.addRules(rs)
	if rs.v.fill = c.fill; c.fill != nil {
		c.fill.first = known
		return
	}
	p.enforce(rs)
}

// enforce puts a set of rules in force and looks at every customer.
func (p *Partition) enforce(rs *classRules) {
	p.putRules(rs)
	p.indexRules()
	if len(p.customers) > 0 {
		rs.scan = scan{kind: scanEntry, due: p.now}
		p.schedule(rs)
	}
}

// putRules makes a set the one in force.
func (p *Partition) putRules(rs *classRules) {
	rs.gen = xxhash.Sum64String(rs.text)
	if p.classRules != nil {
		p.classRules.scan = scan{}
	}
	p.classRules = rs
}

// indexRules notes at the counters and event types which rules look at them.
func (p *Partition) indexRules() {
	for _, et := range p.types {
		et.ruled = false
	}
	for _, t := range p.traits {
		t.rules = 0
	}
	if p.classRules == nil {
		return
	}
	read := p.classRules.read()
	for i, t := range p.classRules.v.traits {
		if read>>i&1 == 1 {
			t.rules |= 1 << i
			p.eventType(t.spec.event).ruled = true
		}
	}
}

func (rs *classRules) timer() (gateway.Instant, bool, uint64) { return rs.scan.due, false, 0 } // before all journeys
func (rs *classRules) queue() *queued                         { return &rs.queued }

// fire goes on with the scan after a change of the rules.
func (rs *classRules) fire(p *Partition) {
	ids := sortedIDs(p.customers)
	i, _ := slices.BinarySearch(ids, rs.scan.next)
	end := min(i+scanSize, len(ids))
	next := ruleScanChange{}
	if end < len(ids) {
		next.scan = scan{kind: scanEntry, next: ids[end], due: p.now}
	}
	do(p, next)
	for _, id := range ids[i:end] {
		p.classify(p.customers[id], classCause{all: true, quiet: true})
	}
}

// ruleScanChange moves the scan.
type ruleScanChange struct{ scan scan }

func (c ruleScanChange) encode(e *encoder) {
	e.byte(opRuleScan)
	e.scan(c.scan)
}

func (c ruleScanChange) apply(p *Partition) {
	if p.classRules != nil {
		p.classRules.scan = c.scan
		p.schedule(p.classRules)
	}
}

func (e *encoder) scan(s scan) {
	e.byte(byte(s.kind) | byte(boolInt(len(s.guests) > 0))*withGuests)
	e.fixed(uint64(s.next))
	e.at(s.due)
	e.fixed(uint64(s.existing))
	if len(s.guests) > 0 {
		e.guests(s.guests)
	}
}

func (d *decoder) scan() scan {
	kind := d.byte()
	s := scan{kind: scanKind(kind &^ withGuests), next: gateway.CustomerID(d.fixed()), due: d.at(), existing: gateway.CustomerID(d.fixed())}
	if kind&withGuests != 0 {
		s.guests = d.guests()
	}
	return s
}

// classChange puts what the rules say of a customer, and lets the windows that
// they look at forget what has left them.
type classChange struct {
	customer gateway.CustomerID
	gen      uint64
	segments uint64
	stages   uint64
	moves    uint32
	due      gateway.Instant
	entered  bool // a stage
	stage    string
}

func (c classChange) encode(e *encoder) {
	e.byte(opClass)
	e.fixed(uint64(c.customer))
	e.fixed(c.gen)
	e.uint(c.segments)
	e.uint(c.stages)
	e.uint(uint64(c.moves))
	e.at(c.due)
	e.bool(c.entered)
	if c.entered {
		e.string(c.stage)
	}
}

func (d *decoder) classChange() change {
	c := classChange{customer: gateway.CustomerID(d.fixed()), gen: d.fixed(), segments: d.uint(), stages: d.uint(),
		moves: d.uint32(), due: d.at(), entered: d.bool()}
	if c.entered {
		c.stage = d.string()
	}
	return c
}

func (c classChange) apply(p *Partition) {
	cust := p.customer(c.customer)
	m := cust.grow()
	if m.class == nil {
		m.class = &class{c: cust}
	}
	k := m.class
	k.gen, k.segments, k.stages, k.moves, k.due = c.gen, c.segments, c.stages, c.moves, c.due
	if c.entered {
		if len(k.visits) == maxVisits {
			k.visits = slices.Delete(k.visits, 0, 1)
		}
		k.visits = append(k.visits, stageVisit{p.intern(c.stage), p.now})
	}
	if p.classRules != nil {
		for _, t := range p.classRules.v.traits {
			if counter := k.c.counter(t, 0); counter != nil {
				p.letGo(k.c, counter)
			}
		}
	}
	p.schedule(k)
}

// classMissedChange notes a trigger that a pause held back, or that it was
// made good.
type classMissedChange struct {
	customer gateway.CustomerID
	journey  *journey
	missed   bool
}

func (c classMissedChange) encode(e *encoder) {
	e.byte(opClassMissed)
	e.fixed(uint64(c.customer))
	e.uint(uint64(c.journey.index))
	e.bool(c.missed)
}

func (c classMissedChange) apply(p *Partition) {
	cust := p.customers[c.customer]
	if cust == nil || cust.more == nil || cust.more.class == nil {
		return
	}
	k := cust.more.class
	k.missed = slices.DeleteFunc(k.missed, func(j *journey) bool { return j == c.journey })
	if c.missed {
		k.missed = append(k.missed, c.journey)
	}
}

func (e *encoder) class(k *class) {
	e.fixed(k.gen)
	e.uint(k.segments)
	e.uint(k.stages)
	e.uint(uint64(k.moves))
	e.at(k.due)
	e.uint(uint64(len(k.visits)))
	for _, v := range k.visits {
		e.string(v.stage)
		e.at(v.at)
	}
	e.uint(uint64(len(k.missed)))
	for _, j := range k.missed {
		e.uint(uint64(j.index))
	}
}

func (d *decoder) class(p *Partition, c *customer) *class {
	k := &class{c: c, gen: d.fixed(), segments: d.uint(), stages: d.uint(), moves: d.uint32(), due: d.at()}
	for range d.length(2) {
		k.visits = append(k.visits, stageVisit{p.intern(d.string()), d.at()})
	}
	for range d.length(1) {
		k.missed = append(k.missed, d.journey(p))
	}
	return k
}

// rules writes the texts that were ever in force: their traits go on counting.
func (e *encoder) classRules(p *Partition) {
	e.uint(uint64(len(p.classSets)))
	for _, rs := range p.classSets {
		e.string(rs.text)
		e.uint(uint64(len(rs.v.traits)))
		for _, t := range rs.v.traits {
			e.uint(uint64(t.id))
		}
		e.scan(rs.scan)
		e.byte(rs.standing())
		e.fill(rs.v.fill)
	}
}

func (d *decoder) classRules(p *Partition, since []trait) {
	for range d.length(3) {
		rs, err := d.texts.compileRules(d.string())
		if n := d.length(1); err != nil || n != len(rs.v.def.traits) {
			d.fail()
			return
		}
		d.traitsOf(p, rs.v, since)
		rs.scan = d.scan()
		if d.bad {
			return
		}
		p.addRules(rs)
		standing := d.byte()
		rs.v.fill, rs.dropped = d.fill(), standing == rulesDropped
		d.must(standing <= rulesDropped && (rs.v.fill != nil) == (standing == rulesFilling))
		if standing == rulesForced {
			s := rs.scan
			p.putRules(rs)
			rs.scan = s
		}
	}
}
