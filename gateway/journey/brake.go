package journey

import (
	"maps"
	"slices"

	"touchpoint/gateway"
)

// The brake stops everything: nothing is decided to be sent, and what was
// decided and is not displayed is taken back. Released, all of it is decided
// anew. Waits, branches and entries go on meanwhile.

// brake is the state of the brake and of what it takes back.
type brake struct {
	on     bool
	reason string
	since  gateway.Instant
	sweeps []sweep
	queued queued
	parked []timed // sends that wait for the release; derived
}

// sweep goes over the customers in portions and takes back what was not
// displayed: of one journey, or of all (-1).
type sweep struct {
	journey int
	next    gateway.CustomerID
}

// brakeTimer is the timer of the sweeps.
type brakeTimer struct{ p *Partition }

func (t brakeTimer) timer() (due gateway.Instant, _ bool, _ uint64) {
	if len(t.p.brake.sweeps) > 0 {
		due = max(t.p.now, 1)
	}
	return
}

func (t brakeTimer) queue() *queued { return &t.p.brake.queued }

func (t brakeTimer) fire(p *Partition) { p.sweepPortion() }

// setBrake puts the brake on or releases it.
func (p *Partition) setBrake(c gateway.SetBrake) gateway.Outcome {
	if c.On == p.brake.on {
		return gateway.Outcome{Disposition: gateway.Duplicate}
	}
	change := brakeChange{on: c.On}
	d := gateway.Decision{Kind: gateway.DecisionJourney, Reason: gateway.ReasonResumed, Rule: "the brake is released"}
	p.out.Brake = gateway.BrakeOff
	if c.On {
		change.reason, change.since = clone(c.Reason), p.now
		p.out.Brake = gateway.BrakeOn
		d.Reason, d.Rule = gateway.ReasonBrake, change.reason
	}
	do(p, change)
	p.decide(d)
	if c.On {
		do(p, sweepChange{append(slices.Clone(p.brake.sweeps), sweep{journey: -1})})
	}
	return gateway.Outcome{}
}

// holdBack takes a message back that nobody saw yet; it is decided anew when
// what held it is over.
func (p *Partition) holdBack(m *message, detail string) {
	next := *m
	next.state = gateway.MessageMissedWindow
	next.releaseSlot()
	next.due = p.now
	p.putMessage(&next)
	p.out.Updates = append(p.out.Updates, gateway.MessageUpdate{Message: m.id, Customer: m.c.id, Device: m.device,
		Journey: m.journey.name, Channel: m.channel, State: gateway.MessageWithdrawn, At: p.now, Detail: detail})
}

// sweepPortion goes on with the first sweep.
func (p *Partition) sweepPortion() {
	s := p.brake.sweeps[0]
	ids := slices.Sorted(maps.Keys(p.customers))
	i, _ := slices.BinarySearch(ids, s.next)
	end := min(i+scanSize, len(ids))
	rest := slices.Clone(p.brake.sweeps)
	if end == len(ids) {
		rest = rest[1:]
	} else {
		rest[0].next = ids[end]
	}
	do(p, sweepChange{rest})
	detail := string(gateway.ReasonBrake)
	if s.journey >= 0 {
		detail = string(gateway.ReasonPaused)
		if p.journeys[s.journey].state != gateway.JourneyPaused {
			return // resumed meanwhile
		}
	} else if !p.brake.on {
		return
	}
	for _, id := range ids[i:end] {
		for _, m := range slices.Clone(p.customers[id].messages) {
			if m.full != nil && m.state != gateway.MessageMissedWindow && (s.journey < 0 || m.journey.index == s.journey) {
				p.holdBack(m, detail)
			}
		}
	}
}

// sweepJourney takes back what a paused journey decided.
func (p *Partition) sweepJourney(j *journey) {
	do(p, sweepChange{append(slices.Clone(p.brake.sweeps), sweep{journey: j.index})})
}

// brakeHolds keeps an enrollment at its send step while the brake is on.
func (p *Partition) brakeHolds(e *enrollment, s *step, ev *gateway.Event) bool {
	if !p.brake.on {
		return false
	}
	if e.holdFrom == 0 {
		e.holdSince(p.now)
	}
	d := gateway.Decision{Kind: gateway.DecisionSend, Step: s.id, Reason: gateway.ReasonBrake, Rule: p.brake.reason}
	if ev != nil {
		d.EventID = ev.ID
	}
	p.decideFor(e, d)
	e.waiting, e.due, e.changedAt = true, p.now, p.now
	return true
}

// parks keeps a timer until the brake is released.
func (p *Partition) parks(t timed) bool {
	if p.brake.on {
		p.brake.parked = append(p.brake.parked, t)
	}
	return p.brake.on
}

// Braked reports whether the brake is on.
func (p *Partition) Braked() bool { return p.brake.on }

// brakeChange puts the brake on or releases it.
type brakeChange struct {
	on     bool
	reason string
	since  gateway.Instant
}

func (c brakeChange) encode(e *encoder) {
	e.byte(opBrake)
	c.body(e)
}

func (c brakeChange) body(e *encoder) {
	e.bool(c.on)
	e.string(c.reason)
	e.at(c.since)
}

func (d *decoder) brakeChange() brakeChange { return brakeChange{d.bool(), d.string(), d.at()} }

func (c brakeChange) apply(p *Partition) {
	b := &p.brake
	b.on, b.reason, b.since = c.on, c.reason, c.since
	if !b.on {
		for _, t := range b.parked {
			p.schedule(t)
		}
		b.parked = nil
	}
}

// sweepChange puts what is still to be taken back.
type sweepChange struct{ sweeps []sweep }

func (c sweepChange) encode(e *encoder) {
	e.byte(opSweep)
	c.body(e)
}

func (c sweepChange) body(e *encoder) {
	e.uint(uint64(len(c.sweeps)))
	for _, s := range c.sweeps {
		e.int(int64(s.journey))
		e.fixed(uint64(s.next))
	}
}

func (d *decoder) sweepChange(p *Partition) (c sweepChange) {
	for range d.length(9) {
		s := sweep{journey: int(d.int()), next: gateway.CustomerID(d.fixed())}
		d.must(s.journey >= -1 && s.journey < len(p.journeys))
		c.sweeps = append(c.sweeps, s)
	}
	return c
}

func (c sweepChange) apply(p *Partition) {
	p.brake.sweeps = c.sweeps
	p.schedule(brakeTimer{p})
}
