package journey

import (
	"cmp"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// Explain evaluates every check of a journey for a customer as of now, with the
// code that decides. It changes nothing.
func (p *Partition) Explain(id gateway.CustomerID, journey string) gateway.Explanation {
	x := explainer{p: p, out: gateway.Explanation{Customer: id, Journey: journey, At: p.now, Observed: p.observed}}
	defer func() { p.scope = scope{p: p, maps: p.scope.maps} }()
	x.c = p.customers[id]
	x.out.Known = x.c != nil
	switch {
	case p.gone(id):
		x.add(gateway.ExplainCheck{Name: gateway.CheckCustomer, Result: gateway.CheckFails, Reason: gateway.ReasonErased})
		return x.out
	case x.c == nil:
		x.c = &customer{id: id, since: p.now, profile: noProfile}
		x.add(gateway.ExplainCheck{Name: gateway.CheckCustomer, Result: gateway.CheckUnknown})
	}
	if !x.journey(journey) {
		return x.out
	}
	x.standstill()
	x.trigger()
	x.consent()
	x.filter()
	x.reentry()
	x.ramp()
	x.entryCap()
	x.existing()
	x.verdict()
	x.arm()
	x.enrollments()
	x.sends()
	x.messages()
	return x.out
}

// explainer collects the checks.
type explainer struct {
	p   *Partition
	out gateway.Explanation
	c   *customer
	j   *journey
	v   *version
	m   mark
}

func (x *explainer) add(c gateway.ExplainCheck) { x.out.Checks = append(x.out.Checks, c) }

// check adds one that holds when there is no reason against it.
func (x *explainer) check(name string, reason gateway.Reason, rule string, values gateway.Properties) {
	result := gateway.CheckHolds
	if reason != "" {
		result = gateway.CheckFails
	}
	x.add(gateway.ExplainCheck{Name: name, Result: result, Reason: reason, Rule: rule, Values: values})
}

func (x *explainer) journey(name string) bool {
	x.j = x.p.journeyNamed(name)
	if x.j == nil || x.j.active == nil {
		x.comes()
		return false
	}
	x.v, x.m = x.j.active, x.c.mark(x.j)
	x.out.Version = x.v.number
	var reason gateway.Reason
	switch x.j.state {
	case gateway.JourneyPublished:
	case gateway.JourneyPaused:
		reason = gateway.ReasonPaused
	default:
		reason = gateway.ReasonNotActive
	}
	c := gateway.ExplainCheck{Name: gateway.CheckJourney, Result: gateway.CheckHolds, Reason: reason, Rule: string(x.j.state)}
	if reason != "" {
		c.Result, c.Since = gateway.CheckFails, x.j.pause.since
	}
	if x.j.pause.reason != "" {
		c.Values = gateway.Properties{{Key: "by", Value: gateway.String(string(x.j.pause.reason))}, {Key: "because", Value: gateway.String(x.j.pause.rule)}}
	}
	x.add(c)
	return true
}

func (x *explainer) consent() {
	reason, _ := x.p.entryConsent(x.v.def, x.c)
	x.check(gateway.CheckConsent, reason, string(x.v.def.Purpose), nil)
}

// attempt is an entry that nothing in particular started.
func (x *explainer) attempt() *entry {
	en := &entry{v: x.v, c: x.c, since: x.p.now}
	if len(x.c.devices) > 0 {
		en.device = x.c.devices[0]
	}
	if x.v.def.keyBy == "device" {
		en.key = en.device.String()
	}
	return en
}

func (x *explainer) filter() {
	f := x.v.def.filter
	if f == nil {
		return
	}
	en := x.attempt()
	s := x.p.look(x.c, x.v, nil, nil)
	s.device, s.product = en.device, x.p.productOf(en.device)
	c := gateway.ExplainCheck{Name: gateway.CheckFilter, Result: gateway.CheckHolds, Rule: f.text, Values: x.reads(f, s)}
	switch f.eval(s) {
	case no:
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonFiltered
	case unavailable:
		c.Result, c.Reason = gateway.CheckUnknown, gateway.ReasonConditionFailed
	}
	x.add(c)
}

// reads lists what a condition sees beside the event.
func (x *explainer) reads(f *condition, s *scope) (values gateway.Properties) {
	for _, ref := range f.refs {
		name := ref.root + "." + ref.key
		if ref.root == "event" || ref.root == "trigger" || values.Has(name) {
			continue
		}
		v, ok := s.field(slices.Index(roots, ref.root), ref.key)
		if k := x.c.class(x.p); name == "customer.segments" && k != nil {
			v, ok = gateway.String("["+strings.Join(x.p.classRules.segmentNames(k.segments), ", ")+"]"), true
		}
		if !ok {
			v = gateway.String(unknownText)
		}
		values = append(values, gateway.Property{Key: name, Value: v})
	}
	return values
}

func (x *explainer) reentry() {
	reason, rule := reentryCheck(x.attempt(), &x.m, x.p.now)
	c := gateway.ExplainCheck{Name: gateway.CheckReentry, Result: gateway.CheckHolds, Reason: reason, Rule: rule, Since: x.m.exitedAt,
		Values: gateway.Properties{{Key: "entries", Value: gateway.Int(int64(x.m.entries))}}}
	if reason != "" {
		c.Result = gateway.CheckFails
	}
	if reason == gateway.ReasonReentryGap {
		c.Until = x.v.def.reentry.gap.after(x.m.exitedAt)
	}
	x.add(c)
}

// verdict asks the entry's own checks, in their order; each is told above.
func (x *explainer) verdict() {
	m, en := x.m, x.attempt()
	reason, _ := x.p.entryChecks(en, &m)
	if reason == "" {
		reason, _, _ = x.p.capCheck(en)
	}
	x.out.Verdict = cmp.Or(reason, gateway.ReasonEnrolled)
}

func (x *explainer) arm() {
	m, rule := x.m, "assigned"
	if m.arm == armNone {
		rule = "foreseen"
		x.p.assignArm(&m, x.v, x.c)
	}
	c := gateway.ExplainCheck{Name: gateway.CheckArm, Result: gateway.CheckHolds, Rule: rule}
	if m.arm == armHoldout {
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonHoldout
	}
	x.add(c)
}

func (x *explainer) enrollments() {
	x.recipientRuns()
	for _, e := range x.c.enrollments {
		if e.v.journey != x.j {
			continue
		}
		if e.origin != nil {
			continue // see recipientRuns
		}
		v := e.view()
		c := gateway.ExplainCheck{Name: gateway.CheckEnrollment, Result: gateway.CheckInfo, Step: v.Step, Since: v.EnteredAt, Until: v.WaitsUntil,
			Values: gateway.Properties{{Key: "version", Value: gateway.Int(int64(v.Version))}, {Key: "arm", Value: gateway.String(v.Arm)}}}
		if e.ended() {
			c.Reason, c.Until = v.EndReason, v.EndedAt
		} else if e.step >= 0 {
			c.Rule = e.v.def.steps[e.step].waitsFor()
		}
		x.add(c)
	}
}

// waitsFor names what a step waits for.
func (s *step) waitsFor() string {
	switch {
	case s.kind != stepWait:
		return stepNames[s.kind]
	case s.wait.kind == waitEvent:
		return s.wait.until.event
	}
	return ""
}

func (x *explainer) messages() {
	for _, m := range x.c.messages {
		if m.journey == x.j {
			x.add(gateway.ExplainCheck{Name: gateway.CheckMessage, Result: gateway.CheckInfo, Step: m.step, Channel: m.channel, Since: m.slotAt,
				Rule: m.state.String()})
		}
	}
}

// JourneyNames lists the journeys that were ever published here.
func (p *Partition) JourneyNames() (names []string) {
	for _, j := range p.journeys {
		names = append(names, j.name)
	}
	return names
}
