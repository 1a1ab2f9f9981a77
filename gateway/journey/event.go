package journey

import (
	"strconv"

	"touchpoint/gateway"
)

// meet returns a customer, noting him when he is new.
func (p *Partition) meet(id gateway.CustomerID) *customer {
	if p.customers[id] == nil {
		do(p, customerChange{id: id, since: p.now, profile: noProfile})
		p.introduce(p.customers[id])
	}
	return p.customers[id]
}

// touchpoint takes an event that came without a device: a call, a shop visit.
func (p *Partition) touchpoint(in *gateway.Input) gateway.Outcome {
	ev := &in.Event
	if ev.Customer == 0 || p.gone(ev.Customer) {
		p.nobody(ev)
		return gateway.Outcome{}
	}
	if o, done := p.routeCustomer(ev.Customer, in); done {
		return o
	}
	if ev.OccurredAt < p.cfg.DedupWindow.before(p.now) {
		return gateway.Outcome{Disposition: gateway.TooOld, Customer: ev.Customer}
	}
	c := p.meet(ev.Customer)
	id := identify(ev)
	if s := c.touched(); s != nil && s.has(id, p.oldestDay()) {
		return gateway.Outcome{Disposition: gateway.Duplicate, Customer: c.id}
	}
	do(p, touchedChange{c.id, id})
	p.take(c, ev)
	return gateway.Outcome{Customer: c.id}
}

// customerEvent takes an event that the holder of a former device accepted.
func (p *Partition) customerEvent(in *gateway.Input, c gateway.CustomerEvent) gateway.Outcome {
	if p.gone(c.Customer) { // erased while the event was on its way
		p.nobody(&c.Event)
		return gateway.Outcome{}
	}
	if o, done := p.routeCustomer(c.Customer, in); done {
		return o
	}
	p.noteForeign(&c.Event)
	p.take(p.meet(c.Customer), &c.Event)
	return gateway.Outcome{Customer: c.Customer}
}

// take applies an accepted event to the customer whom it belongs to: first his
// traits, then what runs, then what it may start.
func (p *Partition) take(c *customer, ev *gateway.Event) {
	closed := p.noteCase(c, ev)
	if ev.Type == gateway.EventTaskDone {
		p.taskDone(c, ev)
	}
	et := p.typeOf(ev.Type)
	if et != nil {
		if et.contact != nil {
			p.contacted(c, ev)
		}
		p.look(c, nil, nil, ev)
		p.openLatches(c, et, ev)
		p.count(c, et, ev)
	}
	if p.any != nil {
		p.countAny(c, ev, nil)
	}
	if len(c.enrollments) > 0 {
		p.hear(c, ev)
	}
	if et != nil {
		for _, v := range et.journeys {
			p.tryTrigger(v, c, ev)
		}
	}
	if closed {
		p.wake(c, holdCase, 0)
	}
}

// look sets what conditions see.
func (p *Partition) look(c *customer, v *version, e *enrollment, ev *gateway.Event) *scope {
	s := &p.scope
	s.c, s.v, s.e, s.event = c, v, e, ev
	s.device, s.product = 0, ""
	switch {
	case ev != nil:
		s.device, s.product = ev.Device, ev.Product
	case e != nil:
		s.device, s.product = e.device, e.product
	}
	return s
}

// count moves the counters of the event's type.
func (p *Partition) count(c *customer, et *eventType, ev *gateway.Event) {
	p.countInto(c, et, ev, nil)
	for _, t := range et.unless { // what blocks a threshold also opens its latch
		if k := c.counter(t, ev.Device); k != nil && k.flags&(latched|pending) != 0 &&
			ev.OccurredAt > t.spec.within.before(p.now) {
			do(p, flagsChange{counterRef{c.id, t, k.device}, k.flags &^ (latched | pending)})
		}
	}
}

// countAny moves what counts the events of any device of the customer.
func (p *Partition) countAny(c *customer, ev *gateway.Event, only func(*trait) bool) {
	if p.any != nil && ev.Device != 0 {
		p.look(c, nil, nil, ev)
		p.countInto(c, p.any, ev, only)
	}
}

// countInto moves those counters of the event's type that only lets through;
// nil means all.
func (p *Partition) countInto(c *customer, et *eventType, ev *gateway.Event, only func(*trait) bool) {
	change := countChange{customer: c.id, device: ev.Device, at: ev.OccurredAt, typ: et, values: p.values[:0], cust: c}
	for i, t := range et.traits {
		if i >= maxTraitsPerType || only != nil && !only(t) || t.spec.where.eval(&p.scope) != yes {
			continue
		}
		if t.spec.valued() {
			value, ok := t.spec.valueOf(ev.Properties.Get(t.spec.property))
			if !ok {
				continue
			}
			change.values = append(change.values, value)
		}
		change.mask |= 1 << i
	}
	if change.mask != 0 {
		do(p, change)
	}
	p.values = change.values[:0]
	if et.ruled {
		p.reclassify(c, et, change.mask, ev, only != nil)
	}
}

// openLatches lets thresholds fire again whose condition has ceased to hold
// since the last event.
func (p *Partition) openLatches(c *customer, et *eventType, ev *gateway.Event) {
	for _, v := range et.journeys {
		p.ignoreExisting(v, c, ev)
		tr := &v.def.trigger
		if tr.kind != triggerThreshold {
			continue
		}
		t := v.traits[tr.trait]
		k := c.counter(t, ev.Device)
		if k != nil && k.flags&(latched|pending) != 0 && !p.reached(v, c, k) {
			do(p, flagsChange{counterRef{c.id, t, k.device}, k.flags &^ (latched | pending)})
		}
	}
}

// reached reports whether a threshold's condition holds now.
func (p *Partition) reached(v *version, c *customer, k *counter) bool {
	tr := &v.def.trigger
	spec := &p.traits[k.trait].spec
	if !spec.additive() {
		value, ok := p.counterValue(c, k, spec)
		return ok && tr.holds(value) && p.notUnless(v, c, k)
	}
	if spec.kind == traitCount && int64(k.n) < tr.atLeast {
		return false // plain case: not even the stored entries suffice
	}
	w := p.times(c, k)
	n, sum := w.since(tr.within.before(p.now))
	if spec.kind == traitCount && int64(n) < tr.atLeast || spec.kind == traitSum && sum < tr.atLeast {
		return false
	}
	return p.notUnless(v, c, k)
}

// notUnless reports whether nothing blocks a threshold.
func (p *Partition) notUnless(v *version, c *customer, k *counter) bool {
	tr := &v.def.trigger
	return tr.unless < 0 || !p.happened(c, v.traits[tr.unless], k.device, tr.within)
}

// happened reports whether an event was seen within the window.
func (p *Partition) happened(c *customer, t *trait, d gateway.DeviceID, within Duration) bool {
	k := c.counter(t, d)
	return k != nil && k.last > within.before(p.now)
}

// hear lets the running enrollments of a customer react to an event.
func (p *Partition) hear(c *customer, ev *gateway.Event) {
	for i := 0; i < len(c.enrollments); {
		e := c.enrollments[i]
		p.hearOne(e, ev)
		if i < len(c.enrollments) && c.enrollments[i] == e { // else it was forgotten
			i++
		}
	}
}

func (p *Partition) hearOne(e *enrollment, ev *gateway.Event) {
	def := e.v.def
	if !def.listens(ev.Type) || e.origin != nil || e.ended() && (def.goal == nil || e.converted) {
		return
	}
	if p.over(e) || p.hearGoal(e, ev) || e.ended() {
		return
	}
	for i := range def.exits {
		x := &def.exits[i]
		if x.event == "" && p.holds(x.where, e, nil) || x.event == ev.Type && ev.OccurredAt >= e.since && p.holds(x.where, e, ev) {
			p.endEnrollment(e, gateway.ReasonExitCriterion, ev, x.rule())
			return
		}
	}
	if !e.waiting || e.step == toEnd {
		return
	}
	s := &def.steps[e.step]
	if s.wait.kind != waitEvent || s.wait.until.event != ev.Type ||
		ev.OccurredAt < e.waitFrom || !p.holds(s.wait.until.where, e, ev) {
		return
	}
	p.stepDecision(e, gateway.ReasonArrived, ev.ID, ev.Type)
	p.leave(e, s.next, ev)
}

// holds evaluates a condition for an enrollment; missing values do not hold.
func (p *Partition) holds(c *condition, e *enrollment, ev *gateway.Event) bool {
	return c.eval(p.look(e.c, e.v, e, ev)) == yes
}

// rule names a listener in a decision.
func (l *listener) rule() string {
	switch {
	case l.where == nil:
		return l.event
	case l.event == "":
		return l.where.text
	}
	return l.event + " where " + l.where.text
}

// hearGoal credits a conversion; it reports whether the enrollment has ended
// by it. An event that occurred before the entry converts nobody, but shows
// that the journey has no point any more.
func (p *Partition) hearGoal(e *enrollment, ev *gateway.Event) bool {
	g := e.v.def.goal
	if g == nil || g.event != ev.Type || !p.holds(g.where, e, ev) {
		return false
	}
	switch {
	case ev.OccurredAt >= e.enteredAt && ev.OccurredAt <= g.within.after(e.enteredAt):
		p.convert(e, ev)
	case !e.ended() && ev.OccurredAt >= e.since && ev.OccurredAt < e.enteredAt:
		p.endEnrollment(e, gateway.ReasonExitCriterion, ev, g.rule())
	default:
		return false
	}
	return true
}

func (p *Partition) convert(e *enrollment, ev *gateway.Event) {
	d := gateway.Decision{Kind: gateway.DecisionConversion, Reason: gateway.ReasonGoal, Rule: e.v.def.goal.rule(), EventID: ev.ID}
	if e.ended() {
		d.Reason = gateway.ReasonConversionWindow
	}
	if m := e.lastTouch(); m != nil {
		d.Message = m.id
	}
	p.decideFor(e, d)
	next := *e
	next.converted = true
	if !e.ended() {
		p.finish(&next, gateway.ReasonGoal, ev, e.v.def.goal.rule())
		return
	}
	p.put(&next)
}

// lastTouch returns the latest message of the enrollment that reached him.
func (e *enrollment) lastTouch() (last *message) {
	for _, m := range e.c.messages {
		if m.enrollment == e.id && touched(m) && (last == nil || m.slotAt >= last.slotAt) {
			last = m
		}
	}
	return last
}

func touched(m *message) bool {
	switch m.state {
	case gateway.MessageHandedOver, gateway.MessageRedelivered, gateway.MessageDelivered, gateway.MessageDisplayed,
		gateway.MessageOpened, gateway.MessageClicked, gateway.MessageDismissed:
		return true
	}
	return false
}

// triggerID names the event that started an enrollment. Ids are a device's
// own: two devices may use the same.
func triggerID(ev *gateway.Event) string {
	name := ev.ID
	if name == "" {
		id := identify(ev)
		name = "hash:" + strconv.FormatUint(id.hash, 16)
		if id.numbered {
			name = "seq:" + strconv.FormatUint(uint64(id.boot), 10) + ":" + strconv.FormatUint(id.seq, 10)
		}
	}
	return name + "@" + ev.Device.String()
}
