package wire

import "touchpoint/gateway"

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
