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
	m.fill(fixedAt(1, &c.Customer), textAt(2, &c.Journey), uint32At(3, &c.Version), textAt(4, &c.Step), idAt(5, &c.Origin),
		uint32At(6, &c.Visit), textAt(7, &c.Role), fixedAt(8, &c.Device), textAt(9, &c.Product), boolAt(10, &c.Holdout),
		propertyAt(11, &c.Values), textAt(12, &c.Cause), timeAt(13, &c.CauseReceivedAt), timeAt(14, &c.CauseAt), timeAt(15, &c.At))
	return c
}

func (m *reader) recallRecipient() (c gateway.RecallRecipient) {
	m.fill(fixedAt(1, &c.Customer), idAt(2, &c.Origin), textAt(3, &c.Reason))
	return c
}
