package journey

import "touchpoint/gateway"

// toldRuns is how many runs of others are told of, the latest ones: a dealer has
// many.
const toldRuns = 3

// recipientRuns tells of the latest runs that others opened to address the
// customer.
func (x *explainer) recipientRuns() {
	var runs []*enrollment
	for _, e := range x.c.enrollments {
		if e.v.journey == x.j && e.origin != nil {
			runs = append(runs, e)
		}
	}
	for _, e := range runs[max(len(runs)-toldRuns, 0):] {
		c := gateway.ExplainCheck{Name: gateway.CheckRecipient, Result: gateway.CheckInfo, Step: e.origin.step, Rule: e.origin.role,
			Since: e.enteredAt, Until: e.due}
		if e.ended() {
			c.Reason, c.Until = e.endReason, e.endedAt
		}
		x.add(c)
	}
}

// recipients tells whom a step would address beside the customer. It reports
// whether he is one of them.
func (x *explainer) recipients(e *enrollment, s *step) bool {
	to := s.send.recipient
	if to == toOwner {
		return true
	}
	list := x.p.recipients(e, to)
	c := gateway.ExplainCheck{Name: gateway.CheckRecipient, Result: gateway.CheckHolds, Step: s.id, Rule: audienceNames[to],
		Values: gateway.Properties{{Key: "recipients", Value: gateway.Int(int64(len(list)))}}}
	if rule, missing := dataConsent(e.c, e.v.def); missing {
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonNoConsent
		c.Values = append(c.Values, gateway.Property{Key: "consent", Value: gateway.String(rule)})
	} else if len(list) == 0 && !to.includesOwner() {
		c.Result, c.Reason = gateway.CheckFails, gateway.ReasonNoRecipient
	}
	x.add(c)
	return to.includesOwner()
}
