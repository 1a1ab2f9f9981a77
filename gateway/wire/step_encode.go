package wire

import "touchpoint/gateway"

func appendApplied(b []byte, a *gateway.Applied) []byte {
	b = putUint(b, 1, a.Seq)
	b = putInt(b, 2, a.Inputs)
	return putTime(b, 3, a.At)
}

func appendMessage(b []byte, m *gateway.Message) []byte {
	b = putID(b, 1, m.ID)
	b = putID(b, 2, m.Enrollment)
	b = putText(b, 3, m.Journey)
	b = putUint(b, 4, uint64(m.Version))
	b = putText(b, 5, m.Step)
	b = putUint(b, 6, uint64(m.Visit))
	b = putFixed64(b, 7, uint64(m.Customer))
	b = putFixed64(b, 8, uint64(m.Device))
	b = putText(b, 9, m.Product)
	b = putText(b, 10, m.Channel)
	b = putTexts(b, 11, m.Fallback)
	b = putText(b, 12, m.Purpose)
	b = putText(b, 13, m.Template)
	b = putText(b, 14, m.Locale)
	b = putProperties(b, 15, m.Values)
	b = putBool(b, 16, m.Holdout)
	b = putTime(b, 17, m.DecidedAt)
	b = putTime(b, 18, m.NotBefore)
	b = putTime(b, 19, m.NotAfter)
	b = putTime(b, 20, m.ExpiresAt)
	b = putText(b, 21, m.Cause)
	b = putTime(b, 22, m.CauseReceivedAt)
	b = putUint(b, 23, uint64(m.State))
	return putText(b, 100, m.Recipient)
}

func appendUpdate(b []byte, u *gateway.MessageUpdate) []byte {
	b = putID(b, 1, u.Message)
	b = putFixed64(b, 2, uint64(u.Customer))
	b = putFixed64(b, 3, uint64(u.Device))
	b = putText(b, 4, u.Journey)
	b = putText(b, 5, u.Channel)
	b = putUint(b, 6, uint64(u.State))
	b = putTime(b, 7, u.At)
	return putText(b, 8, u.Detail)
}

func appendDecision(b []byte, d *gateway.Decision) []byte {
	b = putTime(b, 1, d.At)
	b = putUint(b, 2, uint64(d.Kind))
	b = putText(b, 3, d.Reason)
	b = putText(b, 4, d.Journey)
	b = putUint(b, 5, uint64(d.Version))
	b = putText(b, 6, d.Step)
	b = putFixed64(b, 7, uint64(d.Customer))
	b = putFixed64(b, 8, uint64(d.Device))
	b = putID(b, 9, d.Enrollment)
	b = putID(b, 10, d.Message)
	b = putText(b, 11, d.EventID)
	b = putText(b, 12, d.Rule)
	b = putProperties(b, 13, d.Values)
	b = putText(b, 50, d.Arm)
	b = putText(b, 51, d.Split)
	b = putFixed64(b, 52, uint64(d.Group))
	b = putBool(b, 53, d.Mixed)
	b = putText(b, 100, d.Recipient)
	return putID(b, 101, d.Origin)
}

func appendEnrollment(b []byte, e *gateway.Enrollment) []byte {
	b = putID(b, 1, e.ID)
	b = putText(b, 2, e.Journey)
	b = putUint(b, 3, uint64(e.Version))
	b = putFixed64(b, 4, uint64(e.Customer))
	b = putFixed64(b, 5, uint64(e.Device))
	b = putText(b, 6, e.Key)
	b = putText(b, 7, e.Step)
	b = putText(b, 8, e.Arm)
	b = putTime(b, 9, e.EnteredAt)
	b = putTime(b, 10, e.ChangedAt)
	b = putTime(b, 11, e.EndedAt)
	b = putText(b, 12, e.EndReason)
	b = putBool(b, 13, e.Converted)
	b = putTime(b, 14, e.WaitsUntil)
	b = putText(b, 100, e.Recipient)
	return putID(b, 101, e.Origin)
}

func appendProfile(b []byte, p *gateway.CustomerProfile) []byte {
	b = putFixed64(b, 1, uint64(p.Customer))
	b = putText(b, 2, p.Locale)
	b = putText(b, 3, p.TimeZone)
	b = putText(b, 4, p.Country)
	b = putTexts(b, 5, p.Channels)
	b = putProperties(b, 6, p.Attributes)
	b = putEach(b, 7, p.Consents, appendConsent)
	b = putBool(b, 8, p.Test)
	b = putTime(b, 9, p.ChangedAt)
	b = putEach(b, 40, p.QuietHours, appendQuiet)
	b = putInt(b, 41, p.CapCount)
	return putUint(b, 42, uint64(p.CapWindow))
}

func appendConsent(b []byte, c *gateway.Consent) []byte {
	b = putText(b, 1, c.Purpose)
	b = putText(b, 2, c.Channel)
	b = putBool(b, 3, c.Granted)
	b = putText(b, 4, c.Source)
	return putTime(b, 5, c.At)
}

func appendOwnership(b []byte, o *gateway.Ownership) []byte {
	b = putFixed64(b, 1, uint64(o.Device))
	b = putText(b, 2, o.Product)
	b = putFixed64(b, 3, uint64(o.Customer))
	b = putText(b, 4, o.Role)
	b = putTime(b, 5, o.From)
	return putTime(b, 6, o.To)
}

func appendForward(b []byte, f *gateway.Forward) []byte {
	b = putInt(b, 1, f.To)
	b, at := open(b, 2)
	return shut(appendInput(b, &f.Input), at)
}

func appendRoute(b []byte, r *gateway.Route) []byte {
	b = putFixed64(b, 1, uint64(r.Device))
	b = putInt(b, 2, r.Partition)
	return putFixed64(b, 3, uint64(r.Customer))
}

func appendJourney(b []byte, j *gateway.JourneyStatus) []byte {
	b = putText(b, 1, j.Journey)
	b = putUint(b, 2, uint64(j.Version))
	b = putText(b, 3, j.State)
	b = putTime(b, 4, j.At)
	return putBytes(b, 5, j.Definition)
}

func appendLate(b []byte, l *gateway.LateEvent) []byte {
	b, at := open(b, 1)
	b = shut(appendEvent(b, &l.Event), at)
	b = putUint(b, 2, uint64(l.Outcome.Disposition)+1)
	b = putFixed64(b, 3, uint64(l.Outcome.Customer))
	return putTime(b, 4, l.AppliedAt)
}
