package journey

import (
	"cmp"

	"touchpoint/gateway"
)

// trigger tells how far the trigger is: what was counted, when silence counts.
func (x *explainer) trigger() {
	tr := &x.v.def.trigger
	c := gateway.ExplainCheck{Name: gateway.CheckTrigger, Result: gateway.CheckInfo, Rule: triggerNames[tr.kind]}
	if tr.event != "" {
		c.Values = append(c.Values, gateway.Property{Key: "event", Value: gateway.String(tr.event)})
	}
	if tr.where != nil {
		c.Values = append(c.Values, gateway.Property{Key: "where", Value: gateway.String(tr.where.text)})
	}
	switch tr.kind {
	case triggerThreshold, triggerMilestone:
		x.eachDevice(c)
		return
	case triggerAbsence, triggerSilence:
		x.silence(&c)
	case triggerSequence:
		x.eachChain(c)
		return
	case triggerSchedule:
		x.occasion(&c)
	case triggerSegment, triggerStage:
		x.class(&c)
	case triggerAPI:
		x.calls(&c)
	}
	x.add(c)
}

// eachDevice tells of the customer's counter, or of one for each device.
func (x *explainer) eachDevice(c gateway.ExplainCheck) {
	t := x.v.traits[x.v.def.trigger.trait]
	if !t.spec.perDev || len(x.c.devices) == 0 {
		x.counter(c, t, 0)
		return
	}
	for _, d := range x.c.devices {
		with := c
		with.Values = append(gateway.Properties{{Key: "device", Value: gateway.String(d.String())}}, c.Values...)
		x.counter(with, t, d)
	}
}

func (x *explainer) counter(c gateway.ExplainCheck, t *trait, d gateway.DeviceID) {
	p, tr, spec := x.p, &x.v.def.trigger, &x.v.def.traits[x.v.def.trigger.trait]
	add := func(key string, v gateway.Value) { c.Values = append(c.Values, gateway.Property{Key: key, Value: v}) }
	k := x.c.counter(t, d)
	value, known := gateway.Int(0), spec.kind == traitCount
	if k != nil {
		value, known = p.counterValue(x.c, k, spec)
		c.Since = k.last
	}
	switch {
	case tr.kind == triggerMilestone:
		n := int64(0)
		if k != nil {
			n = int64(k.n)
		}
		add("value", gateway.Int(n))
		add("at_least", gateway.Int(int64(tr.nth)))
		c.Result = resultOf(n >= int64(tr.nth))
	case !known:
		c.Result, c.Reason = gateway.CheckUnknown, gateway.ReasonUnknownTrait
		add("trait", gateway.String(cmp.Or(tr.watched, spec.name)))
	default:
		add("trait", gateway.String(cmp.Or(tr.watched, spec.name)))
		add("value", value)
		x.bound(add)
		c.Result = resultOf(k != nil && p.reached(x.v, x.c, k))
	}
	if tr.within > 0 {
		add("within", gateway.String(tr.within.String()))
	}
	if tr.unless >= 0 && p.happened(x.c, x.v.traits[tr.unless], d, tr.within) {
		add("unless", gateway.String(x.v.def.traits[tr.unless].event))
	}
	switch {
	case k == nil:
	case k.flags&pending != 0:
		c.Rule += " pending"
	case k.flags&latched != 0:
		c.Rule += " fired"
	}
	x.add(c)
}

// bound adds what the threshold asks for.
func (x *explainer) bound(add func(string, gateway.Value)) {
	tr := &x.v.def.trigger
	switch {
	case tr.level.kind != "":
		add(tr.level.kind, gateway.Float(tr.level.value))
	case tr.every:
		add("every", tr.quantity())
	default:
		add("at_least", tr.quantity())
	}
}

func resultOf(holds bool) gateway.CheckResult {
	if holds {
		return gateway.CheckHolds
	}
	return gateway.CheckFails
}

// silence tells since when the event is missing, and when that is enough.
func (x *explainer) silence(c *gateway.ExplainCheck) {
	t := x.v.traits[x.v.def.trigger.trait]
	c.Values = append(c.Values, gateway.Property{Key: "for", Value: gateway.String(t.spec.silence.String())})
	k := x.c.counter(t, 0)
	if k == nil {
		c.Result = gateway.CheckUnknown // it never came: its absence is not counted
		return
	}
	c.Since, c.Until = k.last, t.spec.silence.after(k.last)
	known, by := c.Until, gateway.DeviceID(0)
	if !t.spec.anyway {
		known, by = x.p.knownAt(x.c, t.spec.event, c.Until)
	}
	switch {
	case k.flags&latched != 0:
		c.Rule += " fired"
		c.Result = gateway.CheckHolds
	case known < x.p.observed:
		c.Result = gateway.CheckHolds
	case c.Until < x.p.now && by != 0:
		c.Result, c.Reason = gateway.CheckUnknown, gateway.ReasonUnobserved
		c.Until, c.Values = known, append(c.Values, gateway.Property{Key: "device", Value: gateway.String(by.String())})
	case c.Until < x.p.now:
		c.Result, c.Reason = gateway.CheckUnknown, gateway.ReasonUnobserved
	default:
		c.Result = gateway.CheckFails
	}
}
