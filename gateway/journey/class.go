package journey

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// class is what the rules say of one customer: the segments that he is in and
// the stage that he has come to. A rule is evaluated only when something that
// it depends on changed: an event moved a trait, an attribute was set, or a
// sliding window let an event go, for which there is a timer.
type class struct {
	c        *customer
	gen      uint64 // of the rules that it was made by
	segments uint64 // bits of the segments that he is in
	stages   uint64 // bits of the stage rules that hold
	moves    uint32 // changes of segments or stage, ever
	due      gateway.Instant
	visits   []stageVisit // oldest first; the last is the present stage
	missed   []*journey   // whose trigger fired while they were paused
	queued   queued
}

type stageVisit struct {
	stage string
	at    gateway.Instant
}

// maxVisits bounds the stage history of a customer.
const maxVisits = 32

func (k *class) timer() (gateway.Instant, bool, uint64) {
	return k.due, false, mix(uint64(k.c.id)^0x636c617373) >> 1
}
func (k *class) queue() *queued { return &k.queued }

// fire is the instant at which a window lets an event go.
func (k *class) fire(p *Partition) { p.classify(k.c, classCause{}) }

// class returns what the rules in force say of a customer, nil when they were
// not applied to him yet.
func (c *customer) class(p *Partition) *class {
	if p.classRules == nil || c.more == nil || c.more.class == nil || c.more.class.gen != p.classRules.gen {
		return nil
	}
	return c.more.class
}

func (k *class) stage() string {
	if len(k.visits) == 0 {
		return ""
	}
	return k.visits[len(k.visits)-1].stage
}

// inSegment reports whether a customer is in a segment; ok is false while that
// is not known.
func (p *Partition) inSegment(c *customer, name string) (in, ok bool) {
	set := p.classingSegments
	if p.classing != c {
		k := c.class(p)
		if k == nil {
			return false, false
		}
		set = k.segments
	}
	for i := range p.classRules.segments {
		if p.classRules.segments[i].name == name {
			return set>>i&1 == 1, true
		}
	}
	return false, true
}

func (p *Partition) hasStages() bool { return p.classRules != nil && len(p.classRules.stages) > 0 }

// stageOf returns the stage that a customer has come to.
func (p *Partition) stageOf(c *customer) (stage gateway.Value, known bool) {
	if k := c.class(p); k != nil {
		stage, known = gateway.String(k.stage()), true
	}
	return stage, known
}

// segmentNames lists the segments of a set of bits.
func (rs *classRules) segmentNames(set uint64) (names []string) {
	for i := range rs.segments {
		if set>>i&1 == 1 {
			names = append(names, rs.segments[i].name)
		}
	}
	return names
}

// leaving says which traits let an event go from an instant on until now.
func (p *Partition) leaving(rs *classRules, c *customer, from, now gateway.Instant) (traits uint64) {
	for i, t := range rs.v.traits {
		if k := c.counter(t, 0); k != nil {
			if at := p.nextLeave(c, k, from-1); at != 0 && at <= now {
				traits |= 1 << i
			}
		}
	}
	return traits
}

// nextLeaveOfAny returns when the next event leaves a window that a rule looks at.
func (p *Partition) nextLeaveOfAny(rs *classRules, c *customer, now gateway.Instant) (due gateway.Instant) {
	for _, t := range rs.v.traits {
		if k := c.counter(t, 0); k != nil {
			due = sooner(due, p.nextLeave(c, k, now))
		}
	}
	return due
}

// nextLeave returns the first instant after now at which the counter's window
// lets something go, 0 when there is nothing in it.
func (p *Partition) nextLeave(c *customer, k *counter, now gateway.Instant) gateway.Instant {
	spec := &p.traits[k.trait].spec
	if spec.within == 0 {
		return 0
	}
	end := spec.within.before(now)
	switch f := spec.form(); {
	case f.granular():
		gone := spec.lastGone(now)
		w := c.window(k)
		for _, cell := range w.cells(f, int(w.head), nil) {
			if cell.granule > gone {
				return spec.within.after(gateway.Instant(cell.granule * spec.granule()))
			}
		}
	case f.timed():
		w := p.times(c, k)
		if first, ok := w.oldest(end); ok {
			return spec.within.after(first)
		}
	case k.last > end:
		return spec.within.after(k.last)
	}
	return 0
}

// letGo drops from the window what has left it.
func (p *Partition) letGo(c *customer, k *counter) {
	spec := &p.traits[k.trait].spec
	if spec.within == 0 {
		return
	}
	switch f := spec.form(); {
	case f.granular():
		w := c.window(k)
		w.expireCells(f, spec.lastGone(p.now))
		k.n = w.n
	case f.timed():
		w := p.times(c, k)
		w.expire(spec.within.before(p.now))
	}
}

// classCause says what may have changed what rules depend on.
type classCause struct {
	all    bool
	traits uint64   // by index of the set's traits
	fields []string // of the customer
	ev     *gateway.Event
	quiet  bool // the rules changed, not the customer: no journey starts
}

// touches reports whether a rule has to be looked at.
func (b *classCause) touches(r *rule) bool {
	return b.all || b.traits&r.traits != 0 || slices.ContainsFunc(b.fields, r.reads)
}

func (r *rule) reads(field string) bool {
	return slices.ContainsFunc(r.fields, func(f string) bool {
		return f == field || strings.HasPrefix(field, f+".") || strings.HasPrefix(f, field+".")
	})
}

// evaluate looks at the rules that the cause touches and returns the bits anew.
func (p *Partition) evaluate(c *customer, rules []rule, set uint64, b *classCause, segmentsMoved bool) uint64 {
	for i := range rules {
		r := &rules[i]
		if !b.touches(r) && !(segmentsMoved && r.segments) {
			continue
		}
		p.evaluated++
		set &^= 1 << i
		if r.when.eval(p.look(c, p.classRules.v, nil, nil)) == yes {
			set |= 1 << i
		}
	}
	return set
}

// classify looks at the rules that something touched, and at what follows.
func (p *Partition) classify(c *customer, b classCause) {
	rs := p.classRules
	old, known := class{gen: rs.gen}, c.more != nil && c.more.class != nil
	if known {
		old = *c.more.class
	}
	if old.gen != rs.gen {
		b.all, b.quiet = true, true
	}
	if old.due != 0 && old.due <= p.now { // what leaves a window at this instant has left it
		b.traits |= p.leaving(rs, c, old.due, p.now)
	}
	next := classChange{customer: c.id, gen: rs.gen, moves: old.moves}
	if old.gen == rs.gen {
		next.segments, next.stages = old.segments, old.stages
	}
	next.segments = p.evaluate(c, rs.segments, next.segments, &b, false)
	p.classing, p.classingSegments = c, next.segments // stages may look at them
	next.stages = p.evaluate(c, rs.stages, next.stages, &b, next.segments != old.segments)
	p.classing = nil
	next.due = p.nextLeaveOfAny(rs, c, p.now)
	stage, before := "", old.stage()
	if len(rs.stages) > 0 {
		stage = rs.stages[bits.TrailingZeros64(next.stages)].name // the last one always holds
	}
	moved := next.segments != old.segments || stage != before || old.gen != rs.gen
	if known && !moved && next.stages == old.stages && next.due == old.due {
		return
	}
	if moved {
		next.moves++
	}
	if stage != before {
		next.stage, next.entered = stage, true
	}
	do(p, next)
	if !moved {
		return
	}
	p.tellClass(c)
	p.putOff(c, func(p *Partition, c *customer) { p.recheck(c, gateway.EnrollmentID{}) })
	if !b.quiet {
		p.classMoved(c, classMove{left: old.segments &^ next.segments, joined: next.segments &^ old.segments, before: before, after: stage}, b.ev)
	}
}

// tellClass tells the read model.
func (p *Partition) tellClass(c *customer) {
	k := c.more.class
	p.out.Classes = append(p.out.Classes, gateway.CustomerClass{Customer: c.id, Stages: k.view(),
		Segments: p.classRules.segmentNames(k.segments), At: p.now})
}

func (k *class) view() (out []gateway.StageVisit) {
	for _, v := range k.visits {
		out = append(out, gateway.StageVisit{Stage: v.stage, At: v.at})
	}
	return out
}

// classMove is a change of segments or stage.
type classMove struct {
	left, joined  uint64
	before, after string
}

// classTrigger starts a journey when a customer enters or leaves a segment, or
// enters a stage.
type classTrigger struct {
	segment string
	leave   bool
	stage   string
	from    []string // stages; empty = any
}

func (t *classTrigger) text() string {
	switch {
	case t.stage != "":
		return "stage " + t.stage
	case t.leave:
		return "left segment " + t.segment
	}
	return "segment " + t.segment
}

// hit reports whether a move is what the trigger waits for.
func (t *classTrigger) hit(rs *classRules, m *classMove) bool {
	if t.stage != "" {
		return m.after == t.stage && m.before != m.after && (len(t.from) == 0 || slices.Contains(t.from, m.before))
	}
	i := slices.IndexFunc(rs.segments, func(r rule) bool { return r.name == t.segment })
	if i < 0 {
		return false
	}
	if t.leave {
		return m.left>>i&1 == 1
	}
	return m.joined>>i&1 == 1
}

// holds reports whether a customer stands now where the trigger put him.
func (t *classTrigger) holds(rs *classRules, k *class) bool {
	if t.stage == "" {
		in := slices.Contains(rs.segmentNames(k.segments), t.segment)
		return in != t.leave
	}
	n := len(k.visits)
	return k.stage() == t.stage && (len(t.from) == 0 || n > 1 && slices.Contains(t.from, k.visits[n-2].stage))
}

// classMoved starts the journeys that wait for the move.
func (p *Partition) classMoved(c *customer, m classMove, ev *gateway.Event) {
	for _, j := range p.journeys {
		v := j.active
		if v == nil || v.def.trigger.class == nil || j.state != gateway.JourneyPublished && j.state != gateway.JourneyPaused ||
			!v.def.trigger.class.hit(p.classRules, &m) {
			continue
		}
		if j.state == gateway.JourneyPaused {
			do(p, classMissedChange{c.id, j, true})
			p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonPaused, Customer: c.id}, ev)
			continue
		}
		p.putOff(c, func(p *Partition, c *customer) { p.enterClass(j, c, ev, "") })
	}
}

// enterClass enters by a segment or stage, as the customer stands now; how tells
// entries by one move apart.
func (p *Partition) enterClass(j *journey, c *customer, ev *gateway.Event, how string) {
	v := j.active
	t := v.def.trigger.class
	if !t.holds(p.classRules, c.more.class) {
		return // another change at the same instant took him on
	}
	en := &entry{v: v, c: c, ev: ev, since: p.now, device: p.firstDevice(c),
		trigger: t.text() + ":" + strconv.FormatUint(uint64(c.more.class.moves), 10) + how}
	if ev != nil && ev.Device != 0 {
		en.device = ev.Device
	}
	if n := len(c.more.class.visits); t.stage != "" && n > 1 {
		en.values = gateway.Properties{{Key: "from", Value: gateway.String(c.more.class.visits[n-2].stage)}}
	}
	p.enterNext(en)
}

func (p *Partition) firstDevice(c *customer) gateway.DeviceID {
	if len(c.devices) == 0 {
		return 0
	}
	return c.devices[0]
}

// enterClassExisting enters who stands there already: at publish with
// existing: enroll, and after a pause who got there during it.
// It returns false when a pace allows no more today.
func (p *Partition) enterClassExisting(j *journey, c *customer, first bool) bool {
	v, k := j.active, c.class(p)
	if k == nil {
		return true
	}
	missed, t := slices.Contains(k.missed, j), v.def.trigger.class
	if missed {
		do(p, classMissedChange{c.id, j, false})
	}
	if !t.holds(p.classRules, k) || !missed && (!first || !v.existing || t.leave) {
		return true
	}
	paced := v.pace > 0 && !missed && !c.test
	if paced && !p.takeExisting(j) {
		return false
	}
	entries := c.mark(j).entries
	how := ""
	if !missed { // a version takes in who stands there since another one
		how = "@v" + strconv.Itoa(int(v.number))
	}
	p.enterClass(j, c, nil, how)
	if paced && c.mark(j).entries > entries {
		p.usedExisting(j)
	}
	return true
}

// introduce looks at a customer who is new here.
func (p *Partition) introduce(c *customer) {
	if p.classRules != nil {
		p.classify(c, classCause{all: true})
	}
	p.armAll(c)
}

// welcome looks at a customer who came from another partition.
func (p *Partition) welcome(c *customer) {
	if c == nil {
		return
	}
	if p.classRules != nil && c.class(p) == nil {
		p.classify(c, classCause{all: true, quiet: true})
	}
	p.armAll(c)
}

// reclassify looks at the rules whose traits an event moved; mask names them
// among the counters of its type. History that fills a counter is quiet.
func (p *Partition) reclassify(c *customer, et *eventType, mask uint64, ev *gateway.Event, quiet bool) {
	b := classCause{ev: ev, quiet: quiet}
	for i, t := range et.traits {
		if mask>>i&1 == 1 {
			b.traits |= t.rules
		}
	}
	if b.traits != 0 {
		p.classify(c, b)
	}
}

// profileMoved looks at the rules that read what changed.
func (p *Partition) profileMoved(c *customer, old *profile) {
	var fields []string
	for _, key := range []string{"locale", "time_zone", "country", "test"} {
		before, _ := old.field(key)
		if after, _ := c.profile.field(key); before != after {
			fields = append(fields, key)
		}
	}
	for _, pair := range [2][2]gateway.Properties{{old.attributes, c.attributes}, {c.attributes, old.attributes}} {
		for _, a := range pair[0] {
			if pair[1].Get(a.Key) != a.Value {
				fields = append(fields, a.Key)
			}
		}
	}
	if len(fields) > 0 {
		p.classify(c, classCause{fields: fields})
	}
}
