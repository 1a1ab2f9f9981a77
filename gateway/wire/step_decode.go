package wire

import "touchpoint/gateway"

func (m *reader) applied() (c gateway.Applied) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			c.Seq = m.varint()
		case 2<<3 | typeVarint:
			c.Inputs = m.int()
		case 3<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) message() (c gateway.Message) {
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
		case 6<<3 | typeVarint:
			c.Visit = m.uint32()
		case 7<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 8<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 9<<3 | typeBytes:
			c.Product = m.text()
		case 10<<3 | typeBytes:
			c.Channel = m.text()
		case 11<<3 | typeBytes:
			c.Fallback = append(c.Fallback, m.text())
		case 12<<3 | typeBytes:
			c.Purpose = gateway.Purpose(m.text())
		case 13<<3 | typeBytes:
			c.Template = m.text()
		case 14<<3 | typeBytes:
			c.Locale = m.text()
		case 15<<3 | typeBytes:
			c.Values = append(c.Values, gateway.Property{})
			m.property(&c.Values[len(c.Values)-1])
		case 16<<3 | typeVarint:
			c.Holdout = m.bool()
		case 17<<3 | typeVarint:
			c.DecidedAt = m.time()
		case 18<<3 | typeVarint:
			c.NotBefore = m.time()
		case 19<<3 | typeVarint:
			c.NotAfter = m.time()
		case 20<<3 | typeVarint:
			c.ExpiresAt = m.time()
		case 21<<3 | typeBytes:
			c.Cause = m.text()
		case 22<<3 | typeVarint:
			c.CauseReceivedAt = m.time()
		case 23<<3 | typeVarint:
			c.State = gateway.MessageState(m.code())
		case 100<<3 | typeBytes:
			c.Recipient = m.text()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) messageUpdate() (c gateway.MessageUpdate) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Message = m.id()
		case 2<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 3<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 4<<3 | typeBytes:
			c.Journey = m.text()
		case 5<<3 | typeBytes:
			c.Channel = m.text()
		case 6<<3 | typeVarint:
			c.State = gateway.MessageState(m.code())
		case 7<<3 | typeVarint:
			c.At = m.time()
		case 8<<3 | typeBytes:
			c.Detail = m.text()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) decision() (c gateway.Decision) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			c.At = m.time()
		case 2<<3 | typeVarint:
			c.Kind = gateway.DecisionKind(m.code())
		case 3<<3 | typeBytes:
			c.Reason = gateway.Reason(m.text())
		case 4<<3 | typeBytes:
			c.Journey = m.text()
		case 5<<3 | typeVarint:
			c.Version = m.uint32()
		case 6<<3 | typeBytes:
			c.Step = m.text()
		case 7<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 8<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 9<<3 | typeBytes:
			c.Enrollment = m.id()
		case 10<<3 | typeBytes:
			c.Message = m.id()
		case 11<<3 | typeBytes:
			c.EventID = m.text()
		case 12<<3 | typeBytes:
			c.Rule = m.text()
		case 13<<3 | typeBytes:
			c.Values = append(c.Values, gateway.Property{})
			m.property(&c.Values[len(c.Values)-1])
		case 50<<3 | typeBytes:
			c.Arm = m.text()
		case 51<<3 | typeBytes:
			c.Split = m.text()
		case 52<<3 | typeFixed64:
			c.Group = gateway.GroupID(m.fixed64())
		case 53<<3 | typeVarint:
			c.Mixed = m.bool()
		case 100<<3 | typeBytes:
			c.Recipient = m.text()
		case 101<<3 | typeBytes:
			c.Origin = m.id()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) enrollment() (c gateway.Enrollment) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.ID = m.id()
		case 2<<3 | typeBytes:
			c.Journey = m.text()
		case 3<<3 | typeVarint:
			c.Version = m.uint32()
		case 4<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 5<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 6<<3 | typeBytes:
			c.Key = m.text()
		case 7<<3 | typeBytes:
			c.Step = m.text()
		case 8<<3 | typeBytes:
			c.Arm = m.text()
		case 9<<3 | typeVarint:
			c.EnteredAt = m.time()
		case 10<<3 | typeVarint:
			c.ChangedAt = m.time()
		case 11<<3 | typeVarint:
			c.EndedAt = m.time()
		case 12<<3 | typeBytes:
			c.EndReason = gateway.Reason(m.text())
		case 13<<3 | typeVarint:
			c.Converted = m.bool()
		case 14<<3 | typeVarint:
			c.WaitsUntil = m.time()
		case 100<<3 | typeBytes:
			c.Recipient = m.text()
		case 101<<3 | typeBytes:
			c.Origin = m.id()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) profile() (c gateway.CustomerProfile) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Locale = m.text()
		case 3<<3 | typeBytes:
			c.TimeZone = m.text()
		case 4<<3 | typeBytes:
			c.Country = m.text()
		case 5<<3 | typeBytes:
			c.Channels = append(c.Channels, m.text())
		case 6<<3 | typeBytes:
			c.Attributes = append(c.Attributes, gateway.Property{})
			m.property(&c.Attributes[len(c.Attributes)-1])
		case 7<<3 | typeBytes:
			n := m.nested()
			c.Consents = append(c.Consents, n.consent())
			m.bad = m.bad || n.bad
		case 8<<3 | typeVarint:
			c.Test = m.bool()
		case 9<<3 | typeVarint:
			c.ChangedAt = m.time()
		case 40<<3 | typeBytes:
			n := m.nested()
			c.QuietHours = append(c.QuietHours, n.quiet())
			m.bad = m.bad || n.bad
		case 41<<3 | typeVarint:
			c.CapCount = m.int()
		case 42<<3 | typeVarint:
			c.CapWindow = int64(m.varint())
		default:
			m.skip(t)
		}
	}
}

func (m *reader) consent() (c gateway.Consent) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Purpose = gateway.Purpose(m.text())
		case 2<<3 | typeBytes:
			c.Channel = m.text()
		case 3<<3 | typeVarint:
			c.Granted = m.bool()
		case 4<<3 | typeBytes:
			c.Source = m.text()
		case 5<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) ownership() (c gateway.Ownership) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Product = m.text()
		case 3<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 4<<3 | typeBytes:
			c.Role = m.text()
		case 5<<3 | typeVarint:
			c.From = m.time()
		case 6<<3 | typeVarint:
			c.To = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) route() (c gateway.Route) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeVarint:
			c.Partition = m.int()
		case 3<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		default:
			m.skip(t)
		}
	}
}

func (m *reader) journeyStatus() (c gateway.JourneyStatus) {
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
		case 3<<3 | typeBytes:
			c.State = gateway.JourneyState(m.text())
		case 4<<3 | typeVarint:
			c.At = m.time()
		case 5<<3 | typeBytes:
			c.Definition = m.bytes()
		default:
			m.skip(t)
		}
	}
}
