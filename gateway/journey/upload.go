package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Devices that upload in bulk
//
// A model may send what happened only now and then, such as once a night. Until
// it did, its silence says nothing: an absence, or the timeout of a wait for an
// event, is decided when each such device of the customer has been heard, that
// is when an event that occurred after the due time has come from it, and at
// the latest when the model's interval has passed since then. While a device
// sends old events it is in the middle of an upload, and one waits for its end.
// A decision `unobserved` says so, once.

// Upload says how rarely a model sends, and what.
type Upload struct {
	Interval Duration `yaml:"interval"`
	// Events are the types that the model sends; empty means any.
	Events []string `yaml:"events"`
}

// uploadSettle is how old an event is that shows an upload under way, and how
// long after the last such event the upload is over.
const uploadSettle = Duration(60_000)

// heard is up to when a device told what happened.
type heard struct {
	through gateway.Instant // when its newest event occurred
	backlog gateway.Instant // when the last old event came
}

// hearing returns it.
func (f *facts) hearing() heard {
	if f == nil {
		return heard{}
	}
	return f.heard
}

// hearDevice notes up to when a device that uploads in bulk has told.
func (p *Partition) hearDevice(d *device, ev *gateway.Event) {
	if _, ok := p.cfg.Uploads[d.product]; !ok {
		return
	}
	next := d.facts.hearing()
	next.through = max(next.through, ev.OccurredAt)
	if ev.OccurredAt < uploadSettle.before(p.now) {
		next.backlog = p.now
	}
	if next != d.facts.hearing() {
		do(p, heardChange{d.id, next})
	}
}

// knownAt returns from when on it is known whether an event occurred by due, as
// far as the customer's devices decide that, and the device that it waits for.
func (p *Partition) knownAt(c *customer, event string, due gateway.Instant) (at gateway.Instant, by gateway.DeviceID) {
	at = due
	if len(p.cfg.Uploads) == 0 {
		return at, 0
	}
	for _, id := range c.devices {
		d := p.devices.get(id)
		if d.ownedFrom > due {
			continue
		}
		u, ok := p.cfg.Uploads[d.product]
		if !ok || len(u.Events) > 0 && !slices.Contains(u.Events, event) {
			continue
		}
		h, known := d.facts.hearing(), due
		if h.through <= due {
			known = u.Interval.after(due)
		}
		if known = max(known, uploadSettle.after(h.backlog)); known > at {
			at, by = known, id
		}
	}
	return at, by
}

// hurry looks again at the timers of a customer that wait for a device: it was
// heard, or it left.
func (p *Partition) hurry(c *customer) {
	if c == nil {
		return
	}
	if c.more != nil {
		for s := c.more.silences; s != nil; s = s.next {
			p.schedule(s)
		}
	}
	for _, e := range c.enrollments {
		if e.overdue {
			p.schedule(e)
		}
	}
}

// waitsForUpload reports whether a silence cannot be decided yet because of a
// device; it says so. From then on its timer knows until when it waits.
func (s *silence) waitsForUpload(p *Partition, j *journey, k *counter) bool {
	due := s.trait.spec.silence.after(k.last)
	at, by := p.knownAt(s.c, s.trait.spec.event, due)
	if at < p.observed || due <= s.trait.ignore {
		return false
	}
	do(p, flagsChange{counterRef{s.c.id, s.trait, 0}, k.flags | unobserved})
	if v := s.startsOf(j); v != nil {
		p.decideEntry(v, gateway.Decision{Reason: gateway.ReasonUnobserved, Customer: s.c.id, Device: by, Rule: uploadRule(at)}, nil)
	}
	return true
}

// waitsForUpload does so for the timeout of a wait for an event.
func (e *enrollment) waitsForUpload(p *Partition) bool {
	at, by := p.knownAt(e.c, e.awaits(), e.due)
	if at < p.observed {
		return false
	}
	next := *e
	next.overdue = true
	p.put(&next)
	p.decideFor(&next, gateway.Decision{Kind: gateway.DecisionStep, Reason: gateway.ReasonUnobserved,
		Step: e.v.def.steps[e.step].id, Device: by, Rule: uploadRule(at)})
	return true
}

// awaits names the event that a waiting enrollment waits for.
func (e *enrollment) awaits() string {
	if e.step < 0 {
		return ""
	}
	return e.v.def.steps[e.step].wait.until.event
}

func uploadRule(at gateway.Instant) string { return "upload until " + at.String() }

// heardChange puts up to when a device has told.
type heardChange struct {
	device gateway.DeviceID
	heard
}

func (c heardChange) encode(e *encoder) {
	e.byte(opHeard)
	e.fixed(uint64(c.device))
	e.heard(c.heard)
}

func (c heardChange) apply(p *Partition) {
	d := p.devices.get(c.device)
	if d == nil {
		return
	}
	d.fact().heard = c.heard
	p.hurry(d.owner)
}

func (e *encoder) heard(h heard) {
	e.at(h.through)
	e.at(h.backlog)
}

func (d *decoder) heard() heard { return heard{d.at(), d.at()} }

// fact returns what is known of the device, to be changed.
func (d *device) fact() *facts {
	if d.facts == nil {
		d.facts = &facts{}
	}
	return d.facts
}

// langChange decodes the changes of uploads and of devices without an owner.
func (d *decoder) langChange() change {
	switch d.op {
	case opHeard:
		return heardChange{gateway.DeviceID(d.fixed()), d.heard()}
	case opTold:
		return toldChange{gateway.DeviceID(d.fixed()), d.fixed()}
	}
	return nil
}
