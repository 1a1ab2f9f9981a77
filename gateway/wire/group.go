package wire

import "touchpoint/gateway"

// The fields of Input that carry commands of groups.
const (
	fieldJoinGroup = 50 + iota
	fieldLeaveGroup
	fieldReleaseCustomer
	fieldAdmitCustomer
)

// groupField returns the field of a command of groups, 0 for any other.
func groupField(c gateway.Command) int {
	switch c.(type) {
	case gateway.JoinGroup:
		return fieldJoinGroup
	case gateway.LeaveGroup:
		return fieldLeaveGroup
	case gateway.ReleaseCustomer:
		return fieldReleaseCustomer
	case gateway.AdmitCustomer:
		return fieldAdmitCustomer
	}
	return 0
}

func appendGroupCommand(b []byte, c gateway.Command) []byte {
	switch c := c.(type) {
	case gateway.JoinGroup:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putFixed64(b, 2, uint64(c.Group))
		b = putText(b, 3, c.Role)
		b = putTime(b, 4, c.At)
	case gateway.LeaveGroup:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putFixed64(b, 2, uint64(c.Group))
		b = putTime(b, 3, c.At)
	case gateway.ReleaseCustomer:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putInt(b, 2, c.To)
	case gateway.AdmitCustomer:
		b = putFixed64(b, 1, uint64(c.Customer))
		b = putBytes(b, 2, c.State)
	}
	return b
}

// groupCommand decodes the body of a command of groups.
func (m *reader) groupCommand(field int) gateway.Command {
	switch field {
	case fieldJoinGroup:
		return m.joinGroup()
	case fieldLeaveGroup:
		return m.leaveGroup()
	case fieldReleaseCustomer:
		return m.releaseCustomer()
	}
	return m.admitCustomer()
}

func (m *reader) joinGroup() (c gateway.JoinGroup) {
	m.fill(fixedAt(1, &c.Customer), fixedAt(2, &c.Group), textAt(3, &c.Role), timeAt(4, &c.At))
	return c
}

func (m *reader) leaveGroup() (c gateway.LeaveGroup) {
	m.fill(fixedAt(1, &c.Customer), fixedAt(2, &c.Group), timeAt(3, &c.At))
	return c
}

func (m *reader) releaseCustomer() (c gateway.ReleaseCustomer) {
	m.fill(fixedAt(1, &c.Customer), intAt(2, &c.To))
	return c
}

func (m *reader) admitCustomer() (c gateway.AdmitCustomer) {
	m.fill(fixedAt(1, &c.Customer), bytesAt(2, &c.State))
	return c
}

func appendMembership(b []byte, m *gateway.Membership) []byte {
	b = putFixed64(b, 1, uint64(m.Customer))
	b = putFixed64(b, 2, uint64(m.Group))
	b = putText(b, 3, m.Role)
	b = putTime(b, 4, m.From)
	return putTime(b, 5, m.To)
}

func (m *reader) membership() (c gateway.Membership) {
	m.fill(fixedAt(1, &c.Customer), fixedAt(2, &c.Group), textAt(3, &c.Role), timeAt(4, &c.From), timeAt(5, &c.To))
	return c
}
