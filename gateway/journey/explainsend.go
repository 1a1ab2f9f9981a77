package journey

import "touchpoint/gateway"

// sends asks what each send step would decide now: for the run that is inside,
// else for one that began now.
func (x *explainer) sends() {
	e := &enrollment{v: x.v, c: x.c, extras: noExtras, enteredAt: x.p.now, since: x.p.now, arm: x.m.arm}
	if len(x.c.devices) > 0 {
		e.device = x.c.devices[0]
	}
	for _, o := range x.c.enrollments {
		if o.v.journey == x.j && !o.ended() && o.origin == nil {
			e = o
		}
	}
	for i := range e.v.def.steps {
		if s := &e.v.def.steps[i]; s.kind == stepSend {
			x.send(e, s)
		}
	}
}

func (x *explainer) send(e *enrollment, s *step) {
	p := x.p
	if !x.recipients(e, s) {
		return
	}
	life := s.send.expiresAfter
	if life == 0 {
		life = p.cfg.ExpiresAfter
	}
	ch := p.choose(e, s, life.after(p.now))
	if p.brake.on {
		ch = choice{reason: gateway.ReasonBrake, rule: p.brake.reason}
	}
	c := gateway.ExplainCheck{Name: gateway.CheckSend, Result: gateway.CheckHolds, Step: s.id, Channel: ch.channel, Reason: ch.reason, Rule: ch.rule,
		Values: ch.values, Until: ch.until}
	if ch.reason != gateway.ReasonSent {
		c.Result = gateway.CheckFails
	}
	x.add(c)
	for _, name := range p.channelOrder(e.c, s) {
		k := p.channelChecks(e, s, name, p.deviceOf(e))
		result := gateway.CheckHolds
		if k.reason != "" {
			result = gateway.CheckFails
		}
		x.add(gateway.ExplainCheck{Name: gateway.CheckChannel, Result: result, Step: s.id, Channel: name, Reason: k.reason, Rule: k.rule, Values: k.values})
		x.caps(e, s, name)
	}
}

// caps tells how much of each cap is used.
func (x *explainer) caps(e *enrollment, s *step, channel string) {
	p := x.p
	if !e.v.def.obeys || e.c.test {
		return
	}
	tell := func(rule string, used, allowed int) {
		c := gateway.ExplainCheck{Name: gateway.CheckCap, Result: gateway.CheckHolds, Step: s.id, Channel: channel, Rule: rule,
			Values: gateway.Properties{{Key: "used", Value: gateway.Int(int64(used))}, {Key: "allowed", Value: gateway.Int(int64(allowed))}}}
		if used >= allowed {
			c.Result, c.Reason = gateway.CheckFails, gateway.ReasonCapped
		}
		x.add(c)
	}
	for i := range p.cfg.Caps {
		if r := &p.cfg.Caps[i]; r.covers(channel, e.v.def.Purpose, s.send.tags) {
			tell(r.Name, p.slotsUsed(e.c, p.capFrom(e.c, r), r), r.Max)
		}
	}
	if c := e.c; c.capCount > 0 {
		tell("customer", p.slotsUsed(c, c.capWindow.before(p.now), nil), c.capCount)
	}
}
