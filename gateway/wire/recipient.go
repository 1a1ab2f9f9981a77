package wire

import "touchpoint/gateway"

// The fields of Input that carry what goes to recipients.
const (
	fieldAddressRecipient = 100 + iota
	fieldRecallRecipient
)

// recipientField returns the field of a command for recipients, 0 for any other.
func recipientField(c gateway.Command) int {
	switch c.(type) {
	case gateway.AddressRecipient:
		return fieldAddressRecipient
	case gateway.RecallRecipient:
		return fieldRecallRecipient
	}
	return 0
}

func appendRecipientCommand(b []byte, c gateway.Command) []byte {
	switch c := c.(type) {
	case gateway.AddressRecipient:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putText(b, 2, c.Journey)
		b = putUint(b, 3, uint64(c.Version))
		b = putText(b, 4, c.Step)
		b = putID(b, 5, c.Origin)
		b = putUint(b, 6, uint64(c.Visit))
		b = putText(b, 7, c.Role)
		b = putFixed64(b, 8, uint64(c.Device))
		b = putText(b, 9, c.Product)
		b = putBool(b, 10, c.Holdout)
		b = putProperties(b, 11, c.Values)
		b = putText(b, 12, c.Cause)
		b = putTime(b, 13, c.CauseReceivedAt)
		b = putTime(b, 14, c.CauseAt)
		b = putTime(b, 15, c.At)
	case gateway.RecallRecipient:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putID(b, 2, c.Origin)
		b = putText(b, 3, c.Reason)
	}
	return b
}

func (m *reader) addressRecipient() (c gateway.AddressRecipient) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Journey = m.text()
		case 3<<3 | typeVarint:
			c.Version = m.uint32()
		case 4<<3 | typeBytes:
			c.Step = m.text()
		case 5<<3 | typeBytes:
			c.Origin = m.id()
		case 6<<3 | typeVarint:
			c.Visit = m.uint32()
		case 7<<3 | typeBytes:
			c.Role = m.text()
		case 8<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 9<<3 | typeBytes:
			c.Product = m.text()
		case 10<<3 | typeVarint:
			c.Holdout = m.bool()
		case 11<<3 | typeBytes:
			c.Values = append(c.Values, gateway.Property{})
			m.property(&c.Values[len(c.Values)-1])
		case 12<<3 | typeBytes:
			c.Cause = m.text()
		case 13<<3 | typeVarint:
			c.CauseReceivedAt = m.time()
		case 14<<3 | typeVarint:
			c.CauseAt = m.time()
		case 15<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) recallRecipient() (c gateway.RecallRecipient) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Origin = m.id()
		case 3<<3 | typeBytes:
			c.Reason = gateway.Reason(m.text())
		default:
			m.skip(t)
		}
	}
}
