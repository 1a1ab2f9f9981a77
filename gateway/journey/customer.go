package journey

import (
	"slices"

	"touchpoint/gateway"
)

// upsertCustomer sets the fields named in the mask.
func (p *Partition) upsertCustomer(in *gateway.Input, u gateway.UpsertCustomer) gateway.Outcome {
	if u.Customer == 0 || p.gone(u.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: u.Customer}
	}
	if o, done := p.routeCustomer(u.Customer, in); done {
		return o
	}
	c := p.meet(u.Customer)
	n := *c.profile
	for _, field := range u.Mask {
		switch field {
		case "locale":
			n.locale = clone(u.Locale)
		case "time_zone":
			n.zone = clone(u.TimeZone)
		case "country":
			n.country = clone(u.Country)
		case "channels":
			n.channels = cloneStrings(u.Channels)
		case "reachable":
			n.reachable = cloneStrings(u.Reachable)
		case "attributes":
			n.attributes = merge(n.attributes, u.Attributes)
		case "test":
			n.test = u.Test
		case "quiet_hours":
			n.quiet = ownQuietHours(u.QuietHours)
		case "cap":
			n.capCount, n.capWindow = max(u.CapCount, 0), Duration(u.CapWindow)
		}
	}
	if u.Reachable != nil {
		n.reachable = cloneStrings(u.Reachable)
	}
	p.putProfile(c, &n)
	p.recheck(c, gateway.EnrollmentID{})
	return gateway.Outcome{Customer: u.Customer}
}

// merge sets attributes key by key; null deletes.
func merge(old, changes gateway.Properties) gateway.Properties {
	out := slices.Clone(old)
	for _, c := range changes {
		i := slices.IndexFunc(out, func(a gateway.Property) bool { return a.Key == c.Key })
		switch {
		case c.Value.Kind() == gateway.KindNull:
			if i >= 0 {
				out = slices.Delete(out, i, i+1)
			}
		case i >= 0:
			out[i].Value = cloneValue(c.Value)
		default:
			out = append(out, gateway.Property{Key: clone(c.Key), Value: cloneValue(c.Value)})
		}
	}
	if len(out) == 0 {
		return nil
	}
	out.Sort()
	return out
}

// putProfile records a profile and tells the read model.
func (p *Partition) putProfile(c *customer, n *profile) {
	old := c.profile
	do(p, customerChange{c.id, c.since, n})
	if old.zone != n.zone || old.country != n.country {
		p.rezone(c)
	}
	if p.classRules != nil {
		p.profileMoved(c, old)
	}
	p.out.Profiles = append(p.out.Profiles, gateway.CustomerProfile{Customer: c.id, Locale: n.locale, TimeZone: n.zone,
		Country: n.country, Channels: n.channels, Attributes: n.attributes, Consents: n.consents, Test: n.test, ChangedAt: p.now,
		QuietHours: ownQuiet(n.quiet), CapCount: n.capCount, CapWindow: int64(n.capWindow)})
}

// setAttributes is the set step.
func (p *Partition) setAttributes(c *customer, set gateway.Properties) {
	n := *c.profile
	n.attributes = merge(n.attributes, set)
	p.putProfile(c, &n)
}

// setConsent grants or revokes a purpose on a channel. One for every channel
// replaces what was said per channel before; one that is older than what is
// known of the channel, or of all, is ignored. A revocation takes back what was
// not shown yet.
func (p *Partition) setConsent(in *gateway.Input, s gateway.SetConsent) gateway.Outcome {
	if s.Customer == 0 || p.gone(s.Customer) {
		return gateway.Outcome{Disposition: gateway.Refused, Customer: s.Customer}
	}
	if s.At == 0 {
		s.At = p.now
	}
	if o, done := p.routeCustomer(s.Customer, &gateway.Input{Command: s, From: in.From}); done {
		return o
	}
	c := p.meet(s.Customer)
	n := *c.profile
	n.consents = nil
	for _, k := range c.consents {
		same := k.Purpose == s.Purpose && (k.Channel == s.Channel || s.Channel == "")
		if k.At > s.At && k.Purpose == s.Purpose && (k.Channel == s.Channel || k.Channel == "") {
			return gateway.Outcome{Disposition: gateway.Duplicate, Customer: s.Customer}
		}
		if !same || k.At > s.At { // one of all channels leaves what was said later of one
			n.consents = append(n.consents, k)
		}
	}
	n.consents = append(n.consents, gateway.Consent{Purpose: gateway.Purpose(clone(string(s.Purpose))), Channel: clone(s.Channel),
		Granted: s.Granted, Source: clone(s.Source), At: s.At})
	p.putProfile(c, &n)
	p.withdraw(c, string(gateway.ReasonNoConsent), func(m *message) bool {
		return m.purpose == s.Purpose && consentFor(c, m.purpose, m.channel) != ""
	})
	p.withdrawData(c, s.Purpose)
	return gateway.Outcome{Customer: s.Customer}
}

// eraseCustomer removes everything about a customer, on all partitions, and
// leaves tombstones, so that a late event does not bring him back.
func (p *Partition) eraseCustomer(c gateway.EraseCustomer) gateway.Outcome {
	if c.Customer == 0 {
		return gateway.Outcome{Disposition: gateway.Refused}
	}
	home := gateway.HomeOf(c.Customer, 0, p.cfg.Partitions) == p.cfg.Partition
	if home && !p.gone(c.Customer) {
		for i := range p.cfg.Partitions {
			if i != p.cfg.Partition {
				p.forward(i, gateway.Input{Command: c})
			}
		}
	}
	held := p.awaited[c.Customer]
	if home || p.customers[c.Customer] != nil {
		p.eraseHere(c.Customer)
	} else { // he is a former owner here, at most
		do(p, eraseChange{c.Customer})
	}
	p.takeHeld(held)
	return gateway.Outcome{Customer: c.Customer}
}

// eraseHere removes a customer from this partition and tells every follower.
func (p *Partition) eraseHere(id gateway.CustomerID) {
	var versions []*version
	if cust := p.customers[id]; cust != nil {
		versions = p.leaveAll(cust)
	}
	do(p, eraseChange{id})
	for _, v := range versions {
		p.drained(v)
	}
	p.out.Erased = append(p.out.Erased, id)
}

// leaveAll says what the erasure of a customer ends; it returns the versions
// that he ran on.
func (p *Partition) leaveAll(c *customer) (versions []*version) {
	p.withdraw(c, string(gateway.ReasonErased), func(*message) bool { return true })
	p.withdrawTasks(c, gateway.ReasonErased, func(*task) bool { return true })
	for _, e := range slices.Clone(c.enrollments) {
		gone := *e
		p.recall(&gone, gateway.ReasonErased)
		if !e.ended() {
			p.decideFor(e, gateway.Decision{Kind: gateway.DecisionExit, Reason: gateway.ReasonErased})
			versions = append(versions, e.v)
		}
	}
	for _, d := range c.devices {
		p.out.Routes = append(p.out.Routes, gateway.Route{Device: d, Partition: p.cfg.Partition})
	}
	return versions
}
