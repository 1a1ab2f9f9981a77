package journey

import (
	"bytes"
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// Arbitration
//
// A send that a cap may close does not decide when it is reached: another one
// may compete for the same slot at the same instant. It stands as a candidate
// until the instant, or its journey's decision window, is over; then all
// candidates of the budget decide in the order of priority, time of the event,
// id. Its timer fires after all others of the same instant, so that what falls
// due together competes together, whatever the order of the inputs.

// standing is a send that stands as a candidate.
type standing struct {
	since gateway.Instant // from here on it competes
	at    gateway.Instant // when the event that led here occurred
	// The event that led here, for the message.
	cause         string
	causeReceived gateway.Instant
}

// lastOfInstant orders the timers of candidates behind all others.
const lastOfInstant = 1 << 63

// candidate is one of those who compete: a send of an enrollment, or a message
// that is decided anew.
type candidate struct {
	e        *enrollment
	m        *message
	journey  *journey
	priority int
	at       gateway.Instant
	id       [16]byte
	since    gateway.Instant // from here on it competes
	due      gateway.Instant
}

// claim is the slot that a better candidate whose window is still open would
// take.
type claim struct {
	journey  *journey
	customer *customer
	channel  string
	purpose  gateway.Purpose
	tags     []string
}

// contest is the scratch space of arbitration.
type contest struct {
	sharing []*customer     // of a budget
	claims  []claim         // better candidates whose window is open
	since   gateway.Instant // the candidate at hand stands since
	without *message        // its slot is the one to be given away
}

// budget returns the customers who share one budget of messages with c: the
// members of his group by their ids, or he alone.
func (p *Partition) budget(c *customer) []*customer {
	if c.groupOf() != 0 {
		return p.groups[c.groupOf()]
	}
	p.contest.sharing = append(p.contest.sharing[:0], c)
	return p.contest.sharing
}

// competes reports whether a cap may close a channel of the step, so that the
// send has to stand as a candidate.
func (p *Partition) competes(e *enrollment, s *step, ch *choice) bool {
	switch ch.reason {
	case gateway.ReasonSent, gateway.ReasonHoldout, gateway.ReasonCapped:
	default:
		return false // no slot can help it
	}
	if !e.v.def.obeys || e.c.test {
		return false
	}
	if e.c.capCount > 0 {
		return true
	}
	for _, channel := range p.channelOrder(e.c, s) {
		for i := range p.cfg.Caps {
			if p.cfg.Caps[i].covers(channel, e.v.def.Purpose, s.send.tags) {
				return true
			}
		}
	}
	return false
}

// stand makes the enrollment a candidate at its send step.
func (p *Partition) stand(e *enrollment, ev *gateway.Event) {
	k := &standing{since: p.now, at: p.now}
	if e.origin != nil {
		k.at, k.cause, k.causeReceived = e.origin.occurred, e.origin.cause, e.origin.received
	}
	if ev != nil {
		k.at, k.cause, k.causeReceived = ev.OccurredAt, clone(ev.ID), ev.ReceivedAt
	}
	e.own().stand = k
	e.waiting, e.changedAt = true, p.now
	e.due = e.v.def.window.after(p.now)
}

// arbitrate decides about the candidates of a budget whose time has come, the
// best first. One whose window is still open decides later, but whoever is
// worse leaves it its slot.
func (p *Partition) arbitrate(c *customer) {
	list := p.candidates(c)
	p.contest.claims = p.contest.claims[:0]
	for i := range list {
		k := &list[i]
		p.contest.since = k.since
		switch {
		case !k.valid():
		case k.due > p.now:
			p.claim(k.e)
		case k.m != nil:
			p.decideMessage(k.m)
		default:
			if p.stillRelevant(k.e) {
				p.walk(k.e, nil)
			}
		}
	}
	p.contest.claims, p.contest.since = p.contest.claims[:0], 0
}

// candidates lists those who compete for the budget of c, the best first.
func (p *Partition) candidates(c *customer) (list []candidate) {
	for _, o := range p.budget(c) {
		for _, e := range o.enrollments {
			if e.stand != nil {
				list = append(list, candidate{e: e, journey: e.v.journey, priority: e.v.def.priority, at: e.stand.at, id: e.id,
					since: e.stand.since, due: e.due})
			}
		}
		for _, m := range o.messages {
			if m.anew() && m.due <= p.now {
				list = append(list, candidate{m: m, journey: m.journey, priority: m.journey.version(m.full.Version).def.priority,
					at: m.full.DecidedAt, id: m.id, since: m.due, due: m.due})
			}
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	})
	return list
}

// valid reports whether the candidate still stands: a decision before may have
// ended its enrollment, or paused its journey.
func (k *candidate) valid() bool {
	if k.journey.state == gateway.JourneyPaused {
		return false
	}
	if k.m != nil {
		return k.m.anew()
	}
	return k.e.stand != nil
}

// anew reports whether the message waits to be decided anew.
func (m *message) anew() bool {
	return m.full != nil && m.state == gateway.MessageMissedWindow
}

// endOfTime is later than every instant that counts.
const endOfTime = gateway.Instant(1 << 60)

// claim keeps a slot for a candidate whose window is still open.
func (p *Partition) claim(e *enrollment) {
	if e.arm == armHoldout || !e.v.def.counts || e.c.test {
		return
	}
	s := &e.v.def.steps[e.step]
	if ch := p.choose(e, s, endOfTime); ch.channel != "" {
		p.contest.claims = append(p.contest.claims, claim{e.v.journey, e.c, ch.channel, e.v.def.Purpose, s.send.tags})
	}
}

// winner names the journey that took the slot of a rule (nil = the customer's
// own cap) while the candidate at hand stood, "" when the slot was gone before.
func (p *Partition) winner(e *enrollment, r *CapRule) (name string) {
	if p.contest.since == 0 {
		return ""
	}
	for i := range p.contest.claims {
		k := &p.contest.claims[i]
		if (k.customer == e.c || r.ofGroup()) && (r == nil || r.covers(k.channel, k.purpose, k.tags)) {
			name = k.journey.name
		}
	}
	if name != "" {
		return name
	}
	var at gateway.Instant
	for _, c := range p.budget(e.c) {
		if !r.ofGroup() && c != e.c {
			continue
		}
		for _, m := range c.messages {
			taken := m.slot == slotReserved || m.slot == slotCommitted
			if taken && m.slotAt >= max(p.contest.since, at) && (r == nil || r.covers(m.channel, m.purpose, m.tags)) {
				name, at = m.journey.name, m.slotAt
			}
		}
	}
	return name
}

func (e *encoder) standing(k *standing) {
	e.at(k.since)
	e.at(k.at)
	e.string(k.cause)
	e.at(k.causeReceived)
}

func (d *decoder) standing() *standing {
	return &standing{since: d.at(), at: d.at(), cause: d.string(), causeReceived: d.at()}
}
