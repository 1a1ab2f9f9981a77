package wire

import "touchpoint/gateway"

// appendCommand appends a command as the field of Input that belongs to it.
func appendCommand(b []byte, c gateway.Command) []byte {
	field, at := commandField(c), 0
	if field == 0 {
		panic(unknownCommand(c))
	}
	b, at = open(b, field)
	switch c := c.(type) {
	case gateway.UpsertCustomer:
		b = appendUpsert(b, &c)
	case gateway.SetConsent:
		b = appendSetConsent(b, &c)
	case gateway.CustomerEvent:
		b = putFixed64(b, 1, uint64(c.Customer))
		var inner int
		b, inner = open(b, 2)
		b = shut(appendEvent(b, &c.Event), inner)
	case gateway.EraseCustomer:
		b = putFixed64(b, 1, uint64(c.Customer))
	case gateway.Receipt:
		b = appendReceipt(b, &c)
	case gateway.PublishJourney, gateway.SetJourneyState, gateway.TriggerJourney:
		b = appendJourneyCommand(b, c)
	case gateway.RequestGrant, gateway.Grant, gateway.ReportMessages, gateway.SetBrake, gateway.FillTraits, gateway.FinishFill:
		b = appendLimitCommand(b, c)
	case gateway.JoinGroup, gateway.LeaveGroup, gateway.ReleaseCustomer, gateway.AdmitCustomer:
		b = appendGroupCommand(b, c)
	case gateway.AddressRecipient, gateway.RecallRecipient:
		b = appendRecipientCommand(b, c)
	default:
		b = appendDeviceCommand(b, c)
	}
	return shut(b, at)
}

func appendDeviceCommand(b []byte, c gateway.Command) []byte {
	switch c := c.(type) {
	case gateway.BindDevice:
		b = putFixed64(b, 1, uint64(c.Device))
		b = putText(b, 2, c.Product)
		b = putFixed64(b, 3, uint64(c.Customer))
		b = putText(b, 4, c.Role)
		b = putTime(b, 5, c.At)
		b = putInt(b, 6, c.Holder)
		b = putText(b, 40, c.TimeZone)
		b = putBool(b, 100, c.Holds)
	case gateway.UnbindDevice:
		b = putFixed64(b, 1, uint64(c.Device))
		b = putFixed64(b, 2, uint64(c.Customer))
		b = putTime(b, 3, c.At)
	case gateway.ReleaseDevice:
		b = putFixed64(b, 1, uint64(c.Device))
		b = putInt(b, 2, c.To)
		b = putTime(b, 3, c.At)
	case gateway.AdmitDevice:
		b = putFixed64(b, 1, uint64(c.Device))
		b = putBytes(b, 2, c.State)
	}
	return b
}

func appendJourneyCommand(b []byte, c gateway.Command) []byte {
	switch c := c.(type) {
	case gateway.PublishJourney:
		b = putText(b, 1, c.Journey)
		b = putUint(b, 2, uint64(c.Version))
		b = putTime(b, 3, c.Effective)
		b = putBytes(b, 4, c.Definition)
		b = putText(b, 5, c.Existing)
		b = putText(b, 6, c.Running)
		b = putBool(b, 60, c.Fill)
	case gateway.SetJourneyState:
		b = putText(b, 1, c.Journey)
		b = putText(b, 2, c.State)
		b = putTime(b, 3, c.Effective)
		b = putBool(b, 60, c.Withdraw)
		b = putText(b, 61, c.Reason)
		b = putText(b, 62, c.Rule)
	case gateway.TriggerJourney:
		b = putText(b, 1, c.Journey)
		b = putFixed64(b, 2, uint64(c.Customer))
		b = putFixed64(b, 3, uint64(c.Device))
		b = putText(b, 4, c.Key)
		b = putProperties(b, 5, c.Properties)
	}
	return b
}

// commandField returns the field of Input that carries the command, 0 when
// there is none.
func commandField(c gateway.Command) int {
	switch c.(type) {
	case gateway.Tick:
		return 2
	case gateway.UpsertCustomer:
		return 3
	case gateway.SetConsent:
		return 4
	case gateway.BindDevice:
		return 5
	case gateway.UnbindDevice:
		return 6
	case gateway.ReleaseDevice:
		return 7
	case gateway.AdmitDevice:
		return 8
	case gateway.CustomerEvent:
		return 9
	case gateway.EraseCustomer:
		return 10
	case gateway.PublishJourney:
		return 11
	case gateway.SetJourneyState:
		return 12
	case gateway.TriggerJourney:
		return 13
	case gateway.Receipt:
		return 14
	}
	if f := groupField(c); f != 0 {
		return f
	}
	if f := recipientField(c); f != 0 {
		return f
	}
	return limitField(c)
}

// command decodes the body of a command field.
func (d *batchDecoder) command(field int, m *reader) gateway.Command {
	switch field {
	case 3:
		return m.upsert()
	case 4:
		return m.setConsent()
	case 5:
		return m.bindDevice()
	case 6:
		return m.unbindDevice()
	case 7:
		return m.releaseDevice()
	case 8:
		return m.admitDevice()
	case 9:
		return d.customerEvent(m)
	case 10:
		return m.eraseCustomer()
	case 11:
		return m.publishJourney()
	case 12:
		return m.setJourneyState()
	case 13:
		return m.triggerJourney()
	case 14:
		return m.receipt()
	}
	if field >= fieldJoinGroup && field <= fieldAdmitCustomer {
		return m.groupCommand(field)
	}
	switch field {
	case fieldAddressRecipient:
		return m.addressRecipient()
	case fieldRecallRecipient:
		return m.recallRecipient()
	}
	if field >= firstLimit && field <= lastLimit {
		return d.limitCommand(field, m)
	}
	return gateway.Tick{}
}

func appendUpsert(b []byte, c *gateway.UpsertCustomer) []byte {
	b = putFixed64(b, 1, uint64(c.Customer))
	b = putTexts(b, 2, c.Mask)
	b = putText(b, 3, c.Locale)
	b = putText(b, 4, c.TimeZone)
	b = putText(b, 5, c.Country)
	b = putTexts(b, 6, c.Channels)
	b = putTexts(b, 7, c.Reachable)
	b = putProperties(b, 8, c.Attributes)
	b = putBool(b, 9, c.Test)
	b = putInt(b, 10, c.CapCount)
	b = putUint(b, 11, uint64(c.CapWindow))
	return putEach(b, 40, c.QuietHours, appendQuiet)
}

func appendSetConsent(b []byte, c *gateway.SetConsent) []byte {
	b = putFixed64(b, 1, uint64(c.Customer))
	b = putText(b, 2, c.Purpose)
	b = putText(b, 3, c.Channel)
	b = putBool(b, 4, c.Granted)
	b = putText(b, 5, c.Source)
	return putTime(b, 6, c.At)
}

func appendReceipt(b []byte, c *gateway.Receipt) []byte {
	b = putID(b, 1, c.Message)
	b = putFixed64(b, 2, uint64(c.Customer))
	b = putFixed64(b, 3, uint64(c.Device))
	b = putText(b, 4, c.Channel)
	b = putUint(b, 5, uint64(c.State))
	b = putTime(b, 6, c.At)
	return putText(b, 7, c.Detail)
}
