package wire

import "touchpoint/gateway"

// fieldSendTo is the field of Input that carries SendTo.
const fieldSendTo = 40

func appendQuiet(b []byte, q *gateway.QuietInterval) []byte {
	b = putInt(b, 1, q.From)
	b = putInt(b, 2, q.To)
	b = putUint(b, 3, uint64(q.Days))
	return putTexts(b, 4, q.Channels)
}

func (m *reader) quiet() (q gateway.QuietInterval) {
	for {
		f, t, ok := m.next()
		if !ok {
			return q
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			q.From = m.int()
		case 2<<3 | typeVarint:
			q.To = m.int()
		case 3<<3 | typeVarint:
			q.Days = uint8(m.varint())
		case 4<<3 | typeBytes:
			q.Channels = append(q.Channels, m.text())
		default:
			m.skip(t)
		}
	}
}

func appendSendTo(b []byte, c *gateway.SendTo) []byte {
	b = putFixed64(b, 1, uint64(c.Customer))
	b = putText(b, 2, c.Role)
	b = putText(b, 3, c.Journey)
	b = putUint(b, 4, uint64(c.Version))
	b = putText(b, 5, c.Step)
	b = putID(b, 6, c.Enrollment)
	b = putUint(b, 7, uint64(c.Visit))
	b = putFixed64(b, 8, uint64(c.Device))
	b = putText(b, 9, c.Product)
	b = putProperties(b, 10, c.Values)
	b = putText(b, 11, c.Cause)
	b = putTime(b, 12, c.CauseAt)
	return putTime(b, 13, c.CauseReceivedAt)
}

func (m *reader) sendTo() (c gateway.SendTo) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Role = m.text()
		case 3<<3 | typeBytes:
			c.Journey = m.text()
		case 4<<3 | typeVarint:
			c.Version = uint32(m.varint())
		case 5<<3 | typeBytes:
			c.Step = m.text()
		case 6<<3 | typeBytes:
			c.Enrollment = m.id()
		case 7<<3 | typeVarint:
			c.Visit = uint32(m.varint())
		case 8<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 9<<3 | typeBytes:
			c.Product = m.text()
		case 10<<3 | typeBytes:
			c.Values = append(c.Values, gateway.Property{})
			m.property(&c.Values[len(c.Values)-1])
		case 11<<3 | typeBytes:
			c.Cause = m.text()
		case 12<<3 | typeVarint:
			c.CauseAt = m.time()
		case 13<<3 | typeVarint:
			c.CauseReceivedAt = m.time()
		default:
			m.skip(t)
		}
	}
}
