package journey

import (
	"touchpoint/gateway"
)

// change is one small record of what changes in state. apply is the only code
// that writes to state, in the live run and in a replay alike. Ops are part of
// the record format: append only.
type change interface {
	encode(e *encoder) // op first
	apply(p *Partition)
}

const (
	opTime          = iota + 1 // now and watermark
	opSeen                     // a device's event was taken
	opTouched                  // a customer's touchpoint without a device was taken
	opCount                    // an event was counted
	opFlags                    // the latch of a counter
	opUseUp                    // a counter starts anew
	opCustomer                 // a customer's profile
	opEraseCustomer            // a customer is gone
	opMark                     // history with a journey
	opEnrollment               // an enrollment as it stands
	opForget                   // an enrollment is forgotten
	opMessage                  // a message as it stands
	opForgetMessage            // a message is forgotten
	opDevice                   // a device's owners
	opAdmit                    // a device's whole state came in
	opRelease                  // a device's state left
	opExpect                   // a device's state is asked for
	opHold                     // an input waits for it
	opUnhold                   // the waiting inputs are taken
	opCursor                   // inputs of another partition were taken up to here
	opPublish                  // a definition was stored
	opJourney                  // a journey's state and pending changes

	opRules = 110 // settings were noted
)

// Changes of sequences, schedules, stages and tasks.
const (
	opSequence      = iota + 60 // an event was taken into a sequence
	opSequenceFired             // an event of a sequence was decided about
	opClassRules                // segments and stages were declared
	opRuleScan                  // all customers are looked at after that
	opClass                     // what the rules say of a customer
	opClassMissed               // a journey that he would have entered was paused
	opOccasion                  // a customer's next time in a scheduled journey
	opTask                      // a task for the staff was opened
	opTaskClosed                // it is done or withdrawn
)

// The changes of groups and of customers who move.
const (
	opMember         = 90 + iota // a customer's membership of a group
	opExpectCustomer             // a customer's state is asked for
	opHoldCustomer               // an input waits for it
	opUnholdCustomer             // the waiting inputs are taken
	opDepart                     // a customer's state left
	opArrive                     // a customer's state came in
	opContact                    // an event stands for a contact
)

// Changes of limits over the installation, the brake and filling counters.
const (
	opLedger    = iota + 100 // the account of a limit
	opAsk                    // units were asked for, or are here
	opWaitGrant              // an entry waits for a grant
	opUnwait                 // the first ones are decided
	opUnits                  // units for existing customers
	opRamp                   // a ramp began or grew
	opBrake                  // everything is stopped or goes on
	opSweep                  // messages are being taken back
	opFill                   // counters are being filled
	opForeign                // an event passed on was counted meanwhile
)

const (
	opActivity = iota + 80 // the state of a device
	opCase                 // a complaint of a customer
)

const (
	opHeard = iota + 140 // a device told what happened up to a time
	opTold               // a journey said that a device belongs to nobody
)

// Changes of people and recipients.
const (
	opPeople = iota + 130 // who is known of a device beside its holders
	opEarly               // runs of recipients wait for the publication of their version
)

// do records a change and applies it.
func do[C change](p *Partition, c C) {
	c.encode(&p.enc)
	c.apply(p)
}

// Replay applies the changes of a committed step: the state afterwards is the
// state after the Apply that made it.
func (p *Partition) Replay(s *gateway.Step) error {
	d := decoder{b: s.Changes, texts: p.texts}
	if len(s.Changes) > 0 && d.byte() != formatVersion {
		return gateway.Errorf(gateway.Internal, "journey: step %d was written by a later version", s.Number)
	}
	for len(d.b) > 0 {
		if !d.change(p) {
			return gateway.Errorf(gateway.Internal, "journey: step %d holds a broken change", s.Number)
		}
	}
	return nil
}

// change decodes one record and applies it.
func (d *decoder) change(p *Partition) bool {
	c := d.nextChange(p)
	if c == nil {
		return false
	}
	c.apply(p)
	return true
}

// nextChange decodes one record, nil when it is broken.
func (d *decoder) nextChange(p *Partition) (c change) {
	d.op = d.byte()
	switch d.op {
	case opTime:
		c = d.timeChange(p)
	case opSeen:
		c = seenChange{device: gateway.DeviceID(d.fixed()), id: d.identity()}
	case opTouched:
		c = touchedChange{customer: gateway.CustomerID(d.fixed()), id: d.identity()}
	case opCount:
		c = d.countChange(p)
	case opFlags:
		c = flagsChange{d.counterRef(p), d.counterFlags()}
	case opUseUp:
		c = useUpChange{d.counterRef(p)}
	case opCustomer:
		c = d.profile()
	case opEraseCustomer:
		c = eraseChange{gateway.CustomerID(d.fixed())}
	case opMark:
		c = markChange{gateway.CustomerID(d.fixed()), d.mark(p)}
	case opEnrollment:
		c = enrollmentChange{gateway.CustomerID(d.fixed()), d.enrollment(p)}
	case opForget:
		c = forgetChange{gateway.CustomerID(d.fixed()), d.id16()}
	case opMessage:
		c = messageChange{gateway.CustomerID(d.fixed()), d.message(p)}
	case opForgetMessage:
		c = forgetMessageChange{d.id16()}
	default:
		c = d.rareChange(p)
	}
	if d.bad {
		return nil
	}
	return c
}

// rareChange decodes the changes of moves and definitions.
func (d *decoder) rareChange(p *Partition) change {
	switch d.op {
	case opDevice:
		return deviceChange{gateway.DeviceID(d.fixed()), d.string(), d.owners(), d.string()}
	case opAdmit:
		return admitChange{d.device()}
	case opRelease:
		return releaseChange{gateway.DeviceID(d.fixed()), int(d.uint())}
	case opExpect:
		return expectChange{gateway.DeviceID(d.fixed())}
	case opHold:
		return holdChange{gateway.DeviceID(d.fixed()), d.input()}
	case opUnhold:
		return unholdChange{gateway.DeviceID(d.fixed())}
	case opCursor:
		return cursorChange{gateway.Forwarded{Partition: int(d.uint()), Step: d.uint(), Index: d.uint32()}}
	case opPublish:
		return d.publishChange()
	case opJourney:
		return d.journeyChange(p)
	case opActivity:
		return activityChange{gateway.DeviceID(d.fixed()), d.activity()}
	case opCase:
		return caseChange{gateway.CustomerID(d.fixed()), d.complaint()}
	case opRules:
		return rulesChange{d.fixed(), d.int()}
	}
	for _, c := range []change{d.langChange(), d.recipientChange(), d.moveChange()} {
		if c != nil {
			return c
		}
	}
	return d.triggerChange(p)
}

// moveChange decodes the changes of groups and of customers who move.
func (d *decoder) moveChange() change {
	switch d.op {
	case opMember:
		return memberChange{gateway.CustomerID(d.fixed()), d.member()}
	case opExpectCustomer:
		return expectCustomerChange{gateway.CustomerID(d.fixed())}
	case opHoldCustomer:
		return holdCustomerChange{gateway.CustomerID(d.fixed()), d.input()}
	case opUnholdCustomer:
		return unholdCustomerChange{gateway.CustomerID(d.fixed())}
	case opDepart:
		return departChange{gateway.CustomerID(d.fixed()), int(d.uint())}
	case opArrive:
		return arriveChange{gateway.CustomerID(d.fixed()), d.bytes()}
	case opContact:
		return d.contactChange()
	}
	return nil
}

// triggerChange decodes the changes of sequences, schedules, stages and tasks.
func (d *decoder) triggerChange(p *Partition) change {
	switch d.op {
	case opSequence:
		return d.sequenceChange(p)
	case opSequenceFired:
		return d.sequenceFiredChange(p)
	case opClassRules:
		return d.classRulesChange()
	case opRuleScan:
		return ruleScanChange{d.scan()}
	case opOccasion:
		return d.occasionChange(p)
	case opTask:
		return taskChange{gateway.CustomerID(d.fixed()), d.task()}
	case opTaskClosed:
		return taskClosedChange{gateway.CustomerID(d.fixed()), d.id16()}
	case opClass:
		return d.classChange()
	case opClassMissed:
		return classMissedChange{gateway.CustomerID(d.fixed()), d.journey(p), d.bool()}
	}
	return d.limitChange(p)
}

// timeChange moves the partition's time.
type timeChange struct{ now, observed gateway.Instant }

// timeChange reads by how much time moves on.
func (d *decoder) timeChange(p *Partition) timeChange {
	now, observed := d.at(), d.at()
	d.must(now >= 0 && observed >= 0)
	return timeChange{p.now + now, p.observed + observed}
}

func (c timeChange) apply(p *Partition) { p.now, p.observed = c.now, c.observed }

// setTime moves now and the watermark; the record holds the differences.
func (p *Partition) setTime(now, observed gateway.Instant) {
	p.enc.byte(opTime)
	p.enc.at(now - p.now)
	p.enc.at(observed - p.observed)
	timeChange{now, observed}.apply(p)
}

func (c timeChange) encode(*encoder) {} // see setTime: it needs what was before

// seenChange notes that an event of a device was taken.
type seenChange struct {
	device gateway.DeviceID
	id     identity
	at     *device // where it is known already
}

func (c seenChange) encode(e *encoder) {
	e.byte(opSeen)
	e.fixed(uint64(c.device))
	e.identity(c.id)
}

func (c seenChange) apply(p *Partition) {
	d := c.at
	if d == nil {
		d = p.devices.get(c.device)
	}
	if d != nil {
		d.seen.add(c.id, p.oldestDay())
	}
}

// touchedChange notes that a touchpoint without a device was taken.
type touchedChange struct {
	customer gateway.CustomerID
	id       identity
}

func (c touchedChange) encode(e *encoder) {
	e.byte(opTouched)
	e.fixed(uint64(c.customer))
	e.identity(c.id)
}

func (c touchedChange) apply(p *Partition) {
	m := p.customer(c.customer).grow()
	if m.seen == nil {
		m.seen = &seen{}
	}
	m.seen.add(c.id, p.oldestDay())
}

func (e *encoder) identity(id identity) {
	e.bool(id.numbered)
	if id.numbered {
		e.uint(uint64(id.boot))
		e.uint(id.seq)
	} else {
		e.fixed(id.hash)
	}
	e.uint(uint64(id.day))
}

func (d *decoder) identity() (id identity) {
	if id.numbered = d.bool(); id.numbered {
		id.boot, id.seq = d.uint32(), d.uint()
	} else if id.hash = d.fixed(); id.hash == 0 {
		d.fail()
	}
	id.day = d.uint16()
	return id
}

// counterRef names a counter.
type counterRef struct {
	customer gateway.CustomerID
	trait    *trait
	device   gateway.DeviceID
}

func (r counterRef) encode(e *encoder) {
	e.fixed(uint64(r.customer))
	e.uint(uint64(r.trait.id))
	e.fixed(uint64(r.device))
}

func (d *decoder) counterRef(p *Partition) counterRef {
	return counterRef{gateway.CustomerID(d.fixed()), d.trait(p), gateway.DeviceID(d.fixed())}
}

func (r counterRef) counter(p *Partition) *counter {
	c := p.customers[r.customer]
	if c == nil {
		return nil
	}
	return c.counter(r.trait, r.device)
}

// flagsChange sets the flags of a counter.
type flagsChange struct {
	counterRef
	flags counterFlags
}

func (c flagsChange) encode(e *encoder) {
	e.byte(opFlags)
	c.counterRef.encode(e)
	e.byte(byte(c.flags))
}

func (c flagsChange) apply(p *Partition) {
	if k := c.counter(p); k != nil {
		k.flags = c.flags
		if c.trait.spec.silence > 0 {
			p.schedule(p.customers[c.customer].silence(c.trait))
		}
	}
}

// useUpChange empties a counter's window: `every` starts anew.
type useUpChange struct{ counterRef }

func (c useUpChange) encode(e *encoder) {
	e.byte(opUseUp)
	c.counterRef.encode(e)
}

func (c useUpChange) apply(p *Partition) {
	if k := c.counter(p); k != nil && p.traits[k.trait].form.timed() {
		p.startAnew(p.customers[c.customer], k)
	}
}
