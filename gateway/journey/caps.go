package journey

import (
	"slices"

	"touchpoint/gateway"
)

// capped returns the cap that closes the channel to a send step, and who took
// its slot while the step stood as a candidate.
func (p *Partition) capped(e *enrollment, s *step, channel string) check {
	if !e.v.def.obeys || e.c.test {
		return check{}
	}
	closed := func(rule string, r *CapRule) check {
		k := check{reason: gateway.ReasonCapped, rule: rule, passed: 2}
		if w := p.winner(e, r); w != "" {
			k.values = gateway.Properties{{Key: "winner", Value: gateway.String(w)}}
		}
		return k
	}
	for i := range p.cfg.Caps {
		r := &p.cfg.Caps[i]
		if !r.covers(channel, e.v.def.Purpose, s.send.tags) {
			continue
		}
		if p.slotsUsed(e.c, p.capFrom(e.c, r), r) >= r.Max {
			return closed(r.Name, r)
		}
	}
	if c := e.c; c.capCount > 0 && p.slotsUsed(c, c.capWindow.before(p.now), nil) >= c.capCount {
		return closed("customer", nil)
	}
	return check{}
}

// capFrom is the start of a rule's window: what was shown after it counts.
func (p *Partition) capFrom(c *customer, r *CapRule) gateway.Instant {
	if r.Calendar != "" {
		return calendarStart(p.now, p.zone(c), r.Calendar) - 1
	}
	return r.Per.before(p.now)
}

// covers reports whether the rule limits messages of the purpose on the channel
// that carry the tags.
func (r *CapRule) covers(channel string, purpose gateway.Purpose, tags []string) bool {
	return (len(r.Channels) == 0 || slices.Contains(r.Channels, channel)) &&
		(len(r.Purposes) == 0 || slices.Contains(r.Purposes, purpose)) &&
		(len(r.Tags) == 0 || slices.ContainsFunc(r.Tags, func(t string) bool { return slices.Contains(tags, t) }))
}

// slotsUsed counts the messages that hold a slot of the rule: those not yet
// shown, however old, those shown after from, and the claims of better
// candidates. Without a rule it counts the customer's own, else his budget's.
func (p *Partition) slotsUsed(c *customer, from gateway.Instant, r *CapRule) (n int) {
	if r.ofGroup() {
		for _, o := range p.budget(c) {
			n += o.slotsUsed(from, r) + p.contactsUsed(o, from, r)
		}
	} else {
		n = c.slotsUsed(from, r) + p.contactsUsed(c, from, r)
	}
	if m := p.contest.without; m != nil && m.holds(from) && (r == nil || r.covers(m.channel, m.purpose, m.tags)) {
		n--
	}
	for i := range p.contest.claims {
		k := &p.contest.claims[i]
		if (k.customer == c || r.ofGroup()) && (r == nil || r.covers(k.channel, k.purpose, k.tags)) {
			n++
		}
	}
	return n
}

// ofGroup reports whether the rule counts for all members of a group; the cap
// that a customer sets himself (nil) is his own.
func (r *CapRule) ofGroup() bool { return r != nil && r.Scope != "customer" }

func (c *customer) slotsUsed(from gateway.Instant, r *CapRule) (n int) {
	for _, m := range c.messages {
		if r != nil && !r.covers(m.channel, m.purpose, m.tags) {
			continue
		}
		if m.holds(from) {
			n++
		}
	}
	return n
}

// holds reports whether the message holds a slot of a window that starts after
// from.
func (m *message) holds(from gateway.Instant) bool {
	return m.slot == slotReserved || m.slot == slotCommitted && m.slotAt > from
}
