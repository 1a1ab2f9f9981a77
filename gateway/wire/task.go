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
	m.fill(idAt(1, &c.ID), idAt(2, &c.Enrollment), textAt(3, &c.Journey), uint32At(4, &c.Version), textAt(5, &c.Step),
		fixedAt(6, &c.Customer), fixedAt(7, &c.Device), textAt(8, &c.Product), textAt(9, &c.Assignee), textAt(10, &c.Locale),
		propertyAt(11, &c.Values), timeAt(12, &c.OpenedAt), timeAt(13, &c.DueAt), textAt(14, &c.State), timeAt(15, &c.ClosedAt),
		textAt(16, &c.Outcome))
	return c
}

func (m *reader) taskUpdate() (u gateway.TaskUpdate) {
	m.fill(idAt(1, &u.Task), fixedAt(2, &u.Customer), textAt(3, &u.State), timeAt(4, &u.At), textAt(5, &u.Outcome))
	return u
}
