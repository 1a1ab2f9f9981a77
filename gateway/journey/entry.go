package journey

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// entry is one attempt to enroll a customer.
type entry struct {
	v       *version
	c       *customer
	ev      *gateway.Event // what led here, nil for a timer
	trigger string         // names it, for the enrollment's id
	key     string
	device  gateway.DeviceID
	since   gateway.Instant // exits count events from here on
	props   gateway.Properties
	values  gateway.Properties // for the decision
	apiKey  uint64             // hash of the idempotency key
	grant   grant              // of a place under the entry cap
}

// listeners returns the active versions whose trigger is an event of the type.
func (p *Partition) listeners(event string) []*version {
	if et := p.types[event]; et != nil {
		return et.journeys
	}
	return nil
}

// decideEntry records why a customer was, or was not, enrolled.
func (p *Partition) decideEntry(v *version, d gateway.Decision, ev *gateway.Event) {
	d.Kind, d.Journey, d.Version = gateway.DecisionEntry, v.journey.name, v.number
	if ev != nil {
		d.EventID = clone(ev.ID)
		if d.Device == 0 {
			d.Device = ev.Device
		}
	}
	p.decide(d)
}

// tryTrigger asks whether an event that was just applied starts the journey.
func (p *Partition) tryTrigger(v *version, c *customer, ev *gateway.Event) {
	switch tr := &v.def.trigger; tr.kind {
	case triggerEvent:
		if tr.where != nil && tr.where.eval(p.look(c, v, nil, ev)) != yes {
			p.filteredOut(v)
			return
		}
		if p.now-ev.OccurredAt > gateway.Instant(p.maxAge(v)) {
			p.tooLate(v, c, ev)
			return
		}
		p.enter(&entry{v: v, c: c, ev: ev, trigger: triggerID(ev), device: ev.Device, since: ev.OccurredAt})
	case triggerThreshold:
		k := c.counter(v.traits[tr.trait], ev.Device)
		if k != nil {
			p.sayUnknown(v, c, ev, k)
		}
		if k != nil && k.flags&latched == 0 && p.reached(v, c, k) {
			p.crossed(v, c, ev, k, tr.within.before(p.now))
		}
	case triggerMilestone:
		k := c.counter(v.traits[tr.trait], ev.Device)
		if k != nil && k.flags&latched == 0 && uint32(k.n) >= tr.nth {
			p.crossed(v, c, ev, k, ev.OccurredAt)
		}
	case triggerSequence:
		p.trySequence(v, c, ev)
	}
	p.watch(v, c, ev)
}

func (p *Partition) maxAge(v *version) Duration {
	if v.def.maxAge > 0 {
		return v.def.maxAge
	}
	return p.cfg.MaxEventAge
}

// crossed enters by a threshold or milestone whose latch is open. While the
// journey is paused the crossing stays pending: it is made good on resume.
func (p *Partition) crossed(v *version, c *customer, ev *gateway.Event, k *counter, since gateway.Instant) {
	tr := &v.def.trigger
	ref := counterRef{c.id, v.traits[tr.trait], k.device}
	if v.journey.state == gateway.JourneyPaused {
		if k.flags&pending == 0 {
			do(p, flagsChange{ref, k.flags | pending})
			p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonPaused, Customer: c.id}, ev)
		}
		return
	}
	en := &entry{v: v, c: c, ev: ev, since: since}
	if ev != nil {
		en.trigger, en.device = triggerNames[tr.kind]+":"+triggerID(ev), ev.Device
	} else {
		en.trigger, en.device = triggerNames[tr.kind]+":"+p.now.String(), k.device
	}
	if tr.kind == triggerMilestone {
		en.trigger = "milestone:" + strconv.FormatUint(uint64(tr.nth), 10) + "@" + k.device.String() // latched: never twice
	}
	en.values = p.counted(v, c, k)
	if p.rampHolds(en, k) {
		return
	}
	if tr.every {
		do(p, useUpChange{ref})
	} else {
		do(p, flagsChange{ref, k.flags&^pending | latched})
	}
	p.enter(en)
}

// counted is what a counting trigger saw, for the decision.
func (p *Partition) counted(v *version, c *customer, k *counter) gateway.Properties {
	tr := &v.def.trigger
	value, ok := p.counterValue(c, k, &v.def.traits[tr.trait])
	if !ok {
		return nil
	}
	return gateway.Properties{{Key: "trait." + cmp.Or(tr.watched, p.traits[k.trait].spec.name), Value: value}}
}

// fire is the end of a silence: the absence trigger.
func (s *silence) fire(p *Partition) {
	j := p.journeyNamed(s.trait.spec.owner)
	if j == nil {
		return
	}
	if j.state == gateway.JourneyPaused || s.trait.awaits {
		j.parked = append(j.parked, s)
		return
	}
	k := s.c.counter(s.trait, 0)
	if !s.trait.spec.anyway && s.waitsForUpload(p, j, k) {
		return
	}
	do(p, flagsChange{counterRef{s.c.id, s.trait, 0}, k.flags&^unobserved | latched})
	if s.trait.ignore != 0 && s.trait.spec.silence.after(k.last) <= s.trait.ignore {
		return // was silent already when the trigger became active
	}
	v := s.startsOf(j)
	if v == nil {
		return
	}
	device := gateway.DeviceID(0)
	if len(s.c.devices) > 0 {
		device = s.c.devices[0]
	}
	p.enter(&entry{v: v, c: s.c, device: device, since: s.trait.spec.silence.before(p.now),
		trigger: triggerNames[v.def.trigger.kind] + ":" + k.last.String(),
		values:  gateway.Properties{{Key: s.trait.spec.lastKey(), Value: gateway.String(k.last.String())}}})
}

// startsOf returns the live version of a journey that the silence starts, nil
// when there is none.
func (s *silence) startsOf(j *journey) *version {
	v := j.active
	if v == nil || j.state != gateway.JourneyPublished || !v.def.trigger.silent() || v.traits[v.def.trigger.trait] != s.trait {
		return nil
	}
	return v
}

// unobservedLook is how often the partition looks for absences that intake
// keeps undecided: whenever its time passes a multiple of this.
const unobservedLook = 5 * 60_000

// sayUnobserved records once per silence that an absence cannot be decided yet
// because intake is incomplete. before is the partition's time before the record.
func (p *Partition) sayUnobserved(before gateway.Instant) {
	if before/unobservedLook == p.now/unobservedLook {
		return
	}
	bound := p.cfg.UnobservedAfter.before(p.now)
	if it, ok := p.top(ofAbsence); !ok || it.due >= bound {
		return // the plain case: at most the usual lag
	}
	var late []heapItem
	for _, it := range p.heaps[ofAbsence] {
		s, ok := it.t.(*silence)
		if !ok || s.queued[ofAbsence] != it.due { // another entry stands for it
			continue
		}
		if it.due, _, it.id = s.timer(); it.due < bound && it.due >= max(p.observed, 1) && s.toTell(p) {
			late = append(late, it)
		}
	}
	slices.SortFunc(late, func(a, b heapItem) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) })
	for _, it := range late {
		s := it.t.(*silence)
		k := s.c.counter(s.trait, 0)
		do(p, flagsChange{counterRef{s.c.id, s.trait, 0}, k.flags | unobserved})
		p.decideEntry(p.journeyNamed(s.trait.spec.owner).active, gateway.Decision{Reason: gateway.ReasonUnobserved,
			Customer: s.c.id, Rule: "observed through " + p.observed.String()}, nil)
	}
}

// toTell reports whether nobody was told yet that the silence cannot be decided.
func (s *silence) toTell(p *Partition) bool {
	j := p.journeyNamed(s.trait.spec.owner)
	return j != nil && s.startsOf(j) != nil && s.c.counter(s.trait, 0).flags&unobserved == 0
}

// enter makes the checks in their fixed order, each with its own reason:
// purpose and consent → audience filter → re-entry → ramp → entry cap → holdout.
func (p *Partition) enter(en *entry) gateway.Decision {
	v, c := en.v, en.c
	d := gateway.Decision{Kind: gateway.DecisionEntry, Journey: v.journey.name, Version: v.number, Customer: c.id,
		Device: en.device, Values: en.values}
	if en.ev != nil {
		d.EventID = clone(en.ev.ID)
	}
	m := c.mark(v.journey)
	en.key = p.correlationKey(en)
	if d.Reason, d.Rule = p.entryChecks(en, &m); d.Reason != "" {
		d.Values = en.values
		d.Values = v.def.audited(d)
		p.decide(d)
		return d
	}
	if reason, rule, values := p.capEntry(en); reason != "" {
		d.Reason, d.Rule, d.Values = reason, rule, append(slices.Clone(en.values), values...)
		p.decide(d)
		return d
	}
	d.Values = en.values
	d.Values = v.def.audited(d)
	p.assignArm(&m, v, c)
	m.entries++
	m.active++
	e := p.newEnrollment(en, m.arm)
	d.Reason, d.Enrollment = gateway.ReasonEnrolled, e.id
	if m.arm == armHoldout {
		d.Rule = m.arm.String()
	}
	if en.apiKey != 0 {
		keys := slices.DeleteFunc(slices.Clone(m.keys), func(k apiKey) bool { return k.at < apiKeyLife.before(p.now) })
		m.past = pastOf(append(keys, apiKey{en.apiKey, p.now, e.id}), m.splits)
	}
	do(p, markChange{c.id, m})
	p.signArm(&d, e)
	p.decide(d)
	p.walk(e, en.ev)
	return d
}

// entryChecks returns the reason against an entry, "" when there is none.
func (p *Partition) entryChecks(en *entry, m *mark) (gateway.Reason, string) {
	v, c := en.v, en.c
	switch v.journey.state {
	case gateway.JourneyPublished:
	case gateway.JourneyPaused:
		return gateway.ReasonPaused, ""
	default:
		return gateway.ReasonNotActive, string(v.journey.state)
	}
	if reason, rule := p.entryConsent(v.def, c); reason != "" {
		return reason, rule
	}
	scope := p.look(c, v, nil, en.ev)
	scope.device, scope.product = en.device, p.productOf(en.device)
	if reason, rule := en.filterCheck(scope); reason != "" {
		return reason, rule
	}
	if reason, rule := reentryCheck(en, m, p.now); reason != "" {
		return reason, rule
	}
	return p.rampCheck(v, c)
}

// filterCheck asks the audience filter.
func (en *entry) filterCheck(scope *scope) (gateway.Reason, string) {
	filter := en.v.def.filter
	en.values = scope.traitsRead(filter, en.values)
	switch filter.eval(scope) {
	case no:
		return gateway.ReasonFiltered, filter.text
	case unavailable:
		if en.readsUnknown() {
			return gateway.ReasonUnknownTrait, filter.text
		}
		return gateway.ReasonConditionFailed, filter.text
	}
	return "", ""
}

// reentryCheck applies the re-entry rule.
func reentryCheck(en *entry, m *mark, now gateway.Instant) (gateway.Reason, string) {
	rule := en.v.def.reentry
	switch {
	case rule.mode == reentryConcurrent:
		for _, e := range en.c.enrollments {
			if e.v.journey == en.v.journey && !e.ended() && e.key == en.key && e.origin == nil {
				return gateway.ReasonAlreadyEnrolled, "concurrent_per_key"
			}
		}
	case m.active > 0:
		return gateway.ReasonAlreadyEnrolled, ""
	case rule.mode == reentryOnce && m.entries > 0:
		return gateway.ReasonReentryOnce, "once"
	case rule.mode == reentryAfterGap && now < rule.gap.after(m.exitedAt): // 0 when he never was inside
		return gateway.ReasonReentryGap, "after_exit_and_gap " + rule.gap.String()
	}
	return "", ""
}

// assignArm gives the customer his arm at his first entry; it never changes.
func (p *Partition) assignArm(m *mark, v *version, c *customer) {
	if m.arm != armNone {
		return
	}
	percent := v.def.holdout
	if percent < 0 {
		percent = int(p.cfg.Holdout[v.def.Purpose]*100 + 0.5)
	}
	m.arm = armTreated
	if !c.test && bucket(c.armSubject(), v.def.Name) < percent {
		m.arm = armHoldout
	}
}

// bucket spreads subjects evenly over 0…9999, stable for ever per salt.
func bucket(subject uint64, salt string) int {
	return int(mix(mix(subject)^xxhash.Sum64String(salt)) % 10_000)
}

func (p *Partition) correlationKey(en *entry) string {
	switch by := en.v.def.keyBy; {
	case en.key != "" || by == "":
		return en.key
	case by == "device":
		return en.device.String()
	case en.ev != nil:
		return clone(en.ev.Properties.Get(by).String())
	}
	return ""
}

func (p *Partition) newEnrollment(en *entry, arm arm8) *enrollment {
	e := &enrollment{v: en.v, c: en.c, device: en.device, arm: arm,
		enteredAt: p.now, changedAt: p.now, since: en.since}
	e.id = gateway.NewEnrollmentID(en.v.journey.name, gateway.CustomerSubject(en.c.id), en.key, en.trigger)
	e.product = p.productOf(en.device)
	props := en.props
	if en.ev != nil {
		props = en.ev.Properties
		if e.product == "" {
			e.product = clone(en.ev.Product)
		}
	}
	e.extras = (&extras{key: en.key, props: en.v.def.kept(props)}).orNone()
	return e
}

func (p *Partition) productOf(d gateway.DeviceID) string {
	if dev := p.devices.get(d); dev != nil {
		return dev.product
	}
	return ""
}

// triggerJourney enrolls by API.
func (p *Partition) triggerJourney(in *gateway.Input, t gateway.TriggerJourney) gateway.Outcome {
	refused := gateway.Outcome{Disposition: gateway.Refused, Customer: t.Customer}
	d := gateway.Decision{Kind: gateway.DecisionEntry, Journey: clone(t.Journey), Customer: t.Customer, Device: t.Device,
		EventID: clone(t.Key), Reason: gateway.ReasonNotActive}
	j := p.journeyNamed(t.Journey)
	if t.Customer == 0 || p.gone(t.Customer) {
		p.decide(d)
		return refused
	}
	if o, done := p.routeCustomer(t.Customer, in); done {
		return o
	}
	if j == nil || j.active == nil {
		p.decide(d)
		return refused
	}
	v := j.active
	d.Version = v.number
	c := p.meet(t.Customer)
	hash := xxhash.Sum64String(t.Key)
	m := c.mark(j)
	if i := slices.IndexFunc(m.keys, func(k apiKey) bool { return k.hash == hash }); i >= 0 { // none is kept without a key
		d.Reason, d.Enrollment = gateway.ReasonReplayed, m.keys[i].enrollment
		p.decide(d)
		return gateway.Outcome{Disposition: gateway.Duplicate, Customer: t.Customer}
	}
	id := "api:" + t.Key
	if t.Key == "" {
		id = "api@" + p.now.String() + ":" + strconv.FormatUint(uint64(m.entries), 10)
	}
	props := cloneProperties(t.Properties)
	if t.Key == "" {
		hash = 0
	}
	made := p.enter(&entry{v: v, c: c, trigger: id, device: t.Device, since: p.now, props: props, apiKey: hash,
		ev: &gateway.Event{ID: clone(t.Key), Properties: props, ReceivedAt: p.now, OccurredAt: p.now, Device: t.Device}})
	if made.Reason != gateway.ReasonEnrolled && made.Reason != gateway.ReasonWaiting {
		return refused
	}
	return gateway.Outcome{Customer: t.Customer}
}

// apiKeyLife is how long an idempotency key is remembered.
const apiKeyLife = Duration(30 * dayMillis)
