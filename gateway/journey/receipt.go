package journey

import (
	"slices"

	"touchpoint/gateway"
)

// receipt moves a message to what became of it.
func (p *Partition) receipt(in *gateway.Input, r gateway.Receipt) gateway.Outcome {
	m := p.messages[r.Message]
	if m == nil {
		return p.receiptElsewhere(in, r)
	}
	o := gateway.Outcome{Customer: m.c.id}
	if !moves(m, r.State) {
		o.Disposition = gateway.Duplicate
		return o
	}
	at := min(r.At, p.now)
	if at == 0 {
		at = p.now
	}
	p.out.Updates = append(p.out.Updates, gateway.MessageUpdate{Message: m.id, Customer: m.c.id, Device: m.device,
		Journey: m.journey.name, Channel: m.channel, State: r.State, At: at, Detail: clone(r.Detail)})
	next := *m
	next.state = r.State
	switch r.State {
	case gateway.MessageAttempted, gateway.MessageRedelivered:
	case gateway.MessageHandedOver, gateway.MessageDelivered:
		if m.channel != productChannel { // nobody will say when it is shown: he has it
			p.commitSlot(&next, at)
		}
	case gateway.MessageDisplayed, gateway.MessageOpened, gateway.MessageClicked, gateway.MessageDismissed:
		p.commitSlot(&next, at)
		p.putMessage(&next)
		p.shown(m)
		return o
	case gateway.MessageMissedWindow:
		next.releaseSlot()
		p.putMessage(&next)
		p.decideAnew(p.messages[m.id])
		return o
	case gateway.MessageFailed:
		full := m.full
		if p.brake.on && len(full.Fallback) > 0 { // what comes next is decided on release
			next.state = gateway.MessageMissedWindow
			next.releaseSlot()
			next.due = p.now
			break
		}
		p.close(&next)
		p.putMessage(&next)
		p.fallBack(m, full)
		return o
	default:
		p.close(&next)
	}
	p.putMessage(&next)
	return o
}

// receiptElsewhere passes a receipt on whose message is not here: to the
// customer's home, or along the device.
func (p *Partition) receiptElsewhere(in *gateway.Input, r gateway.Receipt) gateway.Outcome {
	refused := gateway.Outcome{Disposition: gateway.Refused, Customer: r.Customer}
	if r.Customer != 0 {
		if p.gone(r.Customer) {
			return refused
		}
		if o, done := p.routeCustomer(r.Customer, in); done {
			return o
		}
		return refused
	}
	if r.Device == 0 {
		return refused
	}
	if o, done := p.route(r.Device, in); done {
		return o
	}
	d := p.devices.get(r.Device)
	if d == nil {
		return refused
	}
	for _, o := range slices.Backward(d.owners) { // a former owner's message
		if o.customer == 0 {
			continue
		}
		next := *in
		r.Customer = o.customer
		next.Command = r
		if out, done := p.routeCustomer(o.customer, &next); done {
			return out
		}
	}
	return refused
}

// rank orders what can become of a message; a receipt never moves it back.
var rank = [...]int8{
	gateway.MessageDecided: 1, gateway.MessageAttempted: 2, gateway.MessageHandedOver: 3, gateway.MessageRedelivered: 3,
	gateway.MessageDelivered: 4, gateway.MessageMissedWindow: 5, gateway.MessageHeldOut: 5, gateway.MessageFailed: 5,
	gateway.MessageExpired: 5, gateway.MessageWithdrawn: 5, gateway.MessageDisplayed: 6, gateway.MessageOpened: 7,
	gateway.MessageClicked: 8, gateway.MessageDismissed: 8,
}

// moves reports whether the receipt says something new. A display wins over
// everything that delivery gave up, since a person saw the message.
func moves(m *message, to gateway.MessageState) bool {
	if int(to) >= len(rank) { // what is no state has no rank, and moves nothing
		return false
	}
	if m.finished() && rank[to] == 5 {
		return false // he has it, or it was given up: it cannot fail any more
	}
	return rank[to] > rank[m.state] || rank[to] == 3 && rank[m.state] == 3 && to != m.state
}

// commitSlot counts the message from the moment when it was shown.
func (p *Partition) commitSlot(m *message, at gateway.Instant) {
	if m.slot == slotReserved || m.slot == slotReleased {
		m.slot = slotCommitted
		m.slotAt = max(at, m.slotAt)
	}
	p.close(m)
}

func (m *message) releaseSlot() {
	if m.slot == slotReserved {
		m.slot = slotReleased
	}
}

// close drops what delivery needed; the rest stays while a cap, a receipt or a
// goal may ask for it.
func (p *Partition) close(m *message) {
	m.full = nil
	m.releaseSlot()
	m.due = p.retention(m.c).after(max(m.slotAt, p.now))
}

// retention is how long finished messages are kept.
func (p *Partition) retention(c *customer) Duration {
	keep := max(Duration(8*dayMillis), c.capWindow)
	for _, r := range p.cfg.Caps {
		keep = max(keep, r.Per)
		if r.Calendar != "" {
			keep = max(keep, 32*dayMillis)
		}
	}
	return keep
}

// putMessage records a message; the copy that delivery gets follows its state.
func (p *Partition) putMessage(m *message) {
	if m.full != nil {
		full := *m.full
		full.State = m.state
		m.full = &full
	}
	do(p, messageChange{m.c.id, *m})
}

// withdraw takes back the messages that were not shown yet.
func (p *Partition) withdraw(c *customer, detail string, which func(*message) bool) {
	for _, m := range slices.Clone(c.messages) {
		if m.finished() || !which(m) {
			continue
		}
		next := *m
		next.state = gateway.MessageWithdrawn
		p.close(&next)
		p.putMessage(&next)
		p.out.Updates = append(p.out.Updates, gateway.MessageUpdate{Message: m.id, Customer: c.id, Device: m.device,
			Journey: m.journey.name, Channel: m.channel, State: gateway.MessageWithdrawn, At: p.now, Detail: detail})
	}
}

// decideAnew decides again about a message that missed its allowed interval:
// as a new visit of its step, if the journey still has a point. Under caps it
// competes like any other.
func (p *Partition) decideAnew(m *message) {
	if p.brake.on { // decided on release
		next := *m
		next.due = p.now
		p.putMessage(&next)
		return
	}
	if e := m.c.enrollment(m.enrollment); e != nil {
		s := &e.v.def.steps[max(e.v.def.stepIndex(m.step), 0)]
		if ch := p.choose(e, s, m.full.ExpiresAt); p.competes(e, s, &ch) {
			next := *m
			next.due = p.now
			p.putMessage(&next)
			return
		}
	}
	p.decideMessage(m)
}

func (p *Partition) decideMessage(m *message) {
	e := m.c.enrollment(m.enrollment)
	if e == nil { // what ends a run otherwise than completed takes back its messages
		p.giveUp(m, gateway.MessageWithdrawn)
		return
	}
	s := &e.v.def.steps[max(e.v.def.stepIndex(m.step), 0)]
	d := gateway.Decision{Kind: gateway.DecisionSend, Step: m.step}
	ch := p.choose(e, s, m.full.ExpiresAt)
	d.Values = ch.values
	if d.Reason, d.Rule = ch.reason, "missed window"; ch.rule != "" {
		d.Rule += ", " + ch.rule
	}
	if ch.until != 0 {
		p.decideFor(e, d)
		next := *m
		next.due, next.hold = ch.until, ch.hold
		p.putMessage(&next)
		return
	}
	if ch.channel == "" {
		p.decideFor(e, d)
		state := gateway.MessageFailed
		if ch.reason == gateway.ReasonExpired {
			state = gateway.MessageExpired
		}
		p.giveUp(m, state)
		return
	}
	d.Message = p.again(e, s, &ch, m.full.ExpiresAt)
	p.decideFor(e, d)
	next := *m
	p.close(&next)
	p.putMessage(&next)
}

// again makes the message of another visit and keeps the count of visits.
func (p *Partition) again(e *enrollment, s *step, ch *choice, expires gateway.Instant) gateway.MessageID {
	next := *e
	id := p.message(&next, s, ch, cause{}, expires)
	p.put(&next)
	return id
}

// giveUp ends a message for good.
func (p *Partition) giveUp(m *message, state gateway.MessageState) {
	next := *m
	next.state = state
	p.close(&next)
	p.putMessage(&next)
	p.out.Updates = append(p.out.Updates, gateway.MessageUpdate{Message: m.id, Customer: m.c.id, Device: m.device,
		Journey: m.journey.name, Channel: m.channel, State: state, At: p.now})
}

// fire is the timer of a message: decide anew, or forget.
func (m *message) fire(p *Partition) {
	switch {
	case m.finished():
		do(p, forgetMessageChange{m.id})
	case m.journey.state == gateway.JourneyPaused:
		m.journey.parked = append(m.journey.parked, m)
	case p.parks(m):
	case m.anew():
		p.arbitrate(m.c)
	default:
		p.silent(m)
	}
}
