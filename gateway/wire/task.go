package wire

import "touchpoint/gateway"

// Tasks for the staff.

func appendTask(b []byte, t *gateway.Task) []byte {
	b = putID(b, 1, t.ID)
	b = putID(b, 2, t.Enrollment)
	b = putText(b, 3, t.Journey)
	b = putUint(b, 4, uint64(t.Version))
	b = putText(b, 5, t.Step)
	b = putFixed64(b, 6, uint64(t.Customer))
	b = putFixed64(b, 7, uint64(t.Device))
	b = putText(b, 8, t.Product)
	b = putText(b, 9, t.Assignee)
	b = putText(b, 10, t.Locale)
	b = putProperties(b, 11, t.Values)
	b = putTime(b, 12, t.OpenedAt)
	b = putTime(b, 13, t.DueAt)
	b = putText(b, 14, t.State)
	b = putTime(b, 15, t.ClosedAt)
	return putText(b, 16, t.Outcome)
}

func appendTaskUpdate(b []byte, u *gateway.TaskUpdate) []byte {
	b = putID(b, 1, u.Task)
	b = putFixed64(b, 2, uint64(u.Customer))
	b = putText(b, 3, u.State)
	b = putTime(b, 4, u.At)
	return putText(b, 5, u.Outcome)
}

func (m *reader) task() (c gateway.Task) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.ID = m.id()
		case 2<<3 | typeBytes:
			c.Enrollment = m.id()
		case 3<<3 | typeBytes:
			c.Journey = m.text()
		case 4<<3 | typeVarint:
			c.Version = m.uint32()
		case 5<<3 | typeBytes:
			c.Step = m.text()
		case 6<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 7<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 8<<3 | typeBytes:
			c.Product = m.text()
		case 9<<3 | typeBytes:
			c.Assignee = m.text()
		case 10<<3 | typeBytes:
			c.Locale = m.text()
		case 11<<3 | typeBytes:
			c.Values = append(c.Values, gateway.Property{})
			m.property(&c.Values[len(c.Values)-1])
		case 12<<3 | typeVarint:
			c.OpenedAt = m.time()
		case 13<<3 | typeVarint:
			c.DueAt = m.time()
		case 14<<3 | typeBytes:
			c.State = gateway.TaskState(m.text())
		case 15<<3 | typeVarint:
			c.ClosedAt = m.time()
		case 16<<3 | typeBytes:
			c.Outcome = m.text()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) taskUpdate() (u gateway.TaskUpdate) {
	for {
		f, t, ok := m.next()
		if !ok {
			return u
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			u.Task = m.id()
		case 2<<3 | typeFixed64:
			u.Customer = gateway.CustomerID(m.fixed64())
		case 3<<3 | typeBytes:
			u.State = gateway.TaskState(m.text())
		case 4<<3 | typeVarint:
			u.At = m.time()
		case 5<<3 | typeBytes:
			u.Outcome = m.text()
		default:
			m.skip(t)
		}
	}
}
