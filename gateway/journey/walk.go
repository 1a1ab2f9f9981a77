package journey

import (
	"slices"

	"touchpoint/gateway"
)

// maxStride bounds the steps that one enrollment takes at once; Compile refuses
// circles without a wait, so that it is never reached.
const maxStride = 4 * maxSteps

// walk takes an enrollment through its steps until it waits or ends. It works
// on a copy and puts it once.
func (p *Partition) walk(e *enrollment, ev *gateway.Event) {
	next := *e
	next.waiting, next.absence, next.overdue, next.due = false, false, false, 0
	for range maxStride {
		if next.step == toEnd {
			p.finish(&next, gateway.ReasonCompleted, ev, "")
			return
		}
		s := &next.v.def.steps[next.step]
		if next.passes(s) {
			continue
		}
		at := next.step
		if !p.take1(&next, s, ev) {
			break
		}
		next.completed(int(at))
	}
	if !next.ended() {
		p.put(&next)
	}
}

// take1 takes one step and moves on; false means that the enrollment rests.
func (p *Partition) take1(e *enrollment, s *step, ev *gateway.Event) bool {
	to := s.next
	if e.v.journey.dry() && s.kind.acts() {
		e.step, e.changedAt = int32(to), p.now
		return true
	}
	switch s.kind {
	case stepSend:
		if !p.send(e, s, ev) {
			return false
		}
		if e.origin != nil {
			to = toEnd
		}
	case stepWait:
		return p.beginWait(e, s)
	case stepBranch:
		to = p.branch(e, s)
	case stepSplit:
		a := p.split(e, s)
		e.own().split, to = a.name, a.to
		p.stepDecisionAt(e, s, gateway.ReasonBranch, "", a.name)
	case stepSet:
		p.setAttributes(e.c, s.set)
		if p.recheck(e.c, e.id); !p.stillRelevantIn(e) {
			return false
		}
	case stepEnd:
		to = toEnd
	case stepStart:
		p.startNext(e, s)
	case stepStop:
		p.stopOther(e, s)
	case stepTask:
		p.openTask(e, s)
	}
	e.step, e.changedAt = int32(to), p.now
	return true
}

// beginWait starts a wait; true means that it is over already.
func (p *Partition) beginWait(e *enrollment, s *step) bool {
	w := &s.wait
	e.waiting, e.waitFrom, e.changedAt = true, p.now, p.now
	switch w.kind {
	case waitFor:
		e.due = w.duration.after(p.now)
	case waitEvent:
		e.due, e.absence = w.duration.after(p.now), true
	case waitLocal:
		if e.due = nextLocal(p.now, p.zone(e.c), w.local, w.days); e.due == p.now {
			e.waiting, e.due, e.step = false, 0, int32(s.next)
			return true
		}
	}
	return false
}

func (p *Partition) branch(e *enrollment, s *step) int {
	for i := range s.arms {
		a := &s.arms[i]
		switch a.when.eval(p.look(e.c, e.v, e, nil)) {
		case yes:
			p.stepDecisionAt(e, s, gateway.ReasonBranch, "", a.name)
			return a.to
		case unavailable:
			p.stepDecisionAt(e, s, gateway.ReasonConditionFailed, "", a.name)
		}
	}
	p.stepDecisionAt(e, s, gateway.ReasonBranch, "", "next")
	return s.next
}

// leave moves a waiting enrollment on. In a pause it stands ready and walks on
// resume.
func (p *Partition) leave(e *enrollment, to int, ev *gateway.Event) {
	next := *e
	next.completed(int(e.step))
	next.step, next.waiting, next.absence, next.overdue, next.due, next.changedAt = int32(to), false, false, false, 0, p.now
	if e.v.journey.state == gateway.JourneyPaused {
		next.due = p.now
		p.put(&next)
		return
	}
	p.walk(&next, ev)
}

// fire is the timer of an enrollment: a wait is over, or it is to be forgotten.
func (e *enrollment) fire(p *Partition) {
	if e.ended() {
		p.forget(e)
		return
	}
	if p.over(e) {
		return
	}
	if e.v.journey.state == gateway.JourneyPaused {
		e.v.journey.parked = append(e.v.journey.parked, e)
		return
	}
	if !e.waiting || e.step == toEnd { // stood ready in a pause
		p.walk(e, nil)
		return
	}
	s := &e.v.def.steps[e.step]
	switch {
	case s.kind == stepSend && p.parks(e):
	case e.stand != nil:
		p.arbitrate(e.c)
	case s.kind == stepSend: // the quiet hours are over
		if !p.stillRelevant(e) {
			return
		}
		p.walk(e, nil)
	case s.wait.kind == waitEvent && e.waitsForUpload(p):
	case s.wait.kind == waitEvent:
		p.stepDecision(e, gateway.ReasonTimedOut, "", s.wait.until.event)
		p.leave(e, s.wait.onTimeout, nil)
	default:
		p.stepDecision(e, gateway.ReasonElapsed, "", "")
		p.leave(e, s.next, nil)
	}
}

// stillRelevant checks the exit criteria that look at the customer; it ends the
// enrollment when one holds.
func (p *Partition) stillRelevant(e *enrollment) bool {
	next := *e
	return p.stillRelevantIn(&next)
}

// stillRelevantIn does so for a copy that is put already, or walking.
func (p *Partition) stillRelevantIn(e *enrollment) bool {
	if e.origin != nil {
		return true // that of the origin decides
	}
	for i := range e.v.def.exits {
		x := &e.v.def.exits[i]
		if x.event == "" && p.holds(x.where, e, nil) {
			p.finish(e, gateway.ReasonExitCriterion, nil, x.rule())
			return false
		}
	}
	return true
}

// recheck ends the enrollments of a customer whose attributes changed so that
// an exit criterion holds; walking is the one that changed them, which looks
// for itself.
func (p *Partition) recheck(c *customer, walking gateway.EnrollmentID) {
	for _, e := range slices.Clone(c.enrollments) {
		if !e.ended() && e.id != walking {
			p.stillRelevant(e)
		}
	}
}

// forget drops an ended enrollment once its goal can no longer be reached and
// none of its messages is on the way.
func (p *Partition) forget(e *enrollment) {
	for _, m := range e.c.messages {
		if m.enrollment == e.id && !m.finished() {
			next := *e
			next.due = p.now + dayMillis // its receipts may still change something
			do(p, enrollmentChange{e.c.id, next})
			return
		}
	}
	do(p, forgetChange{e.c.id, e.id})
}

// endEnrollment ends an enrollment from outside its walk and takes back what
// it did not show yet.
func (p *Partition) endEnrollment(e *enrollment, reason gateway.Reason, ev *gateway.Event, rule string) {
	next := *e
	p.finish(&next, reason, ev, rule)
}

// finish ends the enrollment that e is a copy of.
func (p *Partition) finish(e *enrollment, reason gateway.Reason, ev *gateway.Event, rule string) {
	d := gateway.Decision{Kind: gateway.DecisionExit, Reason: reason, Rule: rule}
	if e.step >= 0 {
		d.Step = e.v.def.steps[e.step].id
	}
	if ev != nil {
		d.EventID = clone(ev.ID)
	}
	if e.origin == nil || reason != gateway.ReasonCompleted { // his send said it
		p.decideFor(e, d)
	}
	e.step, e.waiting, e.absence, e.overdue = toEnd, false, false, false
	x := e.own()
	x.stand, x.endedAt, x.endReason = nil, p.now, reason
	e.changedAt, e.due = p.now, p.now
	if reason != gateway.ReasonCompleted {
		p.recall(e, reason)
	}
	if e.origin != nil { // so long it can be told why he was addressed
		e.due = p.now + dayMillis
	}
	if e.addressed != nil { // it can still be taken back
		e.due = max(e.due, e.addressed.until)
	}
	if g := e.v.def.goal; g != nil && !e.converted && e.origin == nil {
		e.due = max(e.due, (g.within + p.cfg.DedupWindow).after(e.enteredAt)) // late news count, too
	}
	p.put(e)
	if reason != gateway.ReasonCompleted {
		p.withdraw(e.c, string(reason), func(m *message) bool { return m.enrollment == e.id })
		p.withdrawTasks(e.c, reason, func(t *task) bool { return t.enrollment == e.id })
	}
	if e.origin == nil {
		m := e.c.mark(e.v.journey)
		m.active, m.exitedAt = max(m.active-1, 0), p.now
		do(p, markChange{e.c.id, m})
	}
	p.drained(e.v)
	if e.due == p.now {
		p.forget(e)
	}
}

// put records the enrollment and tells the read model.
func (p *Partition) put(e *enrollment) {
	do(p, enrollmentChange{e.c.id, *e})
	p.out.Entered = append(p.out.Entered, e.view())
}

// view is the enrollment as the read model shows it.
func (e *enrollment) view() gateway.Enrollment {
	v := gateway.Enrollment{ID: e.id, Journey: e.v.journey.name, Version: e.v.number, Customer: e.c.id, Device: e.device,
		Key: e.key, Arm: e.armName(), EnteredAt: e.enteredAt, ChangedAt: e.changedAt, EndedAt: e.endedAt,
		EndReason: e.endReason, Converted: e.converted}
	if e.origin != nil {
		v.Recipient, v.Origin = e.origin.role, e.origin.enrollment
	}
	if e.arm == armHoldout {
		v.Arm = e.arm.String()
	}
	if !e.ended() {
		v.WaitsUntil, _, _ = e.timer()
		if e.step >= 0 {
			v.Step = e.v.def.steps[e.step].id
		}
	}
	return v
}

// decideFor records a decision about an enrollment.
func (p *Partition) decideFor(e *enrollment, d gateway.Decision) {
	d.Journey, d.Version, d.Customer = e.v.journey.name, e.v.number, e.c.id
	d.Enrollment = e.id
	if d.Device == 0 {
		d.Device = e.device
	}
	d.EventID = clone(d.EventID)
	if e.origin != nil {
		d.Recipient, d.Origin = e.origin.role, e.origin.enrollment
	}
	p.signArm(&d, e)
	d.Values = e.v.def.audited(d)
	p.decide(d)
}

func (p *Partition) stepDecision(e *enrollment, reason gateway.Reason, eventID, rule string) {
	p.stepDecisionAt(e, &e.v.def.steps[e.step], reason, eventID, rule)
}

func (p *Partition) stepDecisionAt(e *enrollment, s *step, reason gateway.Reason, eventID, rule string) {
	p.decideFor(e, gateway.Decision{Kind: gateway.DecisionStep, Reason: reason, Step: s.id, EventID: eventID, Rule: rule})
}
