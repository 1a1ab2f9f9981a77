package journey

import "touchpoint/gateway"

// The commands that may have to wait for a customer's state.
const (
	heldUpsert = heldMore + iota
	heldConsent
	heldCustomerEvent
	heldTrigger
	heldJoin
	heldLeave
	heldReleaseCustomer
	heldAdmitCustomer
	heldAddress
	heldRecall
)

// heldCommand encodes a command about a customer that is held.
func (e *encoder) heldCommand(v gateway.Command) {
	switch c := v.(type) {
	case gateway.UpsertCustomer:
		e.byte(heldUpsert)
		e.upsert(&c)
	case gateway.SetConsent:
		e.byte(heldConsent)
		e.fixed(uint64(c.Customer))
		e.string(string(c.Purpose))
		e.string(c.Channel)
		e.bool(c.Granted)
		e.string(c.Source)
		e.at(c.At)
	case gateway.CustomerEvent:
		e.byte(heldCustomerEvent)
		e.fixed(uint64(c.Customer))
		e.event(&c.Event)
	case gateway.TriggerJourney:
		e.byte(heldTrigger)
		e.string(c.Journey)
		e.fixed(uint64(c.Customer))
		e.fixed(uint64(c.Device))
		e.string(c.Key)
		e.properties(c.Properties)
	default:
		e.heldMove(v)
	}
}

// heldMove encodes a command of groups and moves that is held.
func (e *encoder) heldMove(v gateway.Command) {
	switch c := v.(type) {
	case gateway.JoinGroup:
		e.byte(heldJoin)
		e.fixed(uint64(c.Customer))
		e.fixed(uint64(c.Group))
		e.string(c.Role)
		e.at(c.At)
	case gateway.LeaveGroup:
		e.byte(heldLeave)
		e.fixed(uint64(c.Customer))
		e.fixed(uint64(c.Group))
		e.at(c.At)
	case gateway.ReleaseCustomer:
		e.byte(heldReleaseCustomer)
		e.fixed(uint64(c.Customer))
		e.uint(uint64(c.To))
	case gateway.AdmitCustomer:
		e.byte(heldAdmitCustomer)
		e.fixed(uint64(c.Customer))
		e.bytes(c.State)
	case gateway.AddressRecipient:
		e.byte(heldAddress)
		e.address(&c)
	case gateway.RecallRecipient:
		e.byte(heldRecall)
		e.fixed(uint64(c.Customer))
		e.raw(c.Origin[:])
		e.string(string(c.Reason))
	default:
		panic("journey: this input is never held") // a defect of ours, see residence.go
	}
}

func (d *decoder) heldCommand(kind int) gateway.Command {
	switch kind {
	case heldUpsert:
		return d.upsert()
	case heldConsent:
		return gateway.SetConsent{Customer: gateway.CustomerID(d.fixed()), Purpose: gateway.Purpose(d.string()), Channel: d.string(),
			Granted: d.bool(), Source: d.string(), At: d.at()}
	case heldCustomerEvent:
		return gateway.CustomerEvent{Customer: gateway.CustomerID(d.fixed()), Event: d.event()}
	case heldTrigger:
		return gateway.TriggerJourney{Journey: d.string(), Customer: gateway.CustomerID(d.fixed()),
			Device: gateway.DeviceID(d.fixed()), Key: d.string(), Properties: d.properties()}
	case heldJoin:
		return gateway.JoinGroup{Customer: gateway.CustomerID(d.fixed()), Group: gateway.GroupID(d.fixed()), Role: d.string(), At: d.at()}
	case heldLeave:
		return gateway.LeaveGroup{Customer: gateway.CustomerID(d.fixed()), Group: gateway.GroupID(d.fixed()), At: d.at()}
	case heldReleaseCustomer:
		return gateway.ReleaseCustomer{Customer: gateway.CustomerID(d.fixed()), To: int(d.uint())}
	case heldAdmitCustomer:
		return gateway.AdmitCustomer{Customer: gateway.CustomerID(d.fixed()), State: d.bytes()}
	case heldAddress:
		return d.address()
	case heldRecall:
		return gateway.RecallRecipient{Customer: gateway.CustomerID(d.fixed()), Origin: d.id16(), Reason: gateway.Reason(d.string())}
	}
	d.fail()
	return nil
}

func (e *encoder) upsert(c *gateway.UpsertCustomer) {
	e.fixed(uint64(c.Customer))
	e.strings(c.Mask)
	e.string(c.Locale)
	e.string(c.TimeZone)
	e.string(c.Country)
	e.strings(c.Channels)
	e.bool(c.Reachable != nil)
	e.strings(c.Reachable)
	e.properties(c.Attributes)
	e.bool(c.Test)
	e.int(int64(c.CapCount))
	e.int(c.CapWindow)
	e.uint(uint64(len(c.QuietHours)))
	for _, q := range c.QuietHours {
		e.int(int64(q.From))
		e.int(int64(q.To))
		e.byte(q.Days)
		e.strings(q.Channels)
	}
}

func (d *decoder) upsert() gateway.UpsertCustomer {
	c := gateway.UpsertCustomer{Customer: gateway.CustomerID(d.fixed()), Mask: d.strings(), Locale: d.string(),
		TimeZone: d.string(), Country: d.string(), Channels: d.strings()}
	if d.bool() {
		c.Reachable = []string{}
	}
	c.Reachable = append(c.Reachable, d.strings()...)
	c.Attributes, c.Test, c.CapCount, c.CapWindow = d.properties(), d.bool(), int(d.int()), d.int()
	for range d.length(4) {
		c.QuietHours = append(c.QuietHours, gateway.QuietInterval{From: int(d.int()), To: int(d.int()), Days: d.byte(), Channels: d.strings()})
	}
	return c
}

// cloneCommand clones a command about a customer that is held.
func cloneCommand(v gateway.Command) gateway.Command {
	switch c := v.(type) {
	case gateway.UpsertCustomer:
		c.Mask, c.Locale, c.TimeZone, c.Country = cloneStrings(c.Mask), clone(c.Locale), clone(c.TimeZone), clone(c.Country)
		c.Channels, c.Reachable, c.Attributes = cloneStrings(c.Channels), cloneStrings(c.Reachable), cloneProperties(c.Attributes)
		c.QuietHours = append([]gateway.QuietInterval(nil), c.QuietHours...)
		for i := range c.QuietHours {
			c.QuietHours[i].Channels = cloneStrings(c.QuietHours[i].Channels)
		}
		return c
	case gateway.SetConsent:
		c.Purpose, c.Channel, c.Source = gateway.Purpose(clone(string(c.Purpose))), clone(c.Channel), clone(c.Source)
		return c
	case gateway.CustomerEvent:
		c.Event = cloneEvent(&c.Event)
		return c
	case gateway.TriggerJourney:
		c.Journey, c.Key, c.Properties = clone(c.Journey), clone(c.Key), cloneProperties(c.Properties)
		return c
	case gateway.JoinGroup:
		c.Role = clone(c.Role)
		return c
	case gateway.AdmitCustomer:
		c.State = append([]byte(nil), c.State...)
		return c
	case gateway.AddressRecipient:
		return cloneAddress(c)
	case gateway.RecallRecipient:
		c.Reason = gateway.Reason(clone(string(c.Reason)))
		return c
	}
	return v
}
