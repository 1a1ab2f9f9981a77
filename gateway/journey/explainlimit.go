package journey

import (
	"slices"

	"touchpoint/gateway"
)

// comes tells why no version is live: none was published, it is to be live
// later, or its counters are being filled.
func (x *explainer) comes() {
	c := gateway.ExplainCheck{Name: gateway.CheckJourney, Result: gateway.CheckFails, Reason: gateway.ReasonNotActive, Rule: "unknown"}
	if near := closest(x.out.Journey, x.p.JourneyNames()); near != "" && x.j == nil {
		c.Values = gateway.Properties{property("near", near)}
	}
	if x.j != nil {
		c.Rule = "coming"
		if i := slices.IndexFunc(x.j.changes, func(k pendingChange) bool { return k.version != 0 }); i >= 0 {
			c.Until = x.j.changes[i].at
		}
		if slices.ContainsFunc(x.j.versions, func(v *version) bool { return v.fill != nil }) {
			c.Reason = gateway.ReasonFilling
		}
	}
	x.add(c)
}

// standstill tells what holds for everybody: the brake, a dry run, the forecast.
func (x *explainer) standstill() {
	p := x.p
	if b := &p.brake; b.on {
		x.add(gateway.ExplainCheck{Name: gateway.CheckBrake, Result: gateway.CheckFails, Reason: gateway.ReasonBrake, Rule: b.reason, Since: b.since})
	}
	if x.j.dry() {
		x.add(gateway.ExplainCheck{Name: gateway.CheckDryRun, Result: gateway.CheckInfo, Rule: "self"})
	} else if dry := p.journeyNamed(gateway.DryRun(x.j.name)); dry != nil && dry.state == gateway.JourneyPublished {
		x.add(gateway.ExplainCheck{Name: gateway.CheckDryRun, Result: gateway.CheckInfo, Rule: dry.name})
	}
	if x.v.def.forecast != nil {
		x.account(p.forecastState(x.j))
	}
}

// account adds a check of the journey's accounts; one that another partition
// keeps is settled later.
func (x *explainer) account(c gateway.ExplainCheck) {
	if !x.p.coordinates(x.j) {
		x.out.Unsettled, x.out.Coordinator = true, x.p.coordinator(x.j)
		c = gateway.ExplainCheck{Name: c.Name, Result: gateway.CheckUnknown, Rule: c.Rule}
	}
	x.add(c)
}

// ExplainLimits tells the accounts of a journey's limits that this partition keeps.
func (p *Partition) ExplainLimits(journey string) (out []gateway.ExplainCheck) {
	j := p.journeyNamed(journey)
	if j == nil || j.active == nil || !p.coordinates(j) {
		return nil
	}
	if j.active.def.forecast != nil {
		out = append(out, p.forecastState(j))
	}
	if j.active.def.cap != nil {
		out = append(out, p.capState(j))
	}
	return out
}

func (p *Partition) forecastState(j *journey) gateway.ExplainCheck {
	f, sent := j.active.def.forecast, 0
	if j.limits != nil {
		sent = j.limits.ledgers[gateway.LimitMessages].usedAfter(forecastWindow.before(p.now))
	}
	c := gateway.ExplainCheck{Name: gateway.CheckForecast, Result: gateway.CheckHolds, Values: gateway.Properties{
		{Key: "sent", Value: gateway.Int(int64(sent))}, {Key: "per_day", Value: gateway.Int(int64(f.perDay))}, {Key: "limit", Value: gateway.Int(int64(f.limit()))}}}
	if sent > f.limit() {
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonForecast
	}
	return c
}

func (p *Partition) capState(j *journey) gateway.ExplainCheck {
	a, l := j.active.def.cap, j.limits
	if l == nil {
		l = &limits{}
	}
	ledger := &l.ledgers[gateway.LimitEntry]
	free, next := p.room(ledger, a)
	c := gateway.ExplainCheck{Name: gateway.CheckEntryCap, Result: gateway.CheckHolds, Rule: a.String(), Values: gateway.Properties{
		{Key: "allowed", Value: gateway.Int(int64(a.max))}, {Key: "used", Value: gateway.Int(int64(ledger.usedAfter(a.after(p))))}}}
	if out := ledger.outstanding(); out > 0 {
		c.Values = append(c.Values, gateway.Property{Key: "outstanding", Value: gateway.Int(int64(out))})
	}
	if free <= 0 {
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonEntryCap
		if c.Until = next; next == gateway.NoMore {
			c.Until = 0
			c.Values = append(c.Values, gateway.Property{Key: "for_ever", Value: gateway.Bool(true)})
		}
	}
	return c
}

// ramp tells the share that may enter, and from when on the customer is in it.
func (x *explainer) ramp() {
	if len(x.v.def.ramp) == 0 || x.c.test {
		return
	}
	place := rampPlace(x.v, x.c)
	reason, _ := x.p.rampCheck(x.v, x.c)
	c := gateway.ExplainCheck{Name: gateway.CheckRamp, Result: resultOf(reason == ""), Reason: reason, Since: x.j.limits.rampAt, Values: gateway.Properties{
		{Key: "share", Value: gateway.Float(float64(x.p.rampShare(x.v)) / 100)}, {Key: "place", Value: gateway.Float(float64(place) / 100)}}}
	for _, s := range x.v.def.ramp {
		if reason != "" && place < s.share {
			c.Until = s.after.after(c.Since)
			break
		}
	}
	x.add(c)
}

// entryCap tells how many places are taken; an entry of his that waits for one
// is told, too.
func (x *explainer) entryCap() {
	if x.v.def.cap == nil || x.c.test {
		return
	}
	if l := x.j.limits; l != nil && slices.ContainsFunc(l.waiting, func(w *waiting) bool { return w.customer == x.c.id }) {
		x.add(gateway.ExplainCheck{Name: gateway.CheckEntry, Result: gateway.CheckUnknown, Reason: gateway.ReasonWaiting})
	}
	c := x.p.capState(x.j)
	if x.p.coordinates(x.j) {
		x.add(c)
		return
	}
	reason, rule, _ := x.p.capCheck(x.attempt())
	x.account(gateway.ExplainCheck{Name: c.Name, Rule: rule})
	if reason == gateway.ReasonEntryCap {
		told := &x.out.Checks[len(x.out.Checks)-1]
		told.Result, told.Reason = gateway.CheckFails, reason
		if closed := x.j.limits.closed; closed != gateway.NoMore {
			told.Until = closed
		}
	}
}

// existing tells of those who met the entry at publish and come in by and by.
func (x *explainer) existing() {
	s := &x.j.scan
	if !x.v.existing || x.v.pace == 0 || s.kind != scanEntry || x.c.id < s.next && !slices.Contains(s.guests, x.c.id) || x.m.entries > 0 {
		return
	}
	x.add(gateway.ExplainCheck{Name: gateway.CheckExisting, Result: gateway.CheckUnknown, Until: s.due,
		Values: gateway.Properties{{Key: "per_day", Value: gateway.Int(int64(x.v.pace))}}})
}
