package wire

import "touchpoint/gateway"

// What the rules say of customers, and what filters turned away.

func appendClass(b []byte, c *gateway.CustomerClass) []byte {
	b = putFixed64(b, 1, uint64(c.Customer))
	b = putTexts(b, 2, c.Segments)
	b = putEach(b, 3, c.Stages, appendVisit)
	return putTime(b, 4, c.At)
}

func appendVisit(b []byte, v *gateway.StageVisit) []byte {
	return putTime(putText(b, 1, v.Stage), 2, v.At)
}

func appendFiltered(b []byte, f *gateway.FilteredCount) []byte {
	b = putText(b, 1, f.Journey)
	b = putUint(b, 2, uint64(f.Version))
	b = putUint(b, 3, f.Count)
	return putUint(b, 110, f.Unowned)
}

func (m *reader) class() (c gateway.CustomerClass) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Segments = append(c.Segments, m.text())
		case 3<<3 | typeBytes:
			n := m.nested()
			c.Stages = append(c.Stages, n.visit())
			m.bad = m.bad || n.bad
		case 4<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) visit() (v gateway.StageVisit) {
	for {
		f, t, ok := m.next()
		if !ok {
			return v
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			v.Stage = m.text()
		case 2<<3 | typeVarint:
			v.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) filtered() (c gateway.FilteredCount) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Journey = m.text()
		case 2<<3 | typeVarint:
			c.Version = uint32(m.varint())
		case 3<<3 | typeVarint:
			c.Count = m.varint()
		case 110<<3 | typeVarint:
			c.Unowned = m.varint()
		default:
			m.skip(t)
		}
	}
}
