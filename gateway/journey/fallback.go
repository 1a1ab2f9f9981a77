package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Fallback
//
// A message that its channel could not deliver goes to the next channel at
// once. A step may also say how long it waits for a receipt: of the device that
// the message was shown, of another channel that it took it. After that the
// message is taken back and goes to the next channel. A receipt of the first one
// that comes late is noted and takes back the second one, if that was not shown
// yet: nobody is to see it twice.

// awaitReceipt sets the timer of a message that has a channel to fall back to.
func (s *step) awaitReceipt(m *message, now gateway.Instant) {
	if s.send.fallbackAfter > 0 && len(m.full.Fallback) > 0 && !m.full.Holdout {
		m.due = s.send.fallbackAfter.after(now)
	}
}

// silent is the end of the time in which a receipt should have come.
func (p *Partition) silent(m *message) {
	full := m.full
	if p.nextChannel(m, full, gateway.ReasonNoReceipt) {
		p.takeBack(m, string(gateway.ReasonNoReceipt))
		return
	}
	next := *m
	next.due = 0 // no other channel: it stays where it is
	p.putMessage(&next)
}

// takeBack withdraws one message.
func (p *Partition) takeBack(m *message, detail string) {
	p.withdraw(m.c, detail, func(o *message) bool { return o == m })
}

// shown takes back what a fallback sent, or is about to send, in the place of a
// message that a person has seen.
func (p *Partition) shown(m *message) {
	for o := m; ; {
		next := p.insteadOf(o)
		if next == nil {
			return
		}
		if !next.finished() {
			p.takeBack(next, "shown by "+m.channel)
		}
		o = next
	}
}

// insteadOf returns the message that went out in the place of m.
func (p *Partition) insteadOf(m *message) *message {
	for _, o := range m.c.messages {
		if o.instead == m.id {
			return o
		}
	}
	return nil
}

// fallBack tries the next channel after delivery gave up on one.
func (p *Partition) fallBack(m *message, full *gateway.Message) {
	p.nextChannel(m, full, gateway.ReasonSent)
}

// nextChannel sends in the place of m on the next channel that is open; it
// reports whether there was one. The slot of m is its own.
func (p *Partition) nextChannel(m *message, full *gateway.Message, reason gateway.Reason) bool {
	e := m.c.enrollment(m.enrollment)
	if e == nil || len(full.Fallback) == 0 || p.now >= full.ExpiresAt {
		return false
	}
	s := &e.v.def.steps[max(e.v.def.stepIndex(m.step), 0)]
	p.contest.without = m
	ch := p.nextChoice(e, s, full)
	p.contest.without = nil
	d := gateway.Decision{Kind: gateway.DecisionSend, Step: m.step, Reason: ch.reason, Rule: ch.rule, Values: ch.values}
	if ch.channel != "" {
		why := " failed"
		if reason == gateway.ReasonNoReceipt {
			why = " gave no receipt in " + s.send.fallbackAfter.String()
		}
		ch.instead = m.id
		d.Reason, d.Rule = reason, ch.channel+" after "+m.channel+why
		d.Message = p.again(e, s, &ch, full.ExpiresAt)
	}
	p.decideFor(e, d)
	return ch.channel != ""
}

// nextChoice picks the next channel that nothing speaks against. In quiet hours
// the message goes out at their end.
func (p *Partition) nextChoice(e *enrollment, s *step, full *gateway.Message) (ch choice) {
	ch.device = p.deviceOf(e)
	for i, name := range full.Fallback {
		check := p.channelChecks(e, s, name, ch.device)
		if ch.reason, ch.rule, ch.values = check.reason, check.rule, check.values; check.reason != "" {
			continue
		}
		until, notAfter, discard := p.quietHours(e, s, name, full.ExpiresAt)
		if discard || until >= full.ExpiresAt {
			ch.reason, ch.rule = gateway.ReasonQuietHours, name
			continue
		}
		ch.channel, ch.fallback = name, slices.Clone(full.Fallback[i+1:])
		ch.notBefore, ch.notAfter = until, notAfter
		break
	}
	if ch.channel != "" {
		p.suspended(e, &ch, full.ExpiresAt)
	}
	return ch
}
