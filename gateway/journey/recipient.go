package journey

import (
	"cmp"
	"slices"
	"strconv"

	"touchpoint/gateway"
)

// Recipients
//
// A send step may address others than the customer of the enrollment: those who
// use his device, his household, its dealer or its staff. Each of them gets a run
// of his own for that one step, opened where he lives (the origin's partition
// sends AddressRecipient), so that his consent, caps, quiet hours, channels and
// locale decide. It is no entry: re-entry, caps on entries, ramp, exits, goals
// and effect do not know it. What the texts show of the device and the traits is
// the origin's; the origin's customer himself is not in it.
//
// The origin goes on at once. When it ends early, or its customer is erased, it
// takes back what its recipients have not seen (RecallRecipient).

// audience is whom a send step addresses.
type audience uint8

const (
	toOwner  audience = iota // the customer of the enrollment
	toUsers                  // everybody who uses the device: he, too
	toGroup                  // all members of his group: he, too
	toDealer                 // who sold the device
	toStaff                  // who looks after it
)

var audienceNames = [...]string{"owner", "users", "group", "dealer", "staff"}

// roles are what those addressed are called in decisions.
var audienceRoles = [...]string{"owner", roleUser, "member", roleDealer, roleStaff}

// includesOwner reports whether the customer of the enrollment is addressed, too.
func (a audience) includesOwner() bool { return a <= toGroup }

// maxRecipients bounds whom one visit of a step addresses: a large account's
// members beyond it, by their ids, are left out.
const maxRecipients = 64

// origin says whose run opened this one. It is never altered in place.
type origin struct {
	enrollment gateway.EnrollmentID
	step       string
	role       string
	values     gateway.Properties
	cause      string
	received   gateway.Instant
	occurred   gateway.Instant
}

// addressed are the recipients of an enrollment. It is never altered in place.
type addressed struct {
	step  string // that the enrollment stands at and has addressed already
	list  []gateway.CustomerID
	until gateway.Instant // what they were sent is of no use afterwards
}

// recipients lists who is addressed beside the customer himself, by id.
func (p *Partition) recipients(e *enrollment, to audience) (list []gateway.CustomerID) {
	if to == toGroup {
		for _, o := range p.groups[e.c.groupOf()] {
			list = append(list, o.id)
		}
	} else if d := p.devices.get(e.device); d != nil && d.owner == e.c {
		for _, o := range d.facts.around() {
			if o.role == audienceRoles[to] && o.lasts(p.now) {
				list = append(list, o.customer)
			}
		}
	}
	if to.includesOwner() {
		list = slices.DeleteFunc(list, func(c gateway.CustomerID) bool { return c == e.c.id })
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxRecipients)]
}

// address opens the runs of a step's recipients, once per visit. It reports
// whether the customer himself is one of them, so that his own send follows.
func (p *Partition) address(e *enrollment, s *step, ev *gateway.Event, expires gateway.Instant) (own bool) {
	to := s.send.recipient
	if to == toOwner || e.origin != nil || e.addressed != nil && e.addressed.step == s.id {
		return e.origin != nil || to.includesOwner()
	}
	list := p.recipients(e, to)
	rule, missing := dataConsent(e.c, e.v.def)
	switch {
	case missing && !to.includesOwner(): // it is his data that the others would read
		p.decideSend(e, s, ev, gateway.ReasonNoConsent, rule)
	case missing:
	case len(list) > 0:
		p.openRuns(e, s, ev, list, expires)
	case !to.includesOwner():
		p.decideSend(e, s, ev, gateway.ReasonNoRecipient, audienceNames[to])
	}
	return to.includesOwner()
}

// decideSend records the one decision of a visit that sends nothing himself.
func (p *Partition) decideSend(e *enrollment, s *step, ev *gateway.Event, reason gateway.Reason, rule string) {
	p.decideFor(e, gateway.Decision{Kind: gateway.DecisionSend, Step: s.id, Reason: reason, Rule: rule, EventID: causeOf(e, ev).id})
}

func (p *Partition) openRuns(e *enrollment, s *step, ev *gateway.Event, list []gateway.CustomerID, expires gateway.Instant) {
	to := s.send.recipient
	e.visits++
	why := causeOf(e, ev)
	cmd := gateway.AddressRecipient{Journey: e.v.journey.name, Version: e.v.number, Step: s.id, Origin: e.id, Visit: e.visits,
		Role: audienceRoles[to], Device: e.device, Product: cmp.Or(p.productOf(e.device), e.product), Holdout: e.arm == armHoldout,
		Values: p.originValues(e), Cause: clone(why.id), CauseReceivedAt: why.receivedAt, CauseAt: p.now, At: p.now}
	if ev != nil {
		cmd.CauseAt = ev.OccurredAt
	}
	next := addressed{step: s.id, until: expires}
	if e.addressed != nil {
		next.list, next.until = slices.Clone(e.addressed.list), max(expires, e.addressed.until)
	}
	for _, id := range list {
		if !slices.Contains(next.list, id) {
			next.list = append(next.list, id)
		}
		one := cmd
		one.Customer = id
		p.putOffFrom(e, func(p *Partition, _ *customer) { p.addressRecipient(&gateway.Input{Command: one}, one) })
	}
	slices.Sort(next.list)
	e.own().addressed = &next
	d := gateway.Decision{Kind: gateway.DecisionStep, Step: s.id, Reason: gateway.ReasonDelegated, Rule: audienceNames[to],
		EventID: why.id, Values: gateway.Properties{{Key: "recipients", Value: gateway.Int(int64(len(list)))}}}
	if !to.includesOwner() {
		d.Kind = gateway.DecisionSend
	}
	p.decideFor(e, d)
}

// originValues are what the texts show, without what is the customer's own.
func (p *Partition) originValues(e *enrollment) gateway.Properties {
	return slices.DeleteFunc(p.messageValues(e, e.device), func(v gateway.Property) bool {
		return v.Key == "customer.locale" || v.Key == "customer.country"
	})
}

// leavesStep notes that the enrollment is past a step that addressed others.
func (e *enrollment) leavesStep() {
	if e.addressed != nil {
		next := *e.addressed
		next.step = ""
		e.own().addressed = &next
	}
}

// addressRecipient opens the run of a recipient, where he lives.
func (p *Partition) addressRecipient(in *gateway.Input, c gateway.AddressRecipient) gateway.Outcome {
	refused := gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	if c.Customer == 0 || p.gone(c.Customer) {
		return refused
	}
	if o, done := p.routeCustomer(c.Customer, in); done {
		return o
	}
	j := p.journeyNamed(c.Journey)
	if j == nil || j.version(c.Version) == nil { // its publication is on its way
		do(p, earlyChange{append(slices.Clone(p.early), cloneAddress(c))})
		return gateway.Outcome{Disposition: gateway.Held, Customer: c.Customer}
	}
	v := j.version(c.Version)
	i := v.def.stepIndex(c.Step)
	if i < 0 || v.def.steps[i].kind != stepSend {
		return refused
	}
	cust := p.meet(c.Customer)
	e := newRun(v, cust, &c)
	if e.step = int32(i); cust.enrollment(e.id) != nil {
		return gateway.Outcome{Disposition: gateway.Duplicate, Customer: c.Customer}
	}
	e.enteredAt, e.changedAt, e.since = p.now, p.now, p.now
	p.runsAgain(v)
	if j.state == gateway.JourneyPaused { // he stands ready
		e.due = p.now
		p.put(e)
	} else {
		p.walk(e, nil)
	}
	return gateway.Outcome{Customer: c.Customer}
}

// newRun makes the run of a recipient.
func newRun(v *version, cust *customer, c *gateway.AddressRecipient) *enrollment {
	e := &enrollment{v: v, c: cust, device: c.Device, product: clone(c.Product), arm: armTreated,
		extras: &extras{holdFrom: c.At, origin: &origin{enrollment: c.Origin, step: clone(c.Step), role: clone(c.Role),
			values: cloneProperties(c.Values), cause: clone(c.Cause), received: c.CauseReceivedAt, occurred: c.CauseAt}}}
	if c.Holdout {
		e.arm = armHoldout
	}
	e.id = gateway.NewEnrollmentID(v.journey.name, gateway.CustomerSubject(cust.id), "",
		"recipient:"+c.Origin.String()+"/"+c.Step+":"+strconv.FormatUint(uint64(c.Visit), 10))
	return e
}

// retryEarly opens the runs again whose version was unknown here.
func (p *Partition) retryEarly() {
	if len(p.early) == 0 {
		return
	}
	early := p.early
	do(p, earlyChange{})
	for i := range early {
		p.addressRecipient(&gateway.Input{Command: early[i]}, early[i])
	}
}

// recall takes back what the recipients of an enrollment have not seen.
func (p *Partition) recall(e *enrollment, reason gateway.Reason) {
	if e.addressed == nil {
		return
	}
	for _, id := range e.addressed.list {
		p.recallOne(e, id, reason)
	}
	e.own().addressed = nil
}

func (p *Partition) recallOne(e *enrollment, id gateway.CustomerID, reason gateway.Reason) {
	cmd := gateway.RecallRecipient{Customer: id, Origin: e.id, Reason: reason}
	p.recallRecipient(&gateway.Input{Command: cmd}, cmd)
}

// recallRecipient ends the runs that an origin opened for a recipient.
func (p *Partition) recallRecipient(in *gateway.Input, c gateway.RecallRecipient) gateway.Outcome {
	if c.Customer == 0 || p.gone(c.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: c.Customer}
	}
	if o, done := p.routeCustomer(c.Customer, in); done {
		return o
	}
	ofOrigin := func(a gateway.AddressRecipient) bool { return a.Customer == c.Customer && a.Origin == c.Origin }
	if slices.ContainsFunc(p.early, ofOrigin) {
		do(p, earlyChange{slices.DeleteFunc(slices.Clone(p.early), ofOrigin)})
	}
	cust := p.customers[c.Customer]
	if cust == nil {
		return gateway.Outcome{Customer: c.Customer}
	}
	reason := gateway.Reason(clone(string(c.Reason)))
	for _, e := range slices.Clone(cust.enrollments) {
		switch {
		case e.origin == nil || e.origin.enrollment != c.Origin:
		case e.ended():
			p.withdraw(cust, string(reason), func(m *message) bool { return m.enrollment == e.id })
		default:
			p.endEnrollment(e, reason, nil, e.origin.role)
		}
	}
	return gateway.Outcome{Customer: c.Customer}
}

// recallPerson takes back what somebody was not shown yet about a device that he
// has no longer to do with.
func (p *Partition) recallPerson(d *device, id gateway.CustomerID) {
	if d.owner == nil || slices.ContainsFunc(d.facts.around(), func(o ownership) bool { return o.customer == id && o.lasts(p.now) }) {
		return
	}
	for _, e := range slices.Clone(d.owner.enrollments) {
		if e.device == d.id && e.addressed != nil {
			p.recallOne(e, id, gateway.ReasonUnbound)
		}
	}
}

// recallData takes back what others were sent of a customer's data after he
// revoked the consent to it.
func (p *Partition) recallData(c *customer) {
	for _, e := range slices.Clone(c.enrollments) {
		if _, missing := dataConsent(c, e.v.def); missing && e.addressed != nil {
			next := *e
			p.recall(&next, gateway.ReasonNoConsent)
			do(p, enrollmentChange{c.id, next})
		}
	}
}
