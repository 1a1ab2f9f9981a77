package wire

import "touchpoint/gateway"

// The fields of Input that carry the commands of limits over the installation.
const (
	firstLimit = 60
	lastLimit  = 65
)

func limitField(c gateway.Command) int {
	switch c.(type) {
	case gateway.RequestGrant:
		return 60
	case gateway.Grant:
		return 61
	case gateway.ReportMessages:
		return 62
	case gateway.SetBrake:
		return 63
	case gateway.FillTraits:
		return 64
	case gateway.FinishFill:
		return 65
	}
	return 0
}

func appendLimitCommand(b []byte, c gateway.Command) []byte {
	switch c := c.(type) {
	case gateway.RequestGrant:
		b = putText(b, 1, c.Journey)
		b = putUint(b, 2, uint64(c.Version))
		b = putUint(b, 3, uint64(c.Limit))
		b = putInt(b, 4, c.Partition)
		b = putInt(b, 5, c.Want)
		b = putInt(b, 6, c.Used)
		b = putTime(b, 7, c.UsedAt)
		b = putInt(b, 8, c.Returned)
	case gateway.Grant:
		b = putText(b, 1, c.Journey)
		b = putUint(b, 2, uint64(c.Limit))
		b = putInt(b, 3, c.Units)
		b = putTime(b, 4, c.Next)
		b = putTime(b, 5, c.At)
	case gateway.ReportMessages:
		b = putText(b, 1, c.Journey)
		b = putInt(b, 2, c.Partition)
		b = putInt(b, 3, c.N)
		b = putTime(b, 4, c.At)
	case gateway.SetBrake:
		b = putBool(b, 1, c.On)
		b = putText(b, 2, c.Reason)
	case gateway.FillTraits:
		b = putText(b, 1, c.Journey)
		b = putUint(b, 2, uint64(c.Version))
		b = putTime(b, 3, c.AfterAt)
		b = putUint(b, 4, uint64(c.AfterN))
		b = putTime(b, 5, c.LastAt)
		b = putUint(b, 6, uint64(c.LastN))
		b = putEach(b, 7, c.Events, appendCustomerEvent)
	case gateway.FinishFill:
		b = putText(b, 1, c.Journey)
		b = putUint(b, 2, uint64(c.Version))
		b = putTime(b, 3, c.Since)
		b = putTime(b, 4, c.AfterAt)
		b = putUint(b, 5, uint64(c.AfterN))
	}
	return b
}

func appendCustomerEvent(b []byte, c *gateway.CustomerEvent) []byte {
	b = putFixed64(b, 1, uint64(c.Customer))
	b, at := open(b, 2)
	return shut(appendEvent(b, &c.Event), at)
}

// limitCommand decodes the body of a limit's command.
func (d *batchDecoder) limitCommand(field int, m *reader) gateway.Command {
	switch field {
	case 60:
		return m.requestGrant()
	case 61:
		return m.grant()
	case 62:
		return m.reportMessages()
	case 63:
		return m.setBrake()
	case 64:
		return d.fillTraits(m)
	}
	return m.finishFill()
}

func (m *reader) requestGrant() (c gateway.RequestGrant) {
	m.fill(textAt(1, &c.Journey), uint32At(2, &c.Version), codeAt(3, &c.Limit), intAt(4, &c.Partition), intAt(5, &c.Want),
		intAt(6, &c.Used), timeAt(7, &c.UsedAt), intAt(8, &c.Returned))
	return c
}

func (m *reader) grant() (c gateway.Grant) {
	m.fill(textAt(1, &c.Journey), codeAt(2, &c.Limit), intAt(3, &c.Units), timeAt(4, &c.Next), timeAt(5, &c.At))
	return c
}

func (m *reader) reportMessages() (c gateway.ReportMessages) {
	m.fill(textAt(1, &c.Journey), intAt(2, &c.Partition), intAt(3, &c.N), timeAt(4, &c.At))
	return c
}

func (m *reader) setBrake() (c gateway.SetBrake) {
	m.fill(boolAt(1, &c.On), textAt(2, &c.Reason))
	return c
}

func (m *reader) finishFill() (c gateway.FinishFill) {
	m.fill(textAt(1, &c.Journey), uint32At(2, &c.Version), timeAt(3, &c.Since), timeAt(4, &c.AfterAt), uint32At(5, &c.AfterN))
	return c
}

// fillTraits decodes the events with the slab of the batch.
func (d *batchDecoder) fillTraits(m *reader) (c gateway.FillTraits) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Journey = m.text()
		case 2<<3 | typeVarint:
			c.Version = m.uint32()
		case 3<<3 | typeVarint:
			c.AfterAt = m.time()
		case 4<<3 | typeVarint:
			c.AfterN = m.uint32()
		case 5<<3 | typeVarint:
			c.LastAt = m.time()
		case 6<<3 | typeVarint:
			c.LastN = m.uint32()
		case 7<<3 | typeBytes:
			n := m.nested()
			c.Events = append(c.Events, d.customerEvent(&n))
			m.bad = m.bad || n.bad
		default:
			m.skip(t)
		}
	}
}
